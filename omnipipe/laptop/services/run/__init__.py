"""Cloud Run jobs: the resource, their executions, and the API of both versions."""
