"""Cloud Functions: the resource, and the front door, which lets in whom the program named."""
