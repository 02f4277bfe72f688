"""Who is granted what: nobody unknown, nothing that reaches everywhere, no role that does not exist."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from components.checks import is_role
from policy.subject import ADVISORY, Resource, resource_policy

# Of each service that takes grants there are three: one member, all members of a role, the whole policy.
GRANTS = tuple(f"*.*{iam}{of}" for iam in ("IAM", "Iam") for of in ("Member", "Binding", "Policy"))
EVERYBODY = ("allUsers", "allAuthenticatedUsers")
_BASIC = ("roles/owner", "roles/editor", "roles/viewer", "roles/admin", "roles/writer", "roles/reader")
_ROLES = Path(__file__).with_name("roles.txt")


def _granted(grant: Resource) -> Iterator[tuple[str, str]]:
    """The roles and members of a grant; of a whole policy all of them. What is not known is left out."""
    for text in grant.at("policyData"):
        for binding in json.loads(text).get("bindings", ()):
            yield from ((binding["role"], member) for member in binding.get("members", ()))
    roles = list(grant.at("role"))
    for member in (*grant.at("member"), *grant.at("members")):
        yield from ((role, member) for role in roles or ("a role",))


def _roles(grant: Resource) -> set[str]:
    return {*grant.at("role"), *(role for role, _ in _granted(grant) if role != "a role")}


@resource_policy(*GRANTS, source="https://cloud.google.com/iam/docs/principals-overview#all-users")
def no_public_grants(grant: Resource) -> Iterator[str]:
    """No grant to everybody: who may do something is a person, a group or a service account."""
    for role, member in _granted(grant):
        if member in EVERYBODY:
            yield f"{member} has {role}: name who needs it, such as group:analysts@example.com"


@resource_policy(*GRANTS, source="https://cloud.google.com/iam/docs/roles-overview#basic")
def no_basic_roles(grant: Resource) -> Iterator[str]:
    """No owner, editor or viewer: these reach everything in a project, and what will be in it."""
    for role in sorted(_roles(grant) & set(_BASIC)):
        yield f"{role} is granted: take the roles of the services that are meant, such as roles/bigquery.dataViewer"


@resource_policy(*GRANTS, source="https://cloud.google.com/iam/docs/roles-overview#role-names")
def role_names(grant: Resource) -> Iterator[str]:
    """A role is written in full: roles/SERVICE.ROLE, or projects/PROJECT/roles/ROLE for one's own."""
    for role in sorted(_roles(grant)):
        if not is_role(role):
            yield f"role is {role!r}: write it in full, such as roles/{role.rpartition('/')[2] or 'run.invoker'}"


@resource_policy(*GRANTS, source="https://cloud.google.com/iam/docs/roles-permissions", level=ADVISORY)
def unknown_roles(grant: Resource) -> Iterator[str]:
    """A role of Google's is one that there is."""
    known, as_of = _predefined()
    for role in sorted(_roles(grant)):
        if role.startswith("roles/") and is_role(role) and role not in known:
            yield f"{role} was none of Google's roles on {as_of}: is it spelled right?"


@cache
def _predefined() -> tuple[frozenset[str], str]:
    """Google's roles, and the day of the list. ``roles.txt`` has a line a service: ``run: admin builder …``."""
    head, *lines = _ROLES.read_text().splitlines()
    services = (line.split() for line in lines)
    named = {
        f"roles/{role}" if service == "basic:" else f"roles/{service.removesuffix(':')}.{role}"
        for service, *roles in services
        for role in roles
    }
    return frozenset(named), head.rpartition(" ")[2]
