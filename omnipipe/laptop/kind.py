"""What each kind of resource answers to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource


@dataclass(frozen=True)
class Log:
    """A log: the process or job that writes it, and the monitored resource that Cloud Logging names in its entries.

    Types and labels: https://cloud.google.com/logging/docs/api/v2/resource-list
    """

    writer: str
    type: str
    labels: dict[str, str]


def location(cloud: Cloud, resource: Resource) -> str:
    """Where a resource is: as it says itself, by either of Google's words, or where the stack is."""
    return resource.inputs.get("location") or resource.inputs.get("region") or cloud.region


class Kind:
    """One type of resource. ``effect`` says in a few words what it is on this machine, or is empty for nothing, and
    ``different`` what of it is not as on Google; docs/laptop.md is made of both.

    ``hosts`` are those of Google's for which the control services answer, with ``{region}`` for the stack's.
    ``holds_data`` says that it has data of its own, which is gone when it is removed or replaced; ``identity`` are
    the inputs that Google knows it by: with another value it is another resource, which replaces the first.
    """

    effect = ""
    different = ""
    holds_data = False
    hosts: tuple[str, ...] = ()
    identity: tuple[str, ...] = ()

    def autoname(self, name: str, inputs: dict[str, Any]) -> str | None:
        """The ``name`` that Pulumi gives it where the program gives none, after the resource's own; None for none.

        https://www.pulumi.com/docs/iac/concepts/resources/names/#autonaming: with a suffix, so that nothing that counts
        on a name works here alone. Pulumi's is random, this one is always the same.
        """
        return None

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        """Make the resource real, or bring it up to date, and fill in its ``id`` and ``outputs``.

        Called at each ``up``; ``previous`` is how it was left by the one before, if it was. It must be harmless to
        repeat, because a crash may come between what it does and the record of it.
        """
        raise NotImplementedError

    def remove(self, cloud: Cloud, resource: Resource) -> None:
        """Take it down: the program no longer registers it, or it was replaced by one with another id."""

    def process(self, resource: Resource) -> str | None:
        """The name of the process that runs as long as the resource is there; None for none."""
        return None

    def address(self, resource: Resource) -> str:
        """Where its process is reached, for ``omnipipe status``; empty for nowhere."""
        return ""

    def log(self, cloud: Cloud, resource: Resource) -> Log | None:
        """The log that it writes, which metrics and alerts read; None for none."""
        return None

    def calls_as(self, resource: Resource) -> str | None:
        """The account, by e-mail address, as which it calls functions from inside the project; None for none."""
        return None

    def without_effect(self, resource: Resource) -> str:
        """Which of its settings has no effect here, and why, for ``omnipipe status``; empty for none."""
        return ""

    def foreseen(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> dict[str, Any]:
        """The outputs that ``apply`` would give it, as far as that can be told without making anything."""
        known = dict(previous.outputs) if previous else {}
        for name, value in resource.inputs.items():
            before = known.get(name)
            # What the service adds to a record of the program's, such as an address, stays.
            known[name] = before | value if isinstance(before, dict) and isinstance(value, dict) else value
        return known

    def problem(self, cloud: Cloud, resource: Resource) -> str | None:
        """Why it does not do its work although it was made, and what to do; None when all is well."""
        return None

    def replaces(self, resource: Resource, previous: Resource | None) -> list[str]:
        """The inputs for which a resource cannot take over from how it was left before: a new one replaces it."""
        if previous is None:
            return []
        return [name for name in self.identity if previous.inputs.get(name) != resource.inputs.get(name)]


class Autonamed(Kind):
    """A resource that the program need not name."""

    def autoname(self, name: str, inputs: dict[str, Any]) -> str | None:
        return f"{name}-{hashlib.sha256(name.encode()).hexdigest()[:7]}"


class Recorded(Kind):
    """A resource that is remembered and has no effect here. ``id_format`` gives its id from its inputs."""

    def __init__(self, id_format: str = "{name}", effect: str = "", different: str = "") -> None:
        self._id_format = id_format
        self.effect = effect
        self.different = different

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        place: dict[str, Any] = {"project": cloud.project, "location": cloud.region, "region": cloud.region}
        known = {"name": resource.name} | place | resource.inputs
        resource.id = self._id_format.format_map(known)
        url = f"https://www.googleapis.com/{resource.id}"
        resource.outputs = {"name": known["name"], "selfLink": url} | resource.inputs
