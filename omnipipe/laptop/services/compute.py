"""The network. An internal address is a folder for Unix sockets; a forwarding rule makes it lead to a service.

A private database has no TCP port here: nothing can clash with another one on this machine, and an address to
which no rule leads is as dead as on Google.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from omnipipe.laptop.kind import Kind, Recorded

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource


class Address(Kind):
    """An internal address: a path, below the system's folder for temporary files because socket paths are short."""

    effect = "the path of a folder of Unix sockets"

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        path = str(cloud.home.sockets / resource.name)
        resource.id = f"projects/{cloud.project}/regions/{cloud.region}/addresses/{resource.name}"
        resource.outputs = {**resource.inputs, "name": resource.name, "address": path, "selfLink": path}


class ForwardingRule(Kind):
    """Private Service Connect: what the address leads to is the target's own folder of sockets."""

    effect = "a link from the address to its target"

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        link = Path(resource.inputs["ipAddress"])
        temporary = link.with_name(f".{link.name}.new")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(resource.inputs["target"])
        temporary.replace(link)
        resource.id = f"projects/{cloud.project}/regions/{cloud.region}/forwardingRules/{resource.name}"
        resource.outputs = {**resource.inputs, "name": resource.name, "selfLink": resource.id}

    def remove(self, cloud: Cloud, resource: Resource) -> None:
        with suppress(FileNotFoundError):
            Path(resource.inputs["ipAddress"]).unlink()


KINDS: dict[str, Kind] = {
    "gcp:compute/network:Network": Recorded("projects/{project}/global/networks/{name}"),
    "gcp:compute/subnetwork:Subnetwork": Recorded("projects/{project}/regions/{region}/subnetworks/{name}"),
    "gcp:compute/networkAttachment:NetworkAttachment": Recorded(
        "projects/{project}/regions/{region}/networkAttachments/{name}"
    ),
    "gcp:compute/address:Address": Address(),
    "gcp:compute/forwardingRule:ForwardingRule": ForwardingRule(),
}
