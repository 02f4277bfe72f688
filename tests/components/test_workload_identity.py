"""Who deploys: runs of one repository on one branch, with rights that they cannot widen; and who only previews."""

from collections.abc import Callable
from typing import Any

import pytest

from components.place import Place
from components.platform.google_project import DEPLOYER_ROLES, PREVIEW_ROLES, PREVIEW_ROLES_FOR_KEYS
from components.workload import Workload, WorkloadArgs
from components.workload_identity import WorkloadIdentity, WorkloadIdentityArgs
from tests.components.mocks import UNKNOWN, Recorder, record

PLACE = Place("shop-prod", "europe-west1")
ARGS: dict[str, Any] = {
    "place": PLACE,
    "physical_name": "github",
    "repository_id": "123456789",
    "owner_id": "987654",
    "roles": DEPLOYER_ROLES,
    "grantable_roles": ["roles/bigquery.jobUser", "projects/shop-prod/roles/pii_tagger"],
}
DEPLOYER = "serviceAccount:github-deployer@shop-prod.iam.gserviceaccount.com"
PREVIEWER = "serviceAccount:github-preview@shop-prod.iam.gserviceaccount.com"


def identity(*, preview: bool = False, **changed: Any) -> Recorder:
    """The deployer of a program with two workloads."""

    def program() -> None:
        workloads = [
            Workload(f"{name}-job", WorkloadArgs(place=PLACE, physical_name=f"{name}-job", purpose="Works"))
            for name in ("report", "audit")
        ]
        WorkloadIdentity("github", WorkloadIdentityArgs(workloads=workloads, **ARGS | changed))

    return record(program, preview=preview)


def test_the_provider_takes_tokens_of_this_repository_owner_and_branch_only() -> None:
    provider = identity(branch="release/1.0").named("github-provider").inputs

    assert provider["oidc"] == {"issuerUri": "https://token.actions.githubusercontent.com"}
    assert provider["attributeCondition"].split(" && ") == [
        "assertion.repository_id == '123456789'",
        "assertion.repository_owner_id == '987654'",
        "assertion.ref == 'refs/heads/release/1.0'",
        "assertion.event_name in ['push', 'schedule', 'workflow_dispatch']",
    ]
    assert provider["attributeMapping"] == {
        "google.subject": "assertion.sub",
        "attribute.deploys": "assertion.repository_id",
    }
    assert provider["workloadIdentityPoolId"] == "github"


def test_with_an_environment_only_runs_that_were_let_into_it_deploy() -> None:
    provider = identity(environment="prod").named("github-provider").inputs

    assert provider["attributeCondition"].split(" && ")[2:4] == [
        "assertion.ref == 'refs/heads/main'",
        "assertion.environment == 'prod'",
    ]


def test_pull_requests_have_a_way_in_of_their_own_and_nothing_that_lets_them_deploy() -> None:
    program = identity(preview_roles=["roles/browser"])
    provider = program.named("github-preview-provider").inputs

    assert provider["attributeCondition"].split(" && ") == [
        "assertion.repository_id == '123456789'",
        "assertion.repository_owner_id == '987654'",
        "assertion.event_name == 'pull_request'",
    ]
    assert provider["attributeMapping"] == {
        "google.subject": "assertion.sub",
        "attribute.previews": "assertion.repository_id",
    }
    assert provider["oidc"] == {"issuerUri": "https://token.actions.githubusercontent.com"}
    member = "principalSet://iam.googleapis.com/pools/github-pool/attribute.previews/123456789"
    lets_in = [made for made in program.of("serviceaccount.IAMMember") if made.inputs["member"] == member]
    assert [made.inputs["serviceAccountId"].rpartition("/")[2] for made in lets_in] == [
        PREVIEWER.removeprefix("serviceAccount:")
    ]


def test_the_previewer_has_its_roles_on_the_project_and_is_nobody_elsewhere() -> None:
    program = identity(preview_roles=["roles/browser"])

    grants = [made for made in program.resources if made.inputs.get("member") == PREVIEWER]
    assert [(made.kind, made.inputs["role"]) for made in grants] == [("projects.IAMMember", "roles/browser")]


def test_what_a_preview_takes_is_to_look_and_no_role_of_the_deployers_that_changes_something() -> None:
    assert set(PREVIEW_ROLES) == {"roles/browser"}
    # To start a job is not to read: it takes a role on the data, too.
    assert set(PREVIEW_ROLES_FOR_KEYS) == {"roles/bigquery.jobUser"}


def test_without_roles_for_previews_pull_requests_are_nobody() -> None:
    made = {resource.name for resource in identity().resources}

    assert not {name for name in made if "preview" in name}


def test_the_repository_may_act_as_the_deployer_and_as_nobody_else() -> None:
    (grant,) = (
        made
        for made in identity().of("serviceaccount.IAMMember")
        if made.inputs["role"] == "roles/iam.workloadIdentityUser"
    )

    assert grant.inputs["member"] == (
        "principalSet://iam.googleapis.com/pools/github-pool/attribute.deploys/123456789"
    )
    assert grant.property_dependencies["serviceAccountId"] == {"github-deployer"}


def test_the_deployer_has_the_documented_roles_and_no_basic_one() -> None:
    grants = [g.inputs for g in identity().of("projects.IAMMember")]

    assert {grant["member"] for grant in grants} == {DEPLOYER}
    assert sorted(g["role"] for g in grants if "condition" not in g) == list(DEPLOYER_ROLES)
    assert not {"roles/owner", "roles/editor", "roles/viewer"} & set(DEPLOYER_ROLES)


