"""What an ``up`` would do, found out without doing any of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pulumi.runtime.rpc import UNKNOWN

from omnipipe.laptop import outside_world, program
from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.deployment import ignoring, is_replaced, kind_of, named, passes_by
from omnipipe.laptop.policies import Pack, Violation
from omnipipe.laptop.project import Project
from omnipipe.laptop.registry import Resource

_SECRET = ("password", "secretData", "privateKey")


@dataclass(frozen=True)
class Difference:
    """An input that would be another; values as text, shortened, and never those of secrets."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class Change:
    """What would become of one resource. ``loses_data``: what is in it would be gone."""

    what: Literal["create", "change", "replace", "remove"]
    kind: str
    name: str
    inputs: tuple[Difference, ...] = ()
    loses_data: bool = False


@dataclass(frozen=True)
class Preview:
    """What an ``up`` would do, and what the policies say of it."""

    changes: list[Change]
    violations: list[Violation]


class Plan:
    """A deployment that only looks (see ``omnipipe.laptop.program.Deployment``).

    ``resources`` are those that the program registers, in its order.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._lock = threading.Lock()
        self.resources: list[Resource] = []
        self._changes: list[Change] = []

    def register(
        self,
        type_: str,
        name: str,
        inputs: dict[str, Any],
        protect: bool,
        replace_on_changes: Sequence[str] = (),
        ignore_changes: Sequence[str] = (),
    ) -> tuple[str, dict[str, Any]]:
        """Note what would become of a resource; an output that it does not have yet is left out."""
        if passes_by(type_):
            return name, inputs
        kind = kind_of(type_, name)
        previous = self._cloud.registry.get(f"{type_}::{name}")
        inputs = ignoring(ignore_changes, named(kind, name, inputs), previous)
        resource = Resource(type_, name, inputs, protect=protect)
        outputs = kind.foreseen(self._cloud, resource, previous)
        replaced = bool(kind.replaces(resource, previous)) or (
            previous is not None and is_replaced(previous, inputs, replace_on_changes)
        )
        different = () if previous is None else _differences(previous, resource, outputs)
        with self._lock:
            self.resources.append(resource)
            if previous is None:
                self._changes.append(Change("create", resource.kind, name))
            elif replaced:
                self._changes.append(Change("replace", resource.kind, name, different, kind.holds_data))
            elif different:
                self._changes.append(Change("change", resource.kind, name, different))
        return (previous.id if previous and not replaced else ""), outputs

    def changes(self) -> list[Change]:
        """All of it, in the order of the program, and what would be removed, the dependent ones first."""
        registered = {resource.key for resource in self.resources}
        gone = [resource for resource in self._cloud.registry if resource.key not in registered]
        return self._changes + [
            Change("remove", resource.kind, resource.name, (), kind_of(resource.type, resource.name).holds_data)
            for resource in reversed(gone)
        ]


def preview(cloud: Cloud, project: Project) -> Preview:
    """Run the program for a stack as ``up`` would, making nothing, and ask its policies.

    Raises LaptopError for an error of the program or of its policy pack, and for a resource that the laptop does not
    know.
    """
    plan = Plan(cloud)
    cloud.ports.foresee()
    config = project.config | outside_world.replaced(cloud)
    program.run(project.with_config(config), plan, preview=True)
    folder = cloud.declaration.policies
    pack = Pack.load(cloud.program / folder) if cloud.program and folder else Pack(())
    return Preview(plan.changes(), pack.violations(plan.resources, project.name, project.stack))


def _differences(previous: Resource, resource: Resource, outputs: dict[str, Any]) -> tuple[Difference, ...]:
    found = list(_within("", previous.inputs, resource.inputs))
    # What is made of files is known by its digest.
    if not found and "digest" in outputs and outputs["digest"] != previous.outputs.get("digest"):
        found.append(
            Difference("files", _shown("", previous.outputs.get("digest")), _shown("", outputs["digest"]))
        )
    if previous.protect != resource.protect:
        found.append(Difference("protect", str(previous.protect).lower(), str(resource.protect).lower()))
    return tuple(found)


def _within(name: str, before: Any, after: Any) -> Iterator[Difference]:
    """What differs in a value, part by part: ``serviceConfig.timeoutSeconds``, ``labels[0]``."""
    if before == after:
        return
    if all(value is None or isinstance(value, dict) for value in (before, after)):
        before, after = before or {}, after or {}
        for key in sorted(before.keys() | after.keys()):
            yield from _within(f"{name}.{key}" if name else key, before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _within(f"{name}[{number}]", one, other)
    else:
        part = name.rpartition(".")[2]
        yield Difference(name, _shown(part, before), _shown(part, after))


def _shown(name: str, value: Any) -> str:
    if value == UNKNOWN:
        return "known after up"
    if name in _SECRET:
        return "(secret)"
    if isinstance(value, float) and value.is_integer():  # as a number comes back from the SDK
        value = int(value)
    text = "not set" if value is None else value if isinstance(value, str) else repr(value)
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:28]} … {text[-28:]}"
