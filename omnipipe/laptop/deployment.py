"""A deployment: what the program registers is made real, and what it no longer registers is taken down."""

from collections.abc import Callable, Sequence
from typing import Any

from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services import KINDS


class Deployment:
    """One run of the program against a cloud.

    ``report`` is told of each resource that was created, changed, found unchanged or removed.
    """

    def __init__(self, cloud: Cloud, report: Callable[[str, Resource], None] = lambda *_: None) -> None:
        self._cloud = cloud
        self._report = report
        self._registered: list[str] = []

    def register(
        self, type_: str, name: str, inputs: dict[str, Any], protect: bool, replace_on_changes: Sequence[str] = ()
    ) -> tuple[str, dict[str, Any]]:
        """Make a resource of the program real; see ``omnipipe.laptop.program.Deployment``."""
        kind = KINDS.get(type_)
        if type_ == "pulumi:providers:gcp":
            return name, inputs
        if kind is None:
            raise LaptopError(
                f"the laptop cloud does not know {type_} ({name}): "
                "add it to omnipipe/laptop/services, as something real or as `Recorded`"
            )
        resource = Resource(type_, name, inputs, protect=protect)
        previous = self._cloud.registry.get(resource.key)
        replaced = previous is not None and _is_replaced(previous, inputs, replace_on_changes)
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
        if previous != resource:
            self._cloud.registry.put(resource)
            self._report("changed" if previous else "created", resource)
        else:
            self._report("unchanged", resource)
        return resource.id, resource.outputs

    def take_down_unregistered(self) -> None:
        """Take down what an earlier program registered and this one did not, the dependent ones first.

        Raises LaptopError for a resource that is protected, before anything is taken down.
        """
        gone = [resource for resource in self._cloud.registry if resource.key not in self._registered]
        for resource in gone:
            if resource.protect:
                raise LaptopError(
                    f"{resource.kind} {resource.name} is protected, and the program no longer registers it: "
                    "register it again, or take `protect` away first"
                )
        for resource in reversed(gone):
            KINDS[resource.type].remove(self._cloud, resource)
            self._cloud.registry.remove(resource)
            self._report("removed", resource)


def _is_replaced(previous: Resource, inputs: dict[str, Any], replace_on_changes: Sequence[str]) -> bool:
    """Whether Pulumi would make a resource anew, by its option ``replaceOnChanges``.

    Only with ``*`` is what failed at its initialisation made anew; otherwise the provider is asked for an update, and
    does nothing where no input differs. https://www.pulumi.com/docs/iac/concepts/resources/options/replaceonchanges/
    """
    if "*" in replace_on_changes:
        return previous.failed or previous.inputs != inputs
    return any(previous.inputs.get(key) != inputs.get(key) for key in replace_on_changes)