def test_no_role_on_the_project_lets_the_deployer_widen_its_rights() -> None:
    """Of IAM's own roles it has those that only look; the others grant, or let it be somebody else."""
    of_iam = {role for role in DEPLOYER_ROLES if role.startswith(("roles/iam.", "roles/resourcemanager."))}

    assert of_iam == {
        "roles/iam.roleViewer",
        "roles/iam.serviceAccountViewer",
        "roles/iam.workloadIdentityPoolViewer",
    }
    # These run what they are given as an account of Google's, on the project.
    assert not {"roles/cloudbuild.builds.editor", "roles/deploymentmanager.editor"} & set(DEPLOYER_ROLES)


def test_the_deployer_runs_things_as_the_workloads_and_as_nobody_else() -> None:
    runs = [
        made
        for made in identity().of("serviceaccount.IAMMember")
        if made.inputs["role"] != "roles/iam.workloadIdentityUser"
    ]

    assert {(made.inputs["serviceAccountId"], made.inputs["role"], made.inputs["member"]) for made in runs} == {
        (
            f"projects/shop-prod/serviceAccounts/{name}-job@shop-prod.iam.gserviceaccount.com",
            "roles/iam.serviceAccountUser",
            DEPLOYER,
        )
        for name in ("report", "audit")
    }


def test_the_deployer_grants_on_the_project_what_workloads_get_and_nothing_else() -> None:
    (limited,) = (g.inputs for g in identity().of("projects.IAMMember") if "condition" in g.inputs)

    assert limited["role"] == "roles/resourcemanager.projectIamAdmin"
    assert limited["condition"]["expression"] == (
        "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', [])"
        ".hasOnly(['roles/bigquery.jobUser', 'projects/shop-prod/roles/pii_tagger'])"
    )


def test_all_of_it_is_protected_so_that_a_destroy_keeps_its_own_rights() -> None:
    program = identity(preview_roles=PREVIEW_ROLES)
    resources = [made for made in program.resources if made.parent == "github"]

    assert len(resources) == len(DEPLOYER_ROLES) + 5 + 2 + len(PREVIEW_ROLES) + 3
    assert all(resource.protect for resource in resources)


def test_what_a_workflow_is_told_is_exposed_and_unknown_in_a_preview() -> None:
    of_deployer = {
        "provider_name": "github-provider",
        "deployer_email": "github-deployer@shop-prod.iam.gserviceaccount.com",
    }
    of_previewer = {
        "preview_provider_name": "github-preview-provider",
        "previewer_email": "github-preview@shop-prod.iam.gserviceaccount.com",
    }
    assert identity().exposed["github"] == of_deployer
    both = of_deployer | of_previewer
    assert identity(preview_roles=PREVIEW_ROLES).exposed["github"] == both
    preview = identity(preview=True, preview_roles=PREVIEW_ROLES)
    assert preview.exposed["github"] == dict.fromkeys(both, UNKNOWN)
    assert preview.named("github-repository").inputs["member"] == UNKNOWN


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"repository_id": "shop/omnipipe"}, "repository_id is 'shop/omnipipe': give GitHub's number as text"),
        ({"owner_id": "012"}, "owner_id is '012'"),
        ({"branch": "refs/heads/main"}, "branch is 'refs/heads/main': give a branch's short name"),
        ({"branch": "main' || true || '"}, "give a branch's short name"),
        ({"environment": "prod' || true || '"}, "take letters, digits, hyphens and underscores"),
        ({"grantable_roles": []}, "0 grantable_roles: a condition takes 1 to 10"),
        ({"grantable_roles": [f"roles/a.b{n}" for n in range(11)]}, "11 grantable_roles"),
        ({"grantable_roles": ["bigquery.jobUser"]}, "'bigquery.jobUser': write roles/SERVICE.ROLE"),
        ({"grantable_roles": ["roles/owner"]}, "'roles/owner': whoever may grant it may do anything"),
    ],
)
def test_what_does_not_fit_is_told(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("(", r"\(").replace("|", r"\|")):
        identity(**wrong)


def test_all_that_does_not_fit_is_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"repository_id.*; owner_id.*; branch"):
        identity(repository_id="a", owner_id="b", branch="", grantable_roles=["roles/a.b"])


def test_what_the_platform_grants_on_the_project_is_what_its_deployer_may_grant(
    deploy: Callable[[str], Recorder],
) -> None:
    program = deploy("everything")
    (limited,) = (g.inputs for g in program.of("projects.IAMMember") if g.name.endswith("projectiamadmin"))

    granted = {g.inputs["role"] for g in program.of("projects.IAMMember") if g.parent != "omnipipe-github"}
    assert "projects/omnipipe-prod/roles/pii_tagger" in granted
    for role in granted:
        assert f"'{role}'" in limited["condition"]["expression"]


def test_the_platforms_deployer_runs_things_as_every_account_of_the_program(
    deploy: Callable[[str], Recorder],
) -> None:
    program = deploy("everything")
    accounts = {account.inputs["accountId"] for account in program.of("serviceaccount.Account")}
    runs_as = {
        grant.inputs["serviceAccountId"].rpartition("/")[2].partition("@")[0]
        for grant in program.of("serviceaccount.IAMMember")
        if grant.inputs["role"] == "roles/iam.serviceAccountUser"
    }

    assert runs_as == accounts - {"github-deployer"}


@pytest.mark.parametrize(
    ("stack", "previewed"), [("dev-everything", True), ("everything", False), ("dev", False), ("prod", False)]
)
def test_pull_requests_are_previewed_in_dev_alone(
    deploy: Callable[[str], Recorder], stack: str, previewed: bool
) -> None:
    program = deploy(stack)
    names = {made.name for made in program.resources}

    assert ("omnipipe-github-preview" in names) == previewed
    assert ("previewer" in program.exports) == previewed
