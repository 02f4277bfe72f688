"""What is still at Google when a stack was removed, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from omnipipe.rehearsal.control_plane import ControlPlane
from omnipipe.rehearsal.store import Record

# Host and collection of what stays by Google's or the provider's rules -> why.
_KEPT = {
    ("cloudkms", "keyRings"): "Google never deletes key rings: https://cloud.google.com/kms/docs/object-hierarchy",
    ("cloudkms", "cryptoKeys"): "Google never deletes keys, only their versions",
    ("serviceusage", "services"): "an API stays enabled: something else may use it",
}
# What is deleted, and shown for a while: it can be restored, and its id is taken.
_DELETED = {
    # https://cloud.google.com/iam/docs/creating-custom-roles#deleting-custom-role
    ("iam", "roles"): "deleted; restorable for 7 days, its id is free after 37",
    # https://cloud.google.com/iam/docs/manage-workload-identity-pools-providers#delete-pool
    ("iam", "workloadIdentityPools"): "deleted; restorable for 30 days, its id is free after them",
    ("iam", "providers"): "deleted; restorable for 30 days, its id is free after them",
    # https://cloud.google.com/kms/docs/destroy-restore
    ("cloudkms", "cryptoKeyVersions"): "destroyed after its waiting time of 30 days",
}

Standing = dict[tuple[str, str], str]


@dataclass(frozen=True)
class Left:
    """A resource or a binding that is left. ``why`` is "" if nobody keeps it: then the removal forgot it."""

    host: str
    name: str
    why: str


def standing(plane: ControlPlane) -> Standing:
    """All that is there, by host and name: resources, and the bindings of their policies; with the reason to stay."""
    return {key: why for record in plane.store for key, why in _of(record)}


def _of(record: Record) -> Iterator[tuple[tuple[str, str], str]]:
    kind, state = (record.host, record.collection), record.body.get("state")
    if record.collection == "operations" or (record.host == "serviceusage" and state != "ENABLED"):
        return
    gone = record.body.get("deleted") or state in ("DELETED", "DESTROYED", "DESTROY_SCHEDULED")
    yield (record.host, record.name), (_DELETED if gone else _KEPT).get(kind, "")
    for binding in (record.policy or {}).get("bindings", []):
        for member in binding.get("members", []):
            yield (record.host, f"{record.name}: {binding['role']} for {member}"), ""


def left(before: Standing, plane: ControlPlane) -> list[Left]:
    """What is there and was not before."""
    return [Left(*key, why) for key, why in standing(plane).items() if key not in before]
