"""Who has what: whether an account has a permission on a resource, by the policies of it and of what is above it.

https://cloud.google.com/iam/docs/resource-hierarchy-access-control: a policy counts for all that is below.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from omnipipe.rehearsal import propagation
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.store import Record

_HIERARCHY = "cloudresourcemanager"
# Permission -> Google's roles that have it: https://cloud.google.com/iam/docs/roles-permissions
_ROLES = {
    "artifactregistry.repositories.uploadArtifacts": {
        "roles/artifactregistry.admin",
        "roles/artifactregistry.createOnPushRepoAdmin",
        "roles/artifactregistry.createOnPushWriter",
        "roles/artifactregistry.repoAdmin",
        "roles/artifactregistry.writer",
        "roles/cloudbuild.builds.builder",
        "roles/editor",
        "roles/owner",
        "roles/run.builder",
    },
    "bigquery.tables.updateData": {
        "roles/bigquery.admin",
        "roles/bigquery.dataEditor",
        "roles/bigquery.dataOwner",
        "roles/editor",
        "roles/owner",
    },
    "cloudkms.cryptoKeyVersions.useToEncrypt": {
        "roles/cloudkms.cryptoKeyEncrypter",
        "roles/cloudkms.cryptoKeyEncrypterDecrypter",
        "roles/cloudkms.cryptoOperator",
        "roles/owner",
    },
    "pubsub.topics.publish": {
        "roles/editor",
        "roles/owner",
        "roles/pubsub.admin",
        "roles/pubsub.editor",
        "roles/pubsub.publisher",
    },
    "secretmanager.versions.access": {
        "roles/owner",
        "roles/secretmanager.admin",
        "roles/secretmanager.secretAccessor",
    },
    "storage.objects.get": {
        "roles/cloudbuild.builds.builder",
        "roles/editor",
        "roles/owner",
        "roles/run.builder",
        "roles/storage.admin",
        "roles/storage.legacyObjectReader",
        "roles/storage.objectAdmin",
        "roles/storage.objectUser",
        "roles/storage.objectViewer",
    },
}
# Who belongs to these cannot be known here.
_ANYBODY = ("allUsers", "allAuthenticatedUsers", "group:", "domain:", "principalSet:")
# The roles of a dataset's access list: https://cloud.google.com/bigquery/docs/reference/rest/v2/datasets
_DATASET_ROLES = {
    "OWNER": "roles/bigquery.dataOwner",
    "WRITER": "roles/bigquery.dataEditor",
    "READER": "roles/bigquery.dataViewer",
}
_NAMED = re.compile(r'resource\.name\.startsWith\("([^"]*)"\)')


def holds(call: Call, email: str, permission: str, host: str, name: str) -> bool:
    """Whether a service account has a permission on a resource, which need not be there.

    A condition on the beginning of the resource's name is read; any other is taken to be fulfilled.
    """
    return any(
        _has(call, binding["role"], permission)
        and _is_among(call, record, binding, email)
        and _fits(call, binding.get("condition"), host, name)
        for record in _above(call, host, name)
        for binding in _bindings(record)
    )


def _has(call: Call, role: str, permission: str) -> bool:
    if role in _ROLES[permission]:
        return True
    own = call.other("iam", role) if "/roles/" in role else None
    return own is not None and permission in own.body.get("includedPermissions", ())


def _is_among(call: Call, record: Record, binding: Mapping[str, Any], email: str) -> bool:
    return any(
        (member == f"serviceAccount:{email}" or member.startswith(_ANYBODY))
        and propagation.has_passed(call.plane, record.granted.get(_key(binding, member)))
        for member in binding["members"]
    )


def _fits(call: Call, condition: Mapping[str, Any] | None, host: str, name: str) -> bool:
    named = _NAMED.fullmatch(str((condition or {}).get("expression", "")).strip())
    full = f"projects/_/buckets/{name.removeprefix('b/')}" if host == "storage" else name
    return not named or call.plane.with_id(full).startswith(call.plane.with_id(named[1]))


def _above(call: Call, host: str, name: str) -> Iterator[Record]:
    """What a resource inherits policies from, itself first: to its project, the folders and the organization."""
    parts = name.split("/")
    for length in range(len(parts), 0, -1):
        if record := call.other(host, "/".join(parts[:length])):
            yield record
    found = re.match(r"projects/[^/]+", name)
    above = found[0] if found else f"projects/{call.project}"
    while record := call.other(_HIERARCHY, above):
        yield record
        parent = record.body.get("parent")
        above = f"{parent.get('type')}s/{parent.get('id')}" if isinstance(parent, dict) else str(parent)


def _bindings(record: Record) -> list[Mapping[str, Any]]:
    access = record.body.get("access", ()) if record.collection == "datasets" else ()
    listed = [
        {"role": _DATASET_ROLES.get(entry["role"], entry["role"]), "members": [f"serviceAccount:{who}"]}
        for entry in access
        if "role" in entry and (who := entry.get("userByEmail"))
    ]
    return [*(record.policy or {}).get("bindings", ()), *listed]


def times(record: Record, policy: Mapping[str, Any], now: datetime) -> dict[tuple[str, str, str], datetime]:
    """When each grant of a resource's new policy was made: those that it had already keep their times, or have none."""
    old = {_key(binding, member) for binding in _bindings(record) for member in binding["members"]}
    new = {_key(binding, member) for binding in policy.get("bindings", ()) for member in binding["members"]}
    return record.granted | dict.fromkeys(new - old, now)


def _key(binding: Mapping[str, Any], member: str) -> tuple[str, str, str]:
    return binding["role"], member, str(binding.get("condition") or "")
