"""Secret Manager: its resources, and the API of versions."""
