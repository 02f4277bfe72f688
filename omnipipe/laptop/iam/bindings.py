"""What the program granted: from its IAM members to the question "may this account do that to this resource?".

A grant counts on its resource and on everything below it (https://cloud.google.com/iam/docs/policies#inheritance):
names are paths, so that what is above a resource is what its name begins with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.iam import roles, tokens
from omnipipe.laptop.lookups import PROJECT_NUMBER
from omnipipe.laptop.registry import Registry, Resource

ACCOUNT = "gcp:serviceaccount/account:Account"
CUSTOM_ROLE = "gcp:projects/iAMCustomRole:IAMCustomRole"

DATASTREAM_AGENT = f"service-{PROJECT_NUMBER}@gcp-sa-datastream.iam.gserviceaccount.com"
PUBSUB_AGENT = f"service-{PROJECT_NUMBER}@gcp-sa-pubsub.iam.gserviceaccount.com"
# What Google itself grants to its agents, on the project, when a service is used first.
# https://cloud.google.com/iam/docs/service-agents
_AGENTS = {DATASTREAM_AGENT: "roles/datastream.serviceAgent"}

_MEMBER = re.compile(
    r"(user|serviceAccount|group|domain|principal|principalSet):\S+|allUsers|allAuthenticatedUsers"
)
_CONDITION = re.compile(r"""\s*resource\.name\.startsWith\(\s*(?:"([^"]*)"|'([^']*)')\s*\)\s*""")


@dataclass(frozen=True)
class Target:
    """What a kind of grant is on: IAM's name of it, and the id by which the program registers it ("" for always)."""

    resource: str
    registered: str
    roles: tuple[str, ...]  # the services whose roles can be granted there


_BIGQUERY, _PUBSUB, _RUN = ("bigquery.",), ("pubsub.",), ("run.",)
_TAGS = ("datacatalog.", "bigquerydatapolicy.")
_DATASET = "projects/{project}/datasets/{datasetId}"
_FUNCTION = "projects/{project}/locations/{location}/functions/{name}"
# Pulumi's type -> what it grants on. The inputs' names are Pulumi's.
TARGETS: dict[str, Target] = {
    "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember": Target(
        "projects/{project}/locations/{location}/repositories/{repository}",
        "projects/{project}/locations/{location}/repositories/{repository}",
        ("artifactregistry.",),
    ),
    "gcp:bigquery/datasetIamMember:DatasetIamMember": Target(_DATASET, _DATASET, _BIGQUERY),
    "gcp:bigquery/iamMember:IamMember": Target(
        _DATASET + "/tables/{tableId}", _DATASET + "/tables/{tableId}", _BIGQUERY
    ),
    "gcp:cloudrunv2/jobIamMember:JobIamMember": Target(
        "projects/{project}/locations/{location}/jobs/{name}",
        "projects/{project}/locations/{location}/jobs/{name}",
        _RUN,
    ),
    # A function is a service of Cloud Run, and its invokers are the service's.
    "gcp:cloudrunv2/serviceIamMember:ServiceIamMember": Target(
        "projects/{project}/locations/{location}/services/{name}", _FUNCTION, _RUN
    ),
    "gcp:datacatalog/policyTagIamMember:PolicyTagIamMember": Target("{policyTag}", "{policyTag}", _TAGS),
    "gcp:datacatalog/taxonomyIamMember:TaxonomyIamMember": Target("{taxonomy}", "{taxonomy}", _TAGS),
    "gcp:bigquerydatapolicy/dataPolicyIamMember:DataPolicyIamMember": Target(
        "projects/{project}/locations/{location}/dataPolicies/{dataPolicyId}",
        "projects/{project}/locations/{location}/dataPolicies/{dataPolicyId}",
        ("bigquerydatapolicy.",),
    ),
    "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember": Target("{cryptoKeyId}", "{cryptoKeyId}", ("cloudkms.",)),
    "gcp:projects/iAMMember:IAMMember": Target("projects/{project}", "", ("",)),
    **dict.fromkeys(
        ("gcp:pubsub/schemaIamMember:SchemaIamMember", "gcp:pubsub/schemaIamBinding:SchemaIamBinding"),
        Target("projects/{project}/schemas/{schema}", "projects/{project}/schemas/{schema}", _PUBSUB),
    ),
    **dict.fromkeys(
        (
            "gcp:pubsub/subscriptionIAMMember:SubscriptionIAMMember",
            "gcp:pubsub/subscriptionIAMBinding:SubscriptionIAMBinding",
        ),
        Target(
            "projects/{project}/subscriptions/{subscription}",
            "projects/{project}/subscriptions/{subscription}",
            _PUBSUB,
        ),
    ),
    **dict.fromkeys(
        ("gcp:pubsub/topicIAMMember:TopicIAMMember", "gcp:pubsub/topicIAMBinding:TopicIAMBinding"),
        Target("projects/{project}/topics/{topic}", "projects/{project}/topics/{topic}", _PUBSUB),
    ),
    "gcp:secretmanager/secretIamMember:SecretIamMember": Target(
        "projects/{project}/secrets/{secretId}", "projects/{project}/secrets/{secretId}", ("secretmanager.",)
    ),
    "gcp:serviceaccount/iAMMember:IAMMember": Target("{serviceAccountId}", "{serviceAccountId}", ("iam.",)),
    # A bucket's name has no project: IAM writes `_`.
    "gcp:storage/bucketIAMMember:BucketIAMMember": Target(
        "projects/_/buckets/{bucket}", "{bucket}", ("storage.",)
    ),
}


