"""Service accounts and grants. What a grant allows is decided in ``omnipipe.laptop.iam``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnipipe.laptop.iam import bindings
from omnipipe.laptop.kind import Kind, Recorded

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource


class Account(Kind):
    """A service account."""

    effect = "an identity; the metadata server gives its tokens"

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        email = f"{resource.inputs['accountId']}@{cloud.project}.iam.gserviceaccount.com"
        resource.id = f"projects/{cloud.project}/serviceAccounts/{email}"
        resource.outputs = {
            **resource.inputs,
            "name": resource.id,
            "email": email,
            "member": f"serviceAccount:{email}",
        }


class Grant(Kind):
    """A role for a member on one resource. It counts as soon as it is registered, and until it is not."""

    effect = "enforced before each service"
    different = "members of groups are not known; the person at the keyboard is an owner"

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        made = bindings.grant(cloud.registry, resource, cloud.project)
        whole = "members" in resource.inputs  # a binding is known by its role
        resource.id = f"{made.resource}/{made.role}" if whole else f"{made.resource}/{made.role}/{made.member}"
        resource.outputs = dict(resource.inputs)


KINDS: dict[str, Kind] = {
    bindings.ACCOUNT: Account(),
    "gcp:projects/service:Service": Recorded("{project}/{service}"),
    **dict.fromkeys(bindings.TARGETS, Grant()),
}
