"""What the stand-ins have in common: a resource is its inputs and what is computed from them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from pulumi.provider.experimental import provider
from pulumi.provider.experimental.property_value import Computed, PropertyValue
from pulumi.provider.experimental.server import main

Values = dict[str, PropertyValue]


class StandIn(provider.Provider):
    """A provider whose resources are values; what is particular to it are ``outputs`` and ``replaces``."""

    package: str

    def outputs(self, kind: str, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """The id, and the outputs beside the inputs, of a resource of a kind (``random:index/…:RandomBytes``).

        Raises ValueError for what the provider would refuse.
        """
        raise NotImplementedError

    def replaces(self, kind: str, changed: list[str]) -> list[str]:
        """Those of the changed inputs that make another resource necessary."""
        return []

    def secret_outputs(self, kind: str) -> frozenset[str]:
        """The outputs that are secrets."""
        return frozenset()

    def computed(self, kind: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """What is computed at each look, and compared as an input is."""
        return {}

    # --- the engine's questions

    async def diff(self, request: provider.DiffRequest) -> provider.DiffResponse:
        """Which inputs changed."""
        news = {**plain(request.new_inputs), **self.computed(request.type, plain(request.new_inputs))}
        olds = plain(request.old_state)
        unknown = [key for key, value in request.new_inputs.items() if _is_unknown(value)]
        changed = sorted({*unknown, *(key for key, value in news.items() if olds.get(key) != value)})
        return provider.DiffResponse(
            changes=bool(changed), diffs=changed, replaces=self.replaces(request.type, changed)
        )

    async def create(self, request: provider.CreateRequest) -> provider.CreateResponse:
        """Make one; in a preview nothing that is computed is known."""
        if request.preview:
            return provider.CreateResponse("", dict(request.properties))
        id_, values = self._made(request.type, request.properties)
        return provider.CreateResponse(id_, values)

    async def update(self, request: provider.UpdateRequest) -> provider.UpdateResponse:
        """Change one; in a preview nothing that is computed is known."""
        if request.preview:
            return provider.UpdateResponse(dict(request.news))
        return provider.UpdateResponse(self._made(request.type, request.news)[1])

    async def delete(self, request: provider.DeleteRequest) -> None:
        """A value needs no deletion."""

    def _made(self, kind: str, properties: Values) -> tuple[str, Values]:
        inputs = plain(properties)
        id_, outputs = self.outputs(kind, inputs)
        hidden = self.secret_outputs(kind)
        computed = {**self.computed(kind, inputs), **outputs}
        return id_, {
            **properties,
            **{key: PropertyValue(_value(each), is_secret=key in hidden) for key, each in computed.items()},
        }

    def serve(self) -> None:
        """Answer the engine that started this program, until it ends it."""
        main(sys.argv[1:], metadata.version(self.package), self)


def plain(values: Mapping[str, PropertyValue]) -> dict[str, Any]:
    """Values as Python has them."""
    return {key: _inner(value) for key, value in values.items()}


def _inner(value: PropertyValue) -> Any:
    inner = value.value
    if isinstance(inner, Mapping):
        return {key: _inner(each) for key, each in inner.items()}
    if isinstance(inner, (list, tuple)):
        return [_inner(each) for each in inner]
    return inner


def _value(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _is_unknown(value: PropertyValue) -> bool:
    inner = value.value
    if isinstance(inner, Mapping):
        return any(map(_is_unknown, inner.values()))
    if isinstance(inner, (list, tuple)):
        return any(map(_is_unknown, inner))
    return isinstance(inner, Computed)
