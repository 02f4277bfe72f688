"""The engine's own resource: a value that stays as it was when it was first made.

https://www.pulumi.com/docs/iac/concepts/resources/stash/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnipipe.laptop.kind import Kind

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource


class Stash(Kind):
    """A value of the first deployment: a later input is noted, and not given out."""

    effect = "kept in the registry as it was made"

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        first = previous.outputs["output"] if previous is not None else resource.inputs["input"]
        resource.id = resource.name
        resource.outputs = {"input": resource.inputs["input"], "output": first}


KINDS: dict[str, Kind] = {"pulumi:index:Stash": Stash()}
