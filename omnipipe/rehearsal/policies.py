"""IAM policies: read, set against an etag, and asked for permissions.

https://cloud.google.com/iam/docs/reference/rest/v1/Policy
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from copy import deepcopy
from typing import Any

from omnipipe.rehearsal import etags
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused, aborted
from omnipipe.rehearsal.store import Record

# "The policy of a resource that was never given one": https://cloud.google.com/iam/docs/policies#etag
_EMPTY_ETAG = "ACAB"
_STALE = (
    "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff. "
    "The request's ETag '{sent}' did not match the current policy's ETag '{current}'."
)
_MEMBER = re.compile(
    r"allUsers|allAuthenticatedUsers"
    r"|(deleted:)?(user|serviceAccount|group):[^@\s]+@\S+|domain:\S+"
    r"|(projectOwner|projectEditor|projectViewer):\S+|(principal|principalSet)://\S+"
)
_ROLE = re.compile(r"(roles|projects/[^/]+/roles|organizations/[^/]+/roles)/[\w.]+")
_PROJECT_ACCOUNT = re.compile(r"serviceAccount:([^@]+)@([a-z][-a-z0-9]*)\.iam\.gserviceaccount\.com")


def answer(call: Call) -> dict[str, Any]:
    """Do one of IAM's three methods to a resource. Raises Refused: 404, 400 for a policy, 409 for a stale etag."""
    record = call.record()
    if call.method.verb.startswith("test"):
        asked = call.body.get("permissions") or call.query.get("permissions") or []
        return {"permissions": list(asked)} if asked else {}
    if call.method.verb == "getIamPolicy":
        return policy(record)
    sent = call.body.get("policy", call.body)  # Storage's body is the policy itself
    _check(call, sent)
    current = policy(record)
    if etags.is_stale(
        sent.get("etag"), current.get("etag"), record.former_etags, any_form=call.plane.world.any_form
    ):
        raise aborted(_STALE.format(sent=sent["etag"], current=current.get("etag")))
    record.former_etags.add(current.get("etag", ""))
    record.policy = _tidy(sent) | {"etag": etags.new()}
    return policy(record)


def policy(record: Record) -> dict[str, Any]:
    """A resource's policy, as it is answered."""
    return deepcopy(record.policy) if record.policy is not None else {"etag": _EMPTY_ETAG, "version": 1}


def holds(call: Call, member: str, roles: Collection[str], resources: Iterable[tuple[str, str]]) -> bool:
    """Whether a member has one of the roles on one of the resources, each its API's host and name."""
    records = [record for host, name in resources if (record := call.other(host, name))]
    bindings = [binding for record in records for binding in (record.policy or {}).get("bindings", [])]
    return any(binding["role"] in roles and member in binding["members"] for binding in bindings)


def _tidy(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Bindings of the same role and condition are one; without members there is none."""
    merged: dict[tuple[str, str], dict[str, Any]] = {}
    for binding in sent.get("bindings") or ():
        key = (binding["role"], str(binding.get("condition") or ""))
        kept = merged.setdefault(key, {**binding, "members": []})
        kept["members"] += [member for member in binding.get("members") or () if member not in kept["members"]]
    tidy = {key: value for key, value in sent.items() if key not in ("bindings", "etag")}
    bindings = [binding for binding in merged.values() if binding["members"]]
    conditional = any(binding.get("condition") for binding in bindings)
    return tidy | ({"bindings": bindings} if bindings else {}) | {"version": 3 if conditional else 1}


def _check(call: Call, sent: Mapping[str, Any]) -> None:
    for binding in sent.get("bindings") or ():
        role = binding.get("role", "")
        if not _ROLE.fullmatch(role):
            raise Refused(400, f"Role ({role}) does not exist in the resource's hierarchy.", reason="badRequest")
        if role.startswith("projects/") and not call.other("iam", role):
            raise Refused(400, f"Role ({role}) does not exist in the resource's hierarchy.", reason="badRequest")
        for member in binding.get("members") or ():
            _check_member(call, member)


def _check_member(call: Call, member: str) -> None:
    if not _MEMBER.fullmatch(member):
        message = (
            f"Invalid member: {member}"
            if ":" in member
            else f"The member {member} is of an unknown type. Please set a valid type prefix for the member."
        )
        raise Refused(400, message, reason="badRequest")
    account = _PROJECT_ACCOUNT.fullmatch(member)
    if account and call.other("cloudresourcemanager", f"projects/{account[2]}"):
        email = member.partition(":")[2]
        if not call.other("iam", f"projects/{account[2]}/serviceAccounts/{email}"):
            raise Refused(400, f"Service account {email} does not exist.", reason="badRequest")
