"""Until a stack can be deployed to Google: what must exist before, and what is missing on a machine or in a project."""
