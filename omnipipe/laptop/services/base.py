"""What each kind of resource answers to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource


class Kind:
    """One type of resource. ``effect`` says in a few words what it is on this machine, or is empty for nothing."""

    effect = ""

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        """Make the resource real, or bring it up to date, and fill in its ``id`` and ``outputs``.

        Called at each ``up``; ``previous`` is how it was left by the one before, if it was. It must be harmless to
        repeat, because a crash may come between what it does and the record of it.
        """
        raise NotImplementedError

    def remove(self, cloud: Cloud, resource: Resource) -> None:
        """Take it down: the program no longer registers it, or it was replaced by one with another id."""

    def describe(self, cloud: Cloud, resource: Resource) -> str:
        """Where it is, for ``omnipipe status``."""
        return ""

    def without_effect(self, resource: Resource) -> str:
        """Which of its settings has no effect here, and why, for ``omnipipe status``; empty for none."""
        return ""


class Recorded(Kind):
    """A resource that is remembered and has no effect here. ``id_format`` gives its id from its inputs."""

    def __init__(self, id_format: str = "{name}", effect: str = "") -> None:
        self._id_format = id_format
        self.effect = effect

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        place: dict[str, Any] = {"project": cloud.project, "location": cloud.region, "region": cloud.region}
        known = {"name": resource.name} | place | resource.inputs
        resource.id = self._id_format.format_map(known)
        url = f"https://www.googleapis.com/{resource.id}"
        resource.outputs = {"name": known["name"], "selfLink": url} | resource.inputs
