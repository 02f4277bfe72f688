"""Cloud Logging's metrics and Cloud Monitoring's policies, evaluated against the laptop's own logs."""
