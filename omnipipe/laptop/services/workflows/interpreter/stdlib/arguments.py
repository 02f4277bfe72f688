"""Checks of arguments that the library's functions share."""

from typing import Any

from omnipipe.laptop.services.workflows.interpreter.errors import failure
from omnipipe.laptop.services.workflows.interpreter.values import a_type, is_number

_NAMES = {str: "a string", dict: "a map", list: "a list", bytes: "bytes", bool: "a boolean", int: "an integer"}


def need(value: Any, kind: type, name: str) -> None:
    """Check the type of the argument `name`. Raises: TypeError of the language."""
    if type(value) is not kind:
        raise failure("TypeError", f"{name} must be {_NAMES[kind]}, not {a_type(value)}")


def need_number(value: Any, name: str) -> None:
    """Check that the argument `name` is an integer or a double. Raises: TypeError of the language."""
    if not is_number(value):
        raise failure("TypeError", f"{name} must be a number, not {a_type(value)}")
