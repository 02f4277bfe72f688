"""What is still at Google when a stack was removed, and why."""

from __future__ import annotations

from dataclasses import dataclass

from omnipipe.rehearsal.control_plane import ControlPlane

# Host and collection of what stays by Google's or the provider's rules -> why.
_KEPT = {
    ("cloudkms", "keyRings"): "Google never deletes key rings: https://cloud.google.com/kms/docs/object-hierarchy",
    ("cloudkms", "cryptoKeys"): "Google never deletes keys, only their versions",
    ("cloudkms", "cryptoKeyVersions"): "destroyed after its waiting time",
    ("serviceusage", "services"): "an API stays enabled: something else may use it",
}

Standing = dict[tuple[str, str], str]


@dataclass(frozen=True)
class Left:
    """A resource or a binding that is left. ``why`` is "" if nobody keeps it: then the removal forgot it."""

    host: str
    name: str
    why: str


def standing(plane: ControlPlane) -> Standing:
    """All that is there: resources, and the bindings of their policies, with the collection of each."""
    found: Standing = {}
    for record in plane.store:
        if record.collection == "operations":
            continue
        if not (record.host == "serviceusage" and record.body.get("state") != "ENABLED"):
            found[record.host, record.name] = record.collection
        for binding in (record.policy or {}).get("bindings", []):
            for member in binding.get("members", []):
                found[record.host, f"{record.name}: {binding['role']} for {member}"] = "bindings"
    return found


def left(before: Standing, plane: ControlPlane) -> list[Left]:
    """What is there and was not before."""
    return [
        Left(host, name, _KEPT.get((host, collection), ""))
        for (host, name), collection in standing(plane).items()
        if (host, name) not in before
    ]
