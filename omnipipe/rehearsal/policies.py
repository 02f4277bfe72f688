"""IAM policies: read, set against an etag, and asked for permissions.

https://cloud.google.com/iam/docs/reference/rest/v1/Policy
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from copy import deepcopy
from typing import Any

from omnipipe.rehearsal import etags, grants, identities, propagation, roles
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
    r"|(projectOwner|projectEditor|projectViewer):\S+"
    # https://cloud.google.com/iam/docs/principal-identifiers
    r"|(principal|principalSet)://(?!iam\.googleapis\.com/)\S+"
    r"|(principal|principalSet)://iam\.googleapis\.com/(projects/[^/]+/)?locations/\S+"
)
_ROLE = re.compile(r"(roles|projects/[^/]+/roles|organizations/[^/]+/roles)/[\w.]+")
_POOL = re.compile(
    r"principal(?:Set)?://iam\.googleapis\.com/(projects/[^/]+/locations/global/workloadIdentityPools/[^/]+)/.*"
)


def answer(call: Call) -> dict[str, Any]:
    """Do one of IAM's three methods to a resource. Raises Refused: 404, 400 for a policy, 409 for a stale etag."""
    record = call.record()
    if call.method.verb.startswith("test"):
        asked = call.body.get("permissions") or call.query.get("permissions") or []
        return {"permissions": list(asked)} if asked else {}
    if call.method.verb == "getIamPolicy":
        return policy(record)
    sent = call.body.get("policy", call.body)  # Storage's body is the policy itself
    current = policy(record)
    _check(call, sent, {member for binding in current.get("bindings", ()) for member in binding["members"]})
    if etags.is_stale(
        sent.get("etag"), current.get("etag"), record.former_etags, any_form=call.plane.world.any_form
    ):
        raise aborted(_STALE.format(sent=sent["etag"], current=current.get("etag")))
    record.former_etags.add(current.get("etag", ""))
    new = _tidy(sent) | {"etag": etags.new()}
    record.granted = grants.times(record, new, call.plane.clock.now())
    record.policy = new
    return policy(record)


def policy(record: Record) -> dict[str, Any]:
    """A resource's policy, as it is answered."""
    return deepcopy(record.policy) if record.policy is not None else {"etag": _EMPTY_ETAG, "version": 1}


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


def _check(call: Call, sent: Mapping[str, Any], known: Collection[str]) -> None:
    for binding in sent.get("bindings") or ():
        role = binding.get("role", "")
        if not _ROLE.fullmatch(role):
            raise Refused(400, f"Role ({role}) does not exist in the resource's hierarchy.", reason="badRequest")
        if role.startswith("projects/") and not call.other("iam", role):
            raise Refused(400, f"Role ({role}) does not exist in the resource's hierarchy.", reason="badRequest")
        require_role(call, role)
        for member in binding.get("members") or ():
            if member not in known:
                _check_member(call, member)


def require_role(call: Call, role: str, words: str = "") -> None:
    """Raise Refused (400) for a role of Google's that is none; ``words`` stand before Google's.

    https://github.com/hashicorp/terraform-provider-google/issues/9130
    """
    if roles.is_none(role) and not call.plane.world.any_form:
        raise Refused(400, f"{words}Role {role} is not supported for this resource.", reason="badRequest")


def _check_member(call: Call, member: str) -> None:
    if not _MEMBER.fullmatch(member):
        # https://github.com/hashicorp/terraform-provider-google/issues/12672
        kind, colon, _ = member.partition(":")
        known = colon and not kind.startswith("principal")
        unknown = f"The member {member} is of an unknown type. Please set a valid type prefix for the member."
        message = f"Invalid member: {member}" if known else unknown
        raise Refused(400, message, reason="badRequest")
    kind, _, email = member.partition(":")
    if kind == "serviceAccount" and not identities.exists(call, email):
        raise Refused(400, f"Service account {email} does not exist.", reason="badRequest")
    pool = _POOL.fullmatch(member)
    if pool and not _has_pool(call, call.plane.with_id(pool[1])):
        message = (
            f"Identity Pool does not exist ({pool[1]}). Please check that you specified a valid resource name as "
            "returned in the `name` attribute in the configuration API."
        )
        raise Refused(400, message, reason="badRequest")


def _has_pool(call: Call, name: str) -> bool:
    record = call.other("iam", name)
    if record is None:
        return not call.plane.knows_project(name)
    return record.body.get("state") != "DELETED" and propagation.has_passed(call.plane, record.since)
