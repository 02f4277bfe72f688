"""The language's values: their types, equality, copies and sizes.

Values are JSON's (as Python's dict, list, str, int, float, bool, None) plus bytes and functions.
"""

import math
from collections.abc import Mapping
from typing import Any

from omnipipe.laptop.services.workflows.interpreter.errors import failure

MAX_STRING = 256 * 1024
"""Longest string, in bytes of UTF-8 (https://cloud.google.com/workflows/quotas)."""

_TYPE_NAMES = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "double",
    str: "string",
    bytes: "bytes",
    list: "list",
    dict: "map",
}
_FIXED_SIZE = 8


def type_name(value: Any) -> str:
    """The language's name of a value's type, as `get_type` returns it."""
    return _TYPE_NAMES.get(type(value), "function")


def a_type(value: Any) -> str:
    """A value's type as a message says it: "an integer", "a map", "null"."""
    name = type_name(value)
    return name if name in ("null", "bytes") else f"an {name}" if name == "integer" else f"a {name}"


def copy_value(value: Any) -> Any:
    """Copy a value: the language passes by value, so two variables never share a map or list."""
    kind = type(value)
    if kind is dict:
        return {key: copy_value(item) for key, item in value.items()}
    if kind is list:
        return [copy_value(item) for item in value]
    return value


def size_of(value: Any) -> int:
    """Bytes that a value counts for in the limit on variables.

    8 for a number, boolean or null, 8 and its content for the others: the table under "Memory
    usage" of https://cloud.google.com/workflows/docs/reference/syntax/variables.
    """
    kind = type(value)
    if kind is int or kind is float or kind is bool or value is None:
        return _FIXED_SIZE
    if kind is str:
        length = len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
        if length > MAX_STRING:
            raise failure("ResourceLimitError", f"a string of {length} bytes is over the limit of {MAX_STRING}")
        return _FIXED_SIZE + length
    if kind is list:
        return _FIXED_SIZE + sum(map(size_of, value))
    if kind is dict:
        return _FIXED_SIZE + sum(size_of(key) + size_of(item) for key, item in value.items())
    return _FIXED_SIZE + len(value) if kind is bytes else _FIXED_SIZE


def equal(left: Any, right: Any) -> bool:
    """Equality without Python's leaks: `true` is not 1, and values of different types are unequal."""
    kind, other = type(left), type(right)
    if kind is not other:
        return kind in (int, float) and other in (int, float) and left == right
    if kind is list:
        return len(left) == len(right) and all(map(equal, left, right))
    if kind is dict:
        return left.keys() == right.keys() and all(equal(item, right[key]) for key, item in left.items())
    return left == right


def is_number(value: Any) -> bool:
    """True for an integer or a double, not for a boolean."""
    return type(value) is int or type(value) is float


def scalar_text(value: Any) -> str | None:
    """The text of a string, number or boolean; None for anything else."""
    if type(value) is bool:
        return "true" if value else "false"
    return str(value) if type(value) is str or is_number(value) else None


def jsonable(value: Any, what: str) -> Any:
    """Return `value` if JSON can hold it.

    Raises: a TypeError of the language naming `what`, for bytes and functions; a ValueError for infinity.
    """
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, Mapping):
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
        elif type(item) not in _TYPE_NAMES or type(item) is bytes:
            raise failure("TypeError", f"{what} holds {a_type(item)}, which JSON cannot hold")
        elif type(item) is float and not math.isfinite(item):
            raise failure("ValueError", f"{what} holds {item}, which JSON cannot hold")
    return value
