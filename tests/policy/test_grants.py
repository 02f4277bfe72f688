"""Grants to everybody, of everything, or of nothing that there is."""

import json

import pytest
from pulumi.runtime.rpc import UNKNOWN
from pulumi_policy import Policy

from policy.grants import no_basic_roles, no_public_grants, role_names, unknown_roles
from tests.policy.conftest import asked, resource, said

ALICE = "user:alice@example.com"
ALLOWED = {"role": "roles/run.invoker", "member": ALICE}


def policy_of(role: str, *members: str) -> dict[str, str]:
    """The inputs of a whole policy."""
    return {"policyData": json.dumps({"bindings": [{"role": role, "members": members}]})}


@pytest.mark.parametrize("everybody", ["allUsers", "allAuthenticatedUsers"])
@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("cloudrunv2.ServiceIamMember", {"role": "roles/run.invoker", "member": "EVERYBODY"}),
        ("storage.BucketIAMMember", {"role": "roles/run.invoker", "member": "EVERYBODY"}),
        ("projects.IAMBinding", {"role": "roles/run.invoker", "members": [ALICE, "EVERYBODY"]}),
        ("bigquery.IamBinding", {"role": "roles/run.invoker", "members": ["EVERYBODY", ALICE]}),
        ("projects.IAMPolicy", policy_of("roles/run.invoker", ALICE, "EVERYBODY")),
        ("pubsub.TopicIAMPolicy", policy_of("roles/run.invoker", "EVERYBODY")),
        ("cloudfunctionsv2.FunctionIamPolicy", policy_of("roles/run.invoker", "EVERYBODY")),
    ],
)
def test_nothing_is_granted_to_everybody(kind: str, inputs: dict[str, object], everybody: str) -> None:
    told = json.loads(json.dumps(inputs).replace("EVERYBODY", everybody))
    assert said(no_public_grants, kind, told) == [
        f"{everybody} has roles/run.invoker: name who needs it, such as group:analysts@example.com"
    ]


def test_a_grant_to_everybody_is_told_before_its_role_is_known() -> None:
    (message,) = said(no_public_grants, "projects.IAMMember", {"member": "allUsers"})
    assert message.startswith("allUsers has a role:")
    for policy in (no_basic_roles, role_names, unknown_roles):
        assert not said(policy, "projects.IAMMember", {"member": ALICE, "role": UNKNOWN})


@pytest.mark.parametrize("role", ["owner", "editor", "viewer", "admin", "writer", "reader"])
def test_basic_roles_are_not_granted(role: str) -> None:
    named = f"roles/{role}"
    for kind, inputs in (
        ("projects.IAMMember", {"role": named, "member": ALICE}),
        ("folder.IAMBinding", {"role": named, "members": []}),
        ("projects.IAMPolicy", policy_of(named, ALICE)),
    ):
        (message,) = said(no_basic_roles, kind, inputs)
        assert message.startswith(f"{named} is granted:")


@pytest.mark.parametrize(
    ("role", "written"),
    [
        ("run.invoker", "roles/run.invoker"),
        ("role/run.invoker", "roles/run.invoker"),
        ("roles/", "roles/run.invoker"),
        ("roles/run invoker", "roles/run invoker"),
    ],
)
def test_a_role_is_written_in_full(role: str, written: str) -> None:
    assert said(role_names, "projects.IAMMember", {"role": role, "member": ALICE}) == [
        f"role is {role!r}: write it in full, such as {written}"
    ]
    assert said(role_names, "projects.IAMPolicy", policy_of(role, ALICE))


def test_a_role_that_nobody_knows_is_a_warning_with_the_day_of_the_list() -> None:
    grant = resource("projects.IAMMember", {"role": "roles/bigquery.dataReader", "member": ALICE})
    (violation,) = asked(unknown_roles, grant)
    assert (
        violation.message
        == "roles/bigquery.dataReader was none of Google's roles on 2026-08-22: is it spelled right?"
    )
    assert not violation.mandatory


@pytest.mark.parametrize(
    "role",
    [
        *("roles/bigquery.dataViewer", "roles/cloudbuild.builds.editor", "roles/browser"),
        *("projects/my-project/roles/tagger", "organizations/123/roles/tagger"),
    ],
)
@pytest.mark.parametrize("policy", [no_public_grants, no_basic_roles, role_names, unknown_roles])
def test_what_is_granted_to_somebody_by_name_is_well(policy: Policy, role: str) -> None:
    assert not said(policy, "projects.IAMMember", {"role": role, "member": ALICE})
    assert not said(policy, "projects.IAMBinding", {"role": role, "members": [ALICE]})
    assert not said(policy, "projects.IAMPolicy", policy_of(role, ALICE))


@pytest.mark.parametrize("policy", [no_public_grants, no_basic_roles, role_names, unknown_roles])
def test_what_is_no_grant_is_passed_over(policy: Policy) -> None:
    assert not said(policy, "projects.IAMAuditConfig", {"role": "owner", "member": "allUsers"})
