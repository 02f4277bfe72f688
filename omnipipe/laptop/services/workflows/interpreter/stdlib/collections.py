"""The modules `list`, `map` and `math`."""

import math
from typing import Any

from omnipipe.laptop.services.workflows.interpreter.functions import define
from omnipipe.laptop.services.workflows.interpreter.operators import negate
from omnipipe.laptop.services.workflows.interpreter.stdlib.arguments import need, need_number


@define("list.concat")
def list_concat(objs: Any, val: Any) -> list:
    """A copy of a list with one element more at its end."""
    need(objs, list, "objs")
    return [*objs, val]


@define("list.prepend")
def list_prepend(objs: Any, val: Any) -> list:
    """A copy of a list with one element more at its start."""
    need(objs, list, "objs")
    return [val, *objs]


@define("map.get")
def map_get(map: Any, keys: Any) -> Any:
    """The value under a key, or under a path of keys given as a list; null where there is none, or no map."""
    path = keys if type(keys) is list else [keys]
    value = map
    for key in path:
        need(key, str, "a key")
        if type(value) is not dict or key not in value:
            return None
        value = value[key]
    return value


@define("map.delete")
def map_delete(map: Any, key: Any) -> dict:
    """A copy of a map without a key."""
    need(map, dict, "map")
    need(key, str, "key")
    return {name: value for name, value in map.items() if name != key}


@define("map.merge")
def map_merge(first: Any, second: Any) -> dict:
    """A copy of both maps; the second one's values win."""
    need(first, dict, "first")
    need(second, dict, "second")
    return {**first, **second}


@define("map.merge_nested")
def map_merge_nested(first: Any, second: Any) -> dict:
    """A copy of both maps, merged in depth; the second one's values win."""
    merged = map_merge(first, second)
    for key in first.keys() & second.keys():
        if type(first[key]) is dict and type(second[key]) is dict:
            merged[key] = map_merge_nested(first[key], second[key])
    return merged


@define("math.abs")
def math_abs(x: Any) -> Any:
    """The absolute value of a number."""
    need_number(x, "x")
    return negate(x) if x < 0 else x


@define("math.floor")
def math_floor(x: Any) -> int:
    """The largest integer that is not over a number."""
    need_number(x, "x")
    return math.floor(x)


@define("math.max")
def math_max(x: Any, y: Any) -> Any:
    """The larger of two numbers."""
    need_number(x, "x")
    need_number(y, "y")
    return max(x, y)


@define("math.min")
def math_min(x: Any, y: Any) -> Any:
    """The smaller of two numbers."""
    need_number(x, "x")
    need_number(y, "y")
    return min(x, y)
