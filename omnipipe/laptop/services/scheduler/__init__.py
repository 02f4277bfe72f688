"""Cloud Scheduler: the resource, and the clock that reads it."""
