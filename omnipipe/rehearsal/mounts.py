"""What a workload must find on Cloud Run before it starts: its secrets and its image.

Cloud Run looks for them when a job or service is made, a function being one. What it misses fails the operation, and
what was made stays: https://cloud.google.com/run/docs/troubleshooting.
"""

from __future__ import annotations

import re

from omnipipe.rehearsal import grants
from omnipipe.rehearsal.call import Call

_SECRETS = "secretmanager"
# https://cloud.google.com/artifact-registry/docs/docker/names
_IMAGE = re.compile(r"([-a-z0-9]+)-docker\.pkg\.dev/([^/]+)/([^/]+)/.+")


def secret(call: Call, named: str, version: str, account: str) -> str:
    """What is said of a version of a secret, by the secret's id or name, that an account is to read; "" for nothing.

    https://cloud.google.com/run/docs/configuring/services/secrets
    """
    name = call.plane.with_id(
        named if named.startswith("projects/") else f"projects/{call.project}/secrets/{named}"
    )
    shown, record = f"{call.plane.numbered(name)}/versions/{version}", call.other(_SECRETS, name)
    number = record.hidden.get("versions") if record and version == "latest" else version
    held = call.other(_SECRETS, f"{name}/versions/{number}")
    if held is None:
        return f"Secret {shown} was not found" if call.plane.knows_project(name) else ""
    if not grants.holds(call, account, "secretmanager.versions.access", _SECRETS, held.name):
        return (
            f"Permission denied on secret: {shown} for Revision service account {account}. The service account used "
            "must be granted the 'Secret Manager Secret Accessor' role (roles/secretmanager.secretAccessor) at the "
            "secret, project or higher level."
        )
    state = held.body["state"]
    return f"Secret Version [{shown}] is in {state} state." if state != "ENABLED" else ""


def image(call: Call, address: str) -> str:
    """What is said of a container's image; "" for nothing.

    What was pushed is not known here: an image is taken to be in its repository, if that is there.
    """
    found = _IMAGE.fullmatch(address)
    if not found:
        return ""
    name = f"projects/{found[2]}/locations/{found[1]}/repositories/{found[3]}"
    is_there = call.other("artifactregistry", name) or not call.plane.knows_project(name)
    return "" if is_there else f"Image '{address}' not found."
