"""Cloud SQL: its resources, the PostgreSQL that runs, and its roles."""
