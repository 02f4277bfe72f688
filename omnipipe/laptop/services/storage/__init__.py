"""Cloud Storage: its resources, and the API of objects."""
