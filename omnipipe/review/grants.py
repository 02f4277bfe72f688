"""Which rights a change gives and takes: the roles of members on Google's resources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from omnipipe.review.preview import Change

# A member of a role, all members of a role, all roles of a resource: `gcp:pubsub/topicIAMMember:TopicIAMMember`.
_TYPE = re.compile(r"\w*I[Aa][Mm](Member|Binding|Policy)")
# Not the resource that is granted on; the project is, where there is no other.
_BESIDE = {"role", "member", "members", "condition", "policyData", "location", "region", "project"}
# What a value is in a preview that nobody knows before the deployment: `UnknownStringValue` in
# https://github.com/pulumi/pulumi/blob/master/sdk/go/common/resource/plugin/rpc.go.
_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


@dataclass(frozen=True, order=True)
class Grant:
    """A role of a member on a resource, such as ``topic orders``."""

    role: str
    member: str
    resource: str


@dataclass(frozen=True)
class Grants:
    """Those that would be there and are not, and the other way round."""

    given: tuple[Grant, ...]
    taken: tuple[Grant, ...]


def of(changes: Iterable[Change]) -> Grants:
    """The grants that changes give and take. One that is made anew as it was is in neither."""
    before: set[Grant] = set()
    after: set[Grant] = set()
    for change in changes:
        if _TYPE.fullmatch(change.type.rpartition(":")[2]):
            before.update(_grants(change.before))
            after.update(_grants(change.after))
    return Grants(tuple(sorted(after - before)), tuple(sorted(before - after)))


def _grants(inputs: Mapping[str, Any]) -> Iterator[Grant]:
    if not inputs:
        return
    on = {key: value for key, value in inputs.items() if key not in _BESIDE} or {
        "project": inputs.get("project", "of the stack")
    }
    resource = ", ".join(f"{key} {_known(value)}" for key, value in sorted(on.items()))
    members = inputs.get("members") or [inputs.get("member", "those of the policy")]
    for member in members if isinstance(members, list) else [members]:
        yield Grant(_known(inputs.get("role", "all roles")), _known(member), resource)


def _known(value: object) -> str:
    return str(value).replace(_UNKNOWN, "(known after the deployment)")
