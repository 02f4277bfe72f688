"""What a foundation is made of: the names that the program and the workflows know it by, and who gets which right."""

import json
import re
from collections.abc import Callable

import pytest

from components.platform.google_project import APIS
from omnipipe.laptop.home import PROJECT_ROOT
from omnipipe.setup.steps import VERSIONS, VERSIONS_KEPT_DAYS, Step, steps
from stacks.foundation import BASE_APIS, DEPLOYER, PREVIEWER, Foundation
from tests.components.conftest import deployed
from tests.components.mocks import Recorder

DEV = Foundation("dev", "omnipipe-dev", "europe-west1", "")
PROD = Foundation("prod", "omnipipe-prod", "europe-west1", "prod")
STACKS: list[tuple[Foundation, Callable[[], Recorder]]] = [
    (DEV, lambda: deployed("dev-everything")),
    (PROD, lambda: deployed("everything")),
]


def made(foundation: Foundation) -> list[Step]:
    return steps(foundation, "acme/omnipipe")


def typed(foundation: Foundation) -> list[str]:
    """All commands that make something, as lines."""
    return [" ".join(step.make) for step in made(foundation)]


@pytest.mark.parametrize(("foundation", "program"), STACKS, ids=["dev", "prod"])
def test_the_program_takes_over_the_accounts_as_they_are_made(
    foundation: Foundation, program: Callable[[], Recorder]
) -> None:
    """Another display name would be a change of the next `up`, which the deployer may not make."""
    accounts = [made.inputs for made in program().of("serviceaccount.Account") if made.parent == "omnipipe-github"]

    assert {(each["accountId"], each["displayName"]) for each in accounts} == {
        (identity.id, identity.purpose) for identity in foundation.identities
    }
    assert all(each["createIgnoreAlreadyExists"] for each in accounts)
    commands = typed(foundation)
    for each in accounts:
        command = f"service-accounts create {each['accountId']} --display-name={each['displayName']} --project="
        assert any(command in line for line in commands)


@pytest.mark.parametrize(("foundation", "program"), STACKS, ids=["dev", "prod"])
def test_the_variables_name_the_programs_providers_and_accounts(
    foundation: Foundation, program: Callable[[], Recorder]
) -> None:
    variables = foundation.variables("123").values()
    providers = [made.inputs for made in program().of("iam.WorkloadIdentityPoolProvider")]

    assert {value for value in variables if "/providers/" in value} == {
        f"projects/123/locations/global/workloadIdentityPools/{each['workloadIdentityPoolId']}"
        f"/providers/{each['workloadIdentityPoolProviderId']}"
        for each in providers
    }
    assert {value for value in variables if "@" in value} == {
        foundation.email(identity) for identity in foundation.identities
    }


def test_the_workflows_know_a_stack_by_no_other_variables() -> None:
    set_ = DEV.variables("1").keys() | PROD.variables("1").keys()
    used = {
        name
        for path in (PROJECT_ROOT / ".github").rglob("*.yml")
        for name in re.findall(r"\bvars\.(\w+)", path.read_text())
    }

    assert used
    assert used <= set_


def test_two_stacks_have_no_name_in_common() -> None:
    for name in ("bucket", "backend", "key_ring", "key", "secrets_provider"):
        assert getattr(DEV, name) != getattr(PROD, name)
    assert not DEV.variables("1").keys() & PROD.variables("1").keys()
    assert "omnipipe-prod" not in "\n".join(typed(DEV))
    assert "omnipipe-dev" not in "\n".join(typed(PROD))


def test_a_pull_request_reads_the_state_of_dev_and_knows_nothing_of_prod() -> None:
    to_previewer = [line for line in typed(DEV) if f"member=serviceAccount:{DEV.email(PREVIEWER)}" in line]

    assert [line.rpartition("--role=")[2] for line in to_previewer] == [
        "roles/storage.objectViewer",
        "roles/cloudkms.cryptoKeyDecrypter",
    ]
    assert "preview" not in "\n".join(typed(PROD)).lower()


def test_the_deployer_writes_the_state_and_uses_the_key_and_administers_neither() -> None:
    for foundation in (DEV, PROD):
        granted = [line for line in typed(foundation) if f"serviceAccount:{foundation.email(DEPLOYER)}" in line]
        assert [line.rpartition("--role=")[2] for line in granted] == [
            "roles/storage.objectUser",
            "roles/cloudkms.cryptoKeyEncrypterDecrypter",
        ]


def test_only_main_is_let_into_prods_environment() -> None:
    environment = [line for line in typed(PROD) if "/environments/" in line]

    assert environment == [
        "gh api --method=PUT repos/acme/omnipipe/environments/prod "
        "--field=deployment_branch_policy[protected_branches]=false "
        "--field=deployment_branch_policy[custom_branch_policies]=true",
        "gh api --method=POST repos/acme/omnipipe/environments/prod/deployment-branch-policies --raw-field=name=main",
    ]
    assert not [line for line in typed(DEV) if "/environments/" in line]


def test_what_is_enabled_first_is_of_the_program_or_enables_the_others() -> None:
    assert set(BASE_APIS) - set(APIS) == {"serviceusage"}


def test_former_versions_of_the_state_end() -> None:
    (rule,) = json.loads((PROJECT_ROOT / VERSIONS).read_text())["rule"]

    assert rule == {"action": {"type": "Delete"}, "condition": {"daysSinceNoncurrentTime": VERSIONS_KEPT_DAYS}}


@pytest.mark.parametrize(("project", "region"), [("My Project", "europe-west1"), ("my-project", "europe-west1-b")])
def test_names_that_google_does_not_have_are_refused(project: str, region: str) -> None:
    with pytest.raises(ValueError, match=r"project is|region is"):
        Foundation("dev", project, region, "")
