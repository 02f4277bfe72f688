"""The helpers of expressions: conversions, `len`, `keys`, `default`. (`if` and `not` are part of the grammar.)

https://cloud.google.com/workflows/docs/reference/stdlib/expression-helpers
"""

import math
import re
from typing import Any

from omnipipe.laptop.services.workflows.interpreter.errors import failure
from omnipipe.laptop.services.workflows.interpreter.functions import define
from omnipipe.laptop.services.workflows.interpreter.stdlib.arguments import need
from omnipipe.laptop.services.workflows.interpreter.values import a_type, is_number, scalar_text, type_name

# Python's own int() and float() would also take "1_000", " 1 ", "inf" and other scripts' digits
_INTEGER = re.compile(r"[+-]?[0-9]+")
_DOUBLE = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


@define("default")
def default(value: Any, default_value: Any) -> Any:
    """The first value unless it is null."""
    return default_value if value is None else value


@define("double")
def double(value: Any) -> float:
    """A double from a number or its text."""
    if type(value) is str:
        if not _DOUBLE.fullmatch(value):
            raise failure("ValueError", f"cannot convert {value!r} to a double")
        return float(value)
    if is_number(value):
        return float(value)
    raise failure("TypeError", f"cannot convert {a_type(value)} to a double")


@define("int")
def integer(value: Any) -> int:
    """An integer from its text, or from a double by cutting its fraction."""
    if type(value) is str and _INTEGER.fullmatch(value):
        number = int(value)
    elif type(value) is str:
        raise failure("ValueError", f"cannot convert {value!r} to an integer")
    elif type(value) is int or (type(value) is float and math.isfinite(value)):
        number = int(value)
    else:
        raise failure("TypeError", f"cannot convert {a_type(value)} to an integer")
    if not -(2**63) <= number < 2**63:
        raise failure("ValueError", f"{value} does not fit into a 64-bit integer")
    return number


@define("string")
def string(value: Any) -> str:
    """The text of a number or boolean."""
    text = None if type(value) is str else scalar_text(value)
    if text is None:
        advice = "it is one" if type(value) is str else "use json.encode_to_string"
        raise failure("TypeError", f"cannot convert {a_type(value)} to a string: {advice}")
    return text


@define("keys")
def keys(value: Any) -> list[str]:
    """The keys of a map, in its order."""
    need(value, dict, "the argument of keys")
    return list(value)


@define("len")
def length(value: Any) -> int:
    """The number of elements of a list, entries of a map or characters of a string."""
    if type(value) not in (list, dict, str, bytes):
        raise failure("TypeError", f"{a_type(value)} has no length")
    return len(value)


@define("get_type")
def get_type(value: Any) -> str:
    """The name of a value's type."""
    return type_name(value)
