"""Google's own descriptions of its APIs, which google-api-python-client ships: the fields and values that there are.

https://developers.google.com/discovery/v1/reference/apis
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any


@cache
def _document(api: str) -> Mapping[str, Any]:
    package = find_spec("googleapiclient")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("google-api-python-client is not installed: its discovery documents are needed")
    folder = Path(package.submodule_search_locations[0], "discovery_cache", "documents")
    return json.loads((folder / f"{api}.json").read_bytes())


def as_of(api: str) -> str:
    """The day of the description of an API, such as ``sqladmin.v1``."""
    revision = _document(api)["revision"]
    return f"{revision[:4]}-{revision[4:6]}-{revision[6:]}"


def schema(api: str, name: str) -> Mapping[str, Any]:
    """The fields of a message by name, each as JSON schema has it."""
    return _document(api)["schemas"][name]["properties"]


def values(api: str, name: str, field: str) -> frozenset[str]:
    """The values that a field of a message may have, but for the one that says nothing."""
    return frozenset(value for value in schema(api, name)[field]["enum"] if not value.endswith("_UNSPECIFIED"))