@dataclass(frozen=True)
class Binding:
    """One member with one role on one resource; ``prefix`` is the condition on the names of what is below it."""

    resource: str
    role: str
    member: str
    prefix: str = ""


def grant(registry: Registry, resource: Resource, project: str) -> Binding:
    """The binding of a grant that the program is making.

    Raises LaptopError for what Google would refuse or the laptop does not know: an unknown role, a role of another
    service than the resource's, a member without its prefix, another condition than on the start of a name (but on
    roles that no request here asks for), and a resource or an account of the project that the program did not register
    before it.
    """
    target, inputs = TARGETS[resource.type], resource.inputs
    granted = _granted(resource, project)
    if not granted:
        raise LaptopError("members has nobody in it: leave the binding away")
    for made in granted:
        _check(registry, made, target, inputs, project)
    return granted[0]


def _check(registry: Registry, made: Binding, target: Target, inputs: Mapping[str, Any], project: str) -> None:
    if made.role not in _custom_roles(registry):
        roles.permissions(made.role)
        if not made.role.removeprefix("roles/").startswith(target.roles):
            services = " or ".join(f"{service}*" for service in target.roles)
            raise LaptopError(f"{made.role} cannot be granted on {made.resource}: only {services}")
    if not _MEMBER.fullmatch(made.member):
        raise LaptopError(f"the member is {made.member!r}: write serviceAccount:EMAIL, user:EMAIL or group:EMAIL")
    own = made.member.endswith(f"@{project}.iam.gserviceaccount.com")
    if own and made.member not in (account.outputs["member"] for account in registry.of_type(ACCOUNT)):
        raise LaptopError(f"{made.member} is no service account that the program registered before it")
    if target.registered:
        id_ = _name(target.registered, inputs, project)
        if not any(id_ in (other.id, other.outputs.get("name")) for other in registry):
            raise LaptopError(f"it grants on {id_}, which the program did not register before it")


def _custom_roles(registry: Registry) -> dict[str, frozenset[str]]:
    """The roles that the program itself defines, by their whole names."""
    return {role.id: frozenset(role.inputs["permissions"]) for role in registry.of_type(CUSTOM_ROLE)}


def _granted(resource: Resource, project: str) -> list[Binding]:
    """What a resource grants: a role to a member, or to all members of a binding."""
    inputs = resource.inputs
    name = _name(TARGETS[resource.type].resource, inputs, project)
    # Of a role that no request here asks for, such as a deployer's, a condition has nothing to narrow.
    idle = roles.ROLES.get(inputs["role"]) == frozenset()
    prefix = "" if idle else _prefix(inputs.get("condition"))
    members = inputs["members"] if "members" in inputs else [inputs["member"]]
    return [Binding(name, inputs["role"], each, prefix) for each in members]


def _name(form: str, inputs: Mapping[str, Any], project: str) -> str:
    # Several inputs take a short name or a whole one.
    short = {
        key: str(value).rpartition("/")[2] if "{" + key + "}" != form else str(value)
        for key, value in inputs.items()
        if isinstance(value, str)
    }
    return form.format_map({"project": project} | short)


def _prefix(condition: Mapping[str, Any] | None) -> str:
    if not condition:
        return ""
    found = _CONDITION.fullmatch(condition["expression"])
    if not found:
        raise LaptopError(
            f'the condition is {condition["expression"]!r}: the laptop knows resource.name.startsWith("…") only'
        )
    return found[1] or found[2] or ""


class Bindings:
    """The bindings of a program, as its registry is now."""

    def __init__(self, registry: Registry, project: str) -> None:
        self._project = f"projects/{project}"
        self._by_resource: dict[str, list[Binding]] = {}
        self._roles = roles.ROLES | _custom_roles(registry)
        granting = (resource for resource in registry if resource.type in TARGETS)
        of_program = [each for resource in granting for each in _granted(resource, project)]
        of_agents = [Binding(self._project, role, f"serviceAccount:{agent}") for agent, role in _AGENTS.items()]
        for each in [*of_program, *of_agents]:
            self._by_resource.setdefault(each.resource, []).append(each)

    def allow(self, email: str | None, permission: str, resource: str) -> bool:
        """Whether an account may do something to a resource; None is somebody without a token.

        ``resource`` is IAM's name: ``projects/P/datasets/D/tables/T``.
        """
        if email == tokens.OWNER:
            return True
        members = {"allUsers"} if email is None else {"allUsers", "allAuthenticatedUsers", member(email)}
        return any(
            each.member in members
            and permission in self._roles.get(each.role, ())
            and resource.startswith(each.prefix)
            for name in self._with_what_is_above(resource)
            for each in self._by_resource.get(name, ())
        )

    def _with_what_is_above(self, resource: str) -> Iterator[str]:
        parts = resource.split("/")
        yield from (
            "/".join(parts[:length]) for length in range(len(parts), 2, -1)
        )  # an object's name has slashes
        yield "/".join(parts[:2]) if parts[1] != "_" else self._project


def member(email: str) -> str:
    """An account as a member of a binding."""
    return f"{'serviceAccount' if email.endswith('.gserviceaccount.com') else 'user'}:{email}"
