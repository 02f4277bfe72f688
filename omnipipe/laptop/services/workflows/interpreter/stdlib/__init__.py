"""The language's standard library: importing this package fills `functions.FUNCTIONS`.

https://cloud.google.com/workflows/docs/reference/stdlib/overview
"""

from omnipipe.laptop.services.workflows.interpreter.stdlib import (
    collections,
    data,
    events,
    expression_helpers,
    http,
    system,
    text,
)

VALUES = http.VALUES
"""The library's objects that are not functions, by their full name."""

__all__ = ["VALUES", "collections", "data", "events", "expression_helpers", "http", "system", "text"]
