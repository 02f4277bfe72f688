"""Who may do what in each stack: every grant of the program, with its reason, in bindings.yaml beside this file."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.components.mocks import Recorder

Deploy = Callable[[str], Recorder]
STACKS = ("dev", "prod")
REASONS: dict[str, dict[str, str]] = yaml.safe_load(Path(__file__).with_name("bindings.yaml").read_text())

# Who is there in one of the stacks only.
ONLY_IN = {"business-job": "dev"}


def reasons(stack: str) -> dict[str, dict[str, str]]:
    """The reasons that hold in a stack."""
    return {who: said for who, said in REASONS.items() if ONLY_IN.get(who, stack) == stack}


def target(kind: str, inputs: dict[str, Any]) -> str:
    """What a grant of a kind is on, by its inputs: a table, a dataset, a secret …, or the project."""
    match kind:
        case "bigquery.IamMember":
            return f"table {inputs['datasetId']}.{inputs['tableId']}"
        case "bigquery.DatasetIamMember":
            return f"dataset {inputs['datasetId']}"
        case "secretmanager.SecretIamMember":
            return f"secret {inputs['secretId']}"
        case "storage.BucketIAMMember":
            return f"bucket {inputs['bucket'].removeprefix(inputs['bucket'].removesuffix('-sources') + '-')}"
        case "artifactregistry.RepositoryIamMember":
            return f"repository {inputs['repository']}"
        case "cloudrunv2.ServiceIamMember":
            return f"function {inputs['name']}"
        case "cloudrunv2.JobIamMember":
            return f"job {inputs['name']}"
        case "datacatalog.PolicyTagIamMember":
            return f"policy tag {re.split('[-/]', inputs['policyTag'])[-1]}"
        case "projects.IAMMember":
            condition = inputs.get("condition")
            title = condition["title"].replace(inputs["project"], "PROJECT") if condition else ""
            return f"project, {title}" if condition else "project"
    raise AssertionError(f"{kind}: say here what it is on")


def what(kind: str, inputs: dict[str, Any]) -> str:
    """A grant of a kind, by its inputs, as `role on what`; a role of our own by its last part."""
    role = inputs["role"].rpartition("roles/")[2].replace("_", "-")
    return f"{role} on {target(kind, inputs)}"


def grants(program: Recorder) -> list[tuple[str, str]]:
    """Each grant as who, and `role on what`."""
    return [
        (
            resource.inputs["member"].removeprefix("serviceAccount:").partition("@")[0],
            what(resource.kind, resource.inputs),
        )
        for resource in program.resources
        if resource.kind.lower().endswith("iammember")
    ]


@pytest.mark.parametrize("stack", STACKS)
def test_each_grant_has_a_reason_and_each_reason_a_grant(deploy: Deploy, stack: str) -> None:
    found = grants(deploy(stack))
    expected = [(who, what) for who, said in reasons(stack).items() for what in said]

    assert set(found) == set(expected)
    assert len(found) == len(expected)
    assert all(reason for said in REASONS.values() for reason in said.values())


@pytest.mark.parametrize("stack", STACKS)
def test_every_grant_is_to_one_account_of_the_program_by_a_narrow_role(deploy: Deploy, stack: str) -> None:
    program = deploy(stack)
    accounts = {account.inputs["accountId"] for account in program.of("serviceaccount.Account")}

    assert {who for who, _ in grants(program)} <= accounts
    basic = ("roles/owner", "roles/editor", "roles/viewer")
    roles = [r.inputs["role"] for r in program.resources if r.kind.lower().endswith("iammember")]
    assert not [role for role in roles if role in basic or role.endswith((".admin", "Admin"))]


@pytest.mark.parametrize("stack", STACKS)
def test_no_account_has_a_key_and_none_is_without_use(deploy: Deploy, stack: str) -> None:
    program = deploy(stack)
    accounts = {account.inputs["accountId"] for account in program.of("serviceaccount.Account")}

    assert not program.of("serviceaccount.Key")
    assert accounts == set(reasons(stack))


def readers(program: Recorder, dataset: str) -> dict[str, set[str]]:
    """Who may read data of a dataset, by what: the whole of it, or single tables."""
    may: dict[str, set[str]] = {}
    for resource in program.resources:
        inputs: dict[str, Any] = resource.inputs
        if inputs.get("role") not in ("roles/bigquery.dataViewer", "roles/bigquery.dataEditor"):
            continue
        if resource.kind == "projects.IAMMember" or inputs["datasetId"] == dataset:
            who = inputs["member"].removeprefix("serviceAccount:").partition("@")[0]
            may.setdefault(who, set()).add(inputs.get("tableId", "*"))
    return may


@pytest.mark.parametrize("stack", STACKS)
def test_raw_staging_and_vault_are_closed(deploy: Deploy, stack: str) -> None:
    program = deploy(stack)

    assert readers(program, "vault") == {"dbt-job": {"*"}}
    assert readers(program, "staging") == {"dbt-job": {"*"}, "validate-job": {"*"}}
    assert readers(program, "raw") == {
        "dbt-job": {"*"},
        "weather-function": {"weather"},  # what it has written itself
        "capture-job": {"*"},  # its own heartbeat: Datastream makes the table, so it cannot be granted alone
        "validate-job": {"*"},  # what it compares with the source
    }
