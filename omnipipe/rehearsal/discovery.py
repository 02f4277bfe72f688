"""Google's discovery documents, as google-api-python-client ships them: which methods an API has, and their schemas.

A document is read when the first request for its API and version comes: Compute's alone is 5 MB.
https://developers.google.com/discovery/v1/reference/apis
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote

Schema = Mapping[str, Any]

_PARAMETER = re.compile(r"\{\+?(\w+)\}")
_IDENTITY_AND_ACCESS = ("getIamPolicy", "setIamPolicy", "testIamPermissions")


@dataclass(frozen=True)
class Method:
    """One method of an API: ``id`` as the document has it (``run.projects.locations.jobs.create``)."""

    id: str
    http: str  # GET, POST, ...
    path: str  # with the version, parameters in braces
    flat: str  # the same, each segment a parameter of its own
    parameters: Mapping[str, Schema]
    request: str | None  # the name of the body's schema
    response: str | None

    @property
    def verb(self) -> str:
        """What it does: ``create``, ``get``, ``setIamPolicy``."""
        return self.id.rpartition(".")[2]

    @property
    def custom(self) -> str:
        """The word behind the colon of its address, or ""."""
        last = self.path.rpartition("/")[2]
        return last.rpartition(":")[2] if ":" in last else ""

    @cached_property
    def collection(self) -> str:
        """The last part of its address that is no parameter: what its resources are called (``jobs``)."""
        words = [word for word in self.flat.partition(":")[0].split("/") if not word.startswith("{")]
        verbs = (self.verb, "iam", "testPermissions")
        return next((word for word in reversed(words) if word not in verbs), "")

    @cached_property
    def address(self) -> re.Pattern[str]:
        """Matches a whole path, still percent-encoded, with the parameters as groups."""

        def group(found: re.Match[str]) -> str:
            pattern = self.parameters.get(found[1], {}).get("pattern", "") if found[0][1] == "+" else ""
            return f"(?P<{found[1]}>{pattern.removeprefix('^').removesuffix('$') or '[^/]+'})"

        literal = re.compile(r"\{\+?\w+\}|[^{]+")
        parts = (
            _PARAMETER.sub(group, part) if part.startswith("{") else re.escape(part)
            for part in literal.findall(self.path)
        )
        return re.compile("".join(parts))

    @property
    def is_item(self) -> bool:
        """Whether its address is that of one resource, not of a collection."""
        return self.flat.endswith("}")

    @property
    def on_policy(self) -> bool:
        """Whether it is one of the three methods of IAM."""
        return self.verb in (*_IDENTITY_AND_ACCESS, "testPermissions")


class Api:
    """One version of an API, as its document describes it."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.host: str = document["rootUrl"].removeprefix("https://").partition(".")[0]
        self.name: str = document["name"]
        self.version: str = document["version"]
        self.title: str = document["title"]
        self.root = f"{document['rootUrl']}{document['servicePath']}"
        self.schemas: Mapping[str, Schema] = document["schemas"]
        self.parameters: Mapping[str, Schema] = document["parameters"]
        self.prefix: str = document["servicePath"]
        self.regions: list[str] = sorted(each["location"] for each in document.get("endpoints", ()))
        self.methods = [self._method(each) for each in _methods(document)]
        self._by_shape: dict[tuple[str, str, int], list[Method]] = {}
        self._customs = {method.custom for method in self.methods if method.custom}
        for method in self.methods:
            self._by_shape.setdefault((method.http, method.custom, self._length(method)), []).append(method)
        for same in self._by_shape.values():
            same.sort(key=lambda method: method.flat.count("{"))  # a word is meant before any name

    def _method(self, declared: Mapping[str, Any]) -> Method:
        return Method(
            declared["id"],
            declared["httpMethod"],
            self.prefix + declared["path"],
            self.prefix + declared.get("flatPath", declared["path"]),
            declared.get("parameters", {}),
            declared.get("request", {}).get("$ref"),
            declared.get("response", {}).get("$ref"),
        )

    @staticmethod
    def _length(method: Method) -> int:
        """How many segments its addresses have; 0 where a parameter takes any number."""
        free = any("*" in each.get("pattern", "").replace("[^/]*", "") for each in method.parameters.values())
        return 0 if free and "{+" in method.path else method.flat.count("/") + 1

    def find(self, http: str, path: str) -> tuple[Method, dict[str, str]] | None:
        """The method that answers at a percent-encoded path, and the path's parameters, decoded."""
        custom = path.rpartition("/")[2].rpartition(":")[2]
        customs = (custom, "") if custom in self._customs else ("",)
        for word in customs:
            for length in (path.count("/") + 1, 0):
                for method in self._by_shape.get((http, word, length), ()):
                    if found := method.address.fullmatch(path):
                        return method, {name: unquote(value) for name, value in found.groupdict().items()}
        return None

    @cache  # noqa: B019 - an Api lives as long as the process
    def of_collection(self, collection: str) -> Mapping[str, Method]:
        """The methods of a collection's resources, by their verb."""
        return {method.verb: method for method in reversed(self.methods) if method.collection == collection}

    def resource(self, method: Method) -> str | None:
        """The name of the schema of the resources that a method is about."""
        siblings = {
            each.verb: each for each in self.methods if each.id.rpartition(".")[0] == method.id.rpartition(".")[0]
        }
        if "get" in siblings:
            return siblings["get"].response
        creating = siblings.get("create") or siblings.get("insert")
        return creating.request if creating else None


def _methods(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from node.get("methods", {}).values()
    for resource in node.get("resources", {}).values():
        yield from _methods(resource)


def _folder() -> Path:
    package = find_spec("googleapiclient")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("google-api-python-client is not installed: its discovery documents are needed")
    return Path(package.submodule_search_locations[0]) / "discovery_cache" / "documents"


@cache
def _versions() -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for file in _folder().glob("*.json"):
        name, _, version = file.stem.partition(".")
        found.setdefault(name, set()).add(version)
    return {name: frozenset(versions) for name, versions in found.items()}


@cache
def _api(host: str, version: str) -> Api:
    return Api(json.loads((_folder() / f"{host}.{version}.json").read_bytes()))


def api(host: str, path: str) -> Api | None:
    """The API that a host answers with at a path: the path's first segment that is one of the API's versions."""
    versions = _versions().get(host, frozenset())
    version = next((segment for segment in path.split("/")[:4] if segment in versions), None)
    return _api(host, version) if version else None
