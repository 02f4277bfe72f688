"""A deployment: what the program registers is made real, and what it no longer registers is taken down."""

from collections.abc import Callable, Sequence
from typing import Any

from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.errors import LaptopError, LosesData
from omnipipe.laptop.kind import Kind
from omnipipe.laptop.kinds import KINDS
from omnipipe.laptop.registry import Resource


def passes_by(type_: str) -> bool:
    """Whether a type is no resource but Pulumi's own: the settings of a provider."""
    return type_ == "pulumi:providers:gcp"


def kind_of(type_: str, name: str) -> Kind:
    """What a type is on this machine. Raises LaptopError for one that the laptop cloud does not know."""
    kind = KINDS.get(type_)
    if kind is None:
        raise LaptopError(
            f"the laptop cloud does not know {type_} ({name}): "
            "add it to omnipipe/laptop/services, as something real or as `Recorded`"
        )
    return kind


def named(kind: Kind, name: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """The inputs of a resource, with the name that Pulumi gives what the program has given none."""
    given = None if "name" in inputs else kind.autoname(name, inputs)
    return {**inputs, "name": given} if given else inputs


class Deployment:
    """One run of the program against a cloud.

    ``report`` is told of each resource that was created, changed, found unchanged or removed. Unless
    ``may_lose_data``, nothing with data in it is replaced or removed.
    """

    def __init__(
        self,
        cloud: Cloud,
        report: Callable[[str, Resource], None] = lambda *_: None,
        *,
        may_lose_data: bool = False,
    ) -> None:
        self._cloud = cloud
        self._report = report
        self._may_lose_data = may_lose_data
        self._registered: list[str] = []

    def register(
        self,
        type_: str,
        name: str,
        inputs: dict[str, Any],
        protect: bool,
        replace_on_changes: Sequence[str] = (),
        ignore_changes: Sequence[str] = (),
    ) -> tuple[str, dict[str, Any]]:
        """Make a resource of the program real; see ``omnipipe.laptop.program.Deployment``.

        Raises LaptopError, and LosesData before a resource with data in it is replaced without leave.
        """
        if passes_by(type_):
            return name, inputs
        kind = kind_of(type_, name)
        previous = self._cloud.registry.get(f"{type_}::{name}")
        inputs = ignoring(ignore_changes, named(kind, name, inputs), previous)
        resource = Resource(type_, name, inputs, protect=protect)
        replaced = previous is not None and is_replaced(previous, inputs, replace_on_changes)
        renamed = kind.replaces(resource, previous)
        if previous and (replaced or renamed) and kind.holds_data and not self._may_lose_data:
            changed = renamed or [key for key in inputs if previous.inputs.get(key) != inputs[key]]
            values = ", ".join(f"{key} {previous.inputs.get(key)} becomes {inputs.get(key)}" for key in changed)
            raise LosesData(f"{resource.kind} {name} would be replaced, and its data lost: {values}")
        try:
            if previous is not None and replaced:
                kind.remove(self._cloud, previous)
            kind.apply(self._cloud, resource, None if replaced else previous)
            if previous is not None and not replaced and previous.id != resource.id:
                kind.remove(self._cloud, previous)  # replaced, as Google replaces what gets another name
        except (LaptopError, OSError) as error:
            raise LaptopError(f"{resource.kind} {name}: {error}") from error
        except KeyError as error:
            raise LaptopError(f"{resource.kind} {name}: the program does not set {error}") from error
        self._registered.append(resource.key)
        if previous is None:
            self._refuse_another_name(resource)
        if previous != resource:
            self._cloud.registry.put(resource)
            self._report("changed" if previous else "created", resource)
        else:
            self._report("unchanged", resource)
        return resource.id, resource.outputs

    def _refuse_another_name(self, resource: Resource) -> None:
        """Raise LaptopError for what an earlier program made on Google under another name.

        To Pulumi that is another resource: it would find Google's name taken, or take away afterwards what it shares.
        """
        for other in self._cloud.registry.of_type(resource.type):
            if resource.type.startswith("gcp:") and other.id == resource.id and other.key not in self._registered:
                raise LaptopError(
                    f"{resource.kind} {resource.name}: {resource.id} is there already, as {other.name}. To Pulumi, "
                    "another name is another resource: give it its earlier name, or begin anew with "
                    "`omnipipe down --purge`, which removes all data, and `omnipipe up`"
                )

    def take_down_unregistered(self) -> None:
        """Take down what an earlier program registered and this one did not, the dependent ones first.

        Raises LaptopError for a resource that is protected, and LosesData for those with data in them without leave,
        before anything is taken down.
        """
        gone = [resource for resource in self._cloud.registry if resource.key not in self._registered]
        for resource in gone:
            if resource.protect:
                raise LaptopError(
                    f"{resource.kind} {resource.name} is protected, and the program no longer registers it: "
                    "register it again, or take `protect` away first"
                )
        with_data = [f"{each.kind} {each.name}" for each in gone if KINDS[each.type].holds_data]
        if with_data and not self._may_lose_data:
            raise LosesData(f"the program no longer registers {', '.join(with_data)}: their data would be lost")
        for resource in reversed(gone):
            KINDS[resource.type].remove(self._cloud, resource)
            self._cloud.registry.remove(resource)
            self._report("removed", resource)

    def prove(self) -> None:
        """Raise LaptopError, with a line for each, for what was made and does not do its work."""
        problems = [
            f"{resource.kind} {resource.name}: {problem}"
            for resource in self._cloud.registry
            if (problem := KINDS[resource.type].problem(self._cloud, resource))
        ]
        if problems:
            raise LaptopError("\n".join(problems))


def ignoring(keys: Sequence[str], inputs: dict[str, Any], previous: Resource | None) -> dict[str, Any]:
    """The inputs, with those whose changes are ignored as they were: Pulumi's option ``ignoreChanges``.

    Raises LaptopError for a part of an input, which the laptop does not ignore alone.
    """
    if parts := [key for key in keys if not key.isidentifier()]:
        raise LaptopError(f"ignoreChanges has {parts[0]}: the laptop ignores changes of whole inputs only")
    if previous is None:
        return inputs
    kept = {key: previous.inputs[key] for key in keys if key in previous.inputs}
    return {key: value for key, value in inputs.items() if key not in keys} | kept


def is_replaced(previous: Resource, inputs: dict[str, Any], replace_on_changes: Sequence[str]) -> bool:
    """Whether Pulumi would make a resource anew, by its option ``replaceOnChanges``.

    Only with ``*`` is what failed at its initialisation made anew; otherwise the provider is asked for an update, and
    does nothing where no input differs. https://www.pulumi.com/docs/iac/concepts/resources/options/replaceonchanges/
    """
    if "*" in replace_on_changes:
        return previous.failed or previous.inputs != inputs
    return any(previous.inputs.get(key) != inputs.get(key) for key in replace_on_changes)
