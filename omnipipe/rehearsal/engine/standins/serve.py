"""A stand-in as the engine starts it: ``python -m omnipipe.rehearsal.engine.standins.serve NAME``.

What is particular to it is its ``Values``. This file is for a process of its own: Pulumi's descriptions of a provider
and Google's client libraries describe one message under two names, which protobuf refuses.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from pulumi.provider.experimental import provider
from pulumi.provider.experimental.property_value import Computed, PropertyValue
from pulumi.provider.experimental.server import main

from omnipipe.rehearsal.engine.standins import STANDINS
from omnipipe.rehearsal.engine.standins.values import Values

Properties = dict[str, PropertyValue]


class StandIn(provider.Provider):
    """A provider whose resources are values."""

    def __init__(self, values: Values) -> None:
        self._values = values

    async def check(self, request: provider.CheckRequest) -> provider.CheckResponse:
        """Whether a resource can be made, also in a preview."""
        failures = []
        try:
            if not any(map(_is_unknown, request.new_inputs.values())):
                self._values.seen(request.type, plain(request.new_inputs))
        except ValueError as error:
            failures.append(provider.CheckFailure("", str(error)))
        return provider.CheckResponse(request.new_inputs, failures)

    async def diff(self, request: provider.DiffRequest) -> provider.DiffResponse:
        """Which inputs changed."""
        news, olds = plain(request.new_inputs), plain(request.old_state)
        unknown = {key for key, value in request.new_inputs.items() if _is_unknown(value)}
        if not unknown:
            news |= self._values.seen(request.type, news)
        differing = {key for key, value in news.items() if key not in unknown and olds.get(key) != value}
        changed = sorted(unknown | differing)
        return provider.DiffResponse(
            changes=bool(changed), diffs=changed, replaces=changed if self._values.replaces else []
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

    def _made(self, kind: str, properties: Properties) -> tuple[str, Properties]:
        inputs = plain(properties)
        id_, outputs = self._values.made(kind, inputs)
        hidden = self._values.secrets
        computed = {**self._values.seen(kind, inputs), **outputs}
        return id_, {
            **properties,
            **{key: PropertyValue(_value(each), is_secret=key in hidden) for key, each in computed.items()},
        }


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


if __name__ == "__main__":
    values = STANDINS[sys.argv.pop(1)]
    main(sys.argv[1:], metadata.version(values.package), StandIn(values))
