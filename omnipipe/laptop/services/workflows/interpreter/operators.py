"""What the operators of expressions do, and the errors they raise.

Stricter than Python: no truth of non-booleans, no arithmetic on booleans, no `in` for text, 64-bit integers.
"""

import math
import operator
from collections.abc import Callable
from typing import Any

from omnipipe.laptop.services.workflows.interpreter.errors import WorkflowError, failure
from omnipipe.laptop.services.workflows.interpreter.values import a_type, equal, is_number, scalar_text, type_name

_MIN_INT, _MAX_INT = -(2**63), 2**63 - 1


def _unsupported(symbol: str, left: Any, right: Any) -> WorkflowError:
    return failure(
        "TypeError", f"unsupported operand types for {symbol}: {type_name(left)} and {type_name(right)}"
    )


def _checked(result: Any) -> Any:
    if type(result) is int and not _MIN_INT <= result <= _MAX_INT:
        raise failure("ValueError", "integer overflow: the result does not fit into 64 bits")
    return result


def add(left: Any, right: Any) -> Any:
    """`+`: numbers, or a string and another one, a number or a boolean."""
    if type(left) is str or type(right) is str:
        first, second = scalar_text(left), scalar_text(right)
        if first is not None and second is not None:
            return first + second
    if is_number(left) and is_number(right):
        return _checked(left + right)
    raise _unsupported("+", left, right)


def _arithmetic(symbol: str, function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def apply(left: Any, right: Any) -> Any:
        if not (is_number(left) and is_number(right)):
            raise _unsupported(symbol, left, right)
        try:
            return _checked(function(left, right))
        except ZeroDivisionError:
            raise failure("ZeroDivisionError", "division by zero") from None
        except OverflowError:
            raise failure("ValueError", "the result does not fit into a double") from None

    return apply


def _ordering(symbol: str, function: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def apply(left: Any, right: Any) -> bool:
        if (is_number(left) and is_number(right)) or (type(left) is str and type(right) is str):
            return function(left, right)
        raise _unsupported(symbol, left, right)

    return apply


def contains(item: Any, container: Any) -> bool:
    """`in`: an element of a list, or a key of a map."""
    if type(container) is list:
        return any(equal(item, element) for element in container)
    if type(container) is dict:
        return type(item) is str and item in container
    raise failure("TypeError", f"in needs a list or a map on its right, not {a_type(container)}")


def negate(value: Any) -> Any:
    """Unary `-`."""
    if not is_number(value):
        raise failure("TypeError", f"unsupported operand type for -: {type_name(value)}")
    return _checked(-value)


def boolean(value: Any, where: str) -> bool:
    """Return a boolean as it is; anything else is a TypeError naming `where`."""
    if value is True or value is False:
        return value
    raise failure("TypeError", f"{where} needs a boolean, not {a_type(value)}")


def member(target: Any, key: Any) -> Any:
    """`target[key]` and `target.key`: a value of a map by key, or an element of a list by index."""
    if type(target) is dict:
        if type(key) is not str:
            raise failure("TypeError", f"a map's key is a string, not {a_type(key)}")
        if key not in target:
            raise failure("KeyError", f"key not found: {key}")
        return target[key]
    if type(target) is list:
        return target[list_index(target, key)]
    if type(key) is str:
        raise failure("TypeError", f"{a_type(target)} has no key '{key}'")
    raise failure("TypeError", f"{a_type(target)} cannot be indexed")


def list_index(target: list, key: Any) -> int:
    """Check that `key` is an index of the list: an integer from 0 on."""
    if type(key) is not int:
        raise failure("TypeError", f"a list's index is an integer, not {a_type(key)}")
    if not 0 <= key < len(target):
        raise failure("IndexError", f"index {key} is out of range: the list has {len(target)} elements")
    return key


def _floor_division(left: Any, right: Any) -> Any:
    return left // right if type(left) is int and type(right) is int else float(math.floor(left / right))


BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": add,
    "-": _arithmetic("-", operator.sub),
    "*": _arithmetic("*", operator.mul),
    "/": _arithmetic("/", operator.truediv),
    "//": _arithmetic("//", _floor_division),
    "%": _arithmetic("%", operator.mod),
    "==": equal,
    "!=": lambda left, right: not equal(left, right),
    "<": _ordering("<", operator.lt),
    "<=": _ordering("<=", operator.le),
    ">": _ordering(">", operator.gt),
    ">=": _ordering(">=", operator.ge),
    "in": contains,
}
