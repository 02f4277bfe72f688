"""What Google says of a project, by Google's control plane in memory; what that does not know is a simulated answer."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.auth.exceptions import RefreshError
from google.oauth2 import service_account
from google.oauth2.credentials import Credentials

from omnipipe.rehearsal import server
from omnipipe.rehearsal.control_plane import ControlPlane
from omnipipe.rehearsal.world import World
from omnipipe.setup.checks import Finding, found
from omnipipe.setup.google import Google
from stacks.foundation import BASE_APIS, CUSTOM_ROLE, KEY, KEY_RING, Foundation, pool
from tests.components.conftest import deployed
from tests.rehearsal.conftest import Client, clients

PROJECT = "shop-dev-1"
FOUNDATION = Foundation("dev", PROJECT, "europe-west1", "")
BOOTSTRAP = f"omnipipe bootstrap --project {PROJECT} --repo OWNER/NAME --stack dev --apply"
PERSON = Credentials("of nobody", quota_project_id=PROJECT)


@pytest.fixture
def plane() -> ControlPlane:
    """A project with the APIs that come first."""
    return ControlPlane(World(PROJECT, "123456789", enabled=BASE_APIS))


@pytest.fixture
def address(plane: ControlPlane) -> Iterator[str]:
    with server.running(plane) as at:
        yield at


@pytest.fixture
def google(address: str) -> Client:
    """Google's own clients, to make things with."""
    return clients(address)


Ask = Callable[..., Finding]


@pytest.fixture
def ask(address: str) -> Ask:
    """``ask("state")``: what came of a check."""

    def do(name: str, given: Any = PERSON, project: str = PROJECT) -> Finding:
        foundation = Foundation("dev", project, "europe-west1", "")
        asked = Google(given, foundation, f"{address}/{{host}}")
        (check,) = (each for each in [asked.login, *asked.checks()] if each.name == name)
        return found(check)

    return do


def make_foundation(google: Client) -> None:
    bucket = {"name": FOUNDATION.bucket, "location": "EUROPE-WEST1", "versioning": {"enabled": True}}
    google("storage", "v1").buckets().insert(project=PROJECT, body=bucket).execute()
    rings = google("cloudkms", "v1").projects().locations().keyRings()
    place = f"projects/{PROJECT}/locations/europe-west1"
    rings.create(parent=place, keyRingId=KEY_RING, body={}).execute()
    body = {"purpose": "ENCRYPT_DECRYPT"}
    rings.cryptoKeys().create(parent=FOUNDATION.key_ring, cryptoKeyId=KEY, body=body).execute()


def test_where_all_is_there_each_check_says_what(google: Client, ask: Ask) -> None:
    make_foundation(google)

    said = {name: ask(name) for name in ("project", "billing", "APIs", "state", "key", "names", "quota project")}
    assert [name for name, finding in said.items() if not finding.ok] == []
    assert said["project"].said == "shop-dev-1, number 123456789"
    assert said["state"].said == "gs://shop-dev-1-pulumi-state"
    assert said["key"].said == FOUNDATION.key
    assert said["quota project"].said == PROJECT


def test_what_bootstrap_makes_is_missing_before_it(ask: Ask) -> None:
    state, key = ask("state"), ask("key")

    assert (state.ok, state.said, state.get) == (False, "there is no gs://shop-dev-1-pulumi-state", BOOTSTRAP)
    assert (key.ok, key.get) == (False, BOOTSTRAP)


def test_a_state_without_former_versions_is_told(google: Client, ask: Ask) -> None:
    google("storage", "v1").buckets().insert(project=PROJECT, body={"name": FOUNDATION.bucket}).execute()

    state = ask("state")
    assert (state.ok, state.get) == (False, BOOTSTRAP)
    assert "keeps no former versions" in state.said


def test_a_key_that_was_destroyed_is_told(google: Client, ask: Ask) -> None:
    make_foundation(google)
    keys = google("cloudkms", "v1").projects().locations().keyRings().cryptoKeys()
    keys.cryptoKeyVersions().destroy(name=f"{FOUNDATION.key}/cryptoKeyVersions/1").execute()

    assert "has no version that encrypts" in ask("key").said


def test_apis_that_are_off_are_named_with_the_command(google: Client, ask: Ask) -> None:
    services = google("serviceusage", "v1").services()
    for api in ("sts", "cloudkms"):
        services.disable(name=f"projects/{PROJECT}/services/{api}.googleapis.com", body={}).execute()

    apis = ask("APIs")
    assert apis.said == "not enabled: cloudkms.googleapis.com, sts.googleapis.com"
    assert apis.get == f"gcloud services enable cloudkms.googleapis.com sts.googleapis.com --project={PROJECT}"
    # And what is asked of one that is off is no mystery.
    key = ask("key")
    assert (key.said, key.get) == (
        "cloudkms.googleapis.com is not enabled",
        f"gcloud services enable cloudkms.googleapis.com --project={PROJECT}",
    )


def test_a_project_without_a_billing_account_is_told(google: Client, ask: Ask) -> None:
    body = {"billingAccountName": ""}
    google("cloudbilling", "v1").projects().updateBillingInfo(name=f"projects/{PROJECT}", body=body).execute()

    billing = ask("billing")
    assert billing.said == "shop-dev-1 has no billing account"
    assert billing.get == "gcloud billing projects link shop-dev-1 --billing-account=ACCOUNT"


def test_a_project_that_is_being_deleted_is_told(google: Client, ask: Ask) -> None:
    google("cloudresourcemanager", "v1").projects().delete(projectId=PROJECT).execute()

    assert ask("project").said == "shop-dev-1 is being deleted"


def test_a_project_that_is_not_there_or_not_ours_is_told_in_googles_words(ask: Ask) -> None:
    """Google does not say which of the two it is."""
    project = ask("project", project="other-project")

    assert project.said == "Google says 403: The caller does not have permission"
    assert project.get == "ask an owner of the project"


def test_names_that_google_keeps_are_told_with_how_to_have_them_back(google: Client, ask: Ask) -> None:
    iam = google("iam", "v1").projects()
    pools = iam.locations().workloadIdentityPools()
    parent = f"projects/{PROJECT}/locations/global"
    pools.create(parent=parent, workloadIdentityPoolId="github", body={}).execute()
    oidc = {"oidc": {"issuerUri": "https://token.actions.githubusercontent.com"}}
    pools.providers().create(
        parent=pool(PROJECT), workloadIdentityPoolProviderId="github-oidc", body=oidc
    ).execute()
    role = {"roleId": CUSTOM_ROLE, "role": {"title": "x", "includedPermissions": []}}
    iam.roles().create(parent=f"projects/{PROJECT}", body=role).execute()
    assert ask("names").ok

    pools.providers().delete(name=f"{pool(PROJECT)}/providers/github-oidc").execute()
    iam.roles().delete(name=f"projects/{PROJECT}/roles/{CUSTOM_ROLE}").execute()
    names = ask("names")
    assert names.said.startswith("deleted, and Google keeps the name for a month: projects/shop-dev-1/locations/")
    assert names.get.startswith(
        "gcloud iam workload-identity-pools providers undelete github-oidc --workload-identity-pool=github "
        "--location=global --project=shop-dev-1 && gcloud iam roles undelete pii_tagger --project=shop-dev-1; then"
    )

    pools.delete(name=pool(PROJECT)).execute()
    assert "gcloud iam workload-identity-pools undelete github --location=global" in ask("names").get


def test_the_names_are_those_of_the_program() -> None:
    program = deployed("dev-everything")

    (made,) = program.of("projects.IAMCustomRole")
    assert made.inputs["roleId"] == CUSTOM_ROLE
    (made,) = program.of("iam.WorkloadIdentityPool")
    assert pool("x").endswith(f"/workloadIdentityPools/{made.inputs['workloadIdentityPoolId']}")


def test_a_persons_login_needs_a_project_for_its_quota(ask: Ask) -> None:
    quota = ask("quota project", Credentials("of nobody"))

    assert not quota.ok
    assert quota.get == "gcloud auth application-default set-quota-project shop-dev-1"


def test_an_account_needs_none(ask: Ask) -> None:
    account = service_account.Credentials(
        None, "a@b.iam.gserviceaccount.com", "https://oauth2.googleapis.com/token"
    )

    assert ask("quota project", account).ok


class Expired(Credentials):
    """A login that has ended."""

    def refresh(self, request: object) -> None:
        raise RefreshError("Reauthentication is needed.")


def test_credentials_that_google_refuses_are_told(ask: Ask) -> None:
    assert ask("credentials").said == "a person's login"
    refused = ask("credentials", Expired(None))
    assert (refused.said, refused.get) == (
        "Google refuses them: Reauthentication is needed.",
        "gcloud auth application-default login",
    )


def simulated(monkeypatch: pytest.MonkeyPatch, status: int, text: str) -> Google:
    """A Google that answers everything the same."""

    def answer(*_: object, **__: object) -> Any:
        import requests

        given = requests.Response()
        given.status_code, given._content, given.reason = status, text.encode(), "Sorry"
        return given

    asked = Google(PERSON, FOUNDATION)
    monkeypatch.setattr(asked._api._session, "get", answer)
    return asked


@pytest.mark.parametrize(
    ("status", "text", "words"),
    [
        (500, "<html>", "Google says 500: Sorry"),
        (
            403,
            json.dumps({"error": {"message": "Permission 'x' denied"}}),
            "Google says 403: Permission 'x' denied",
        ),
        (429, json.dumps({"error": {}}), "Google says 429: Sorry"),
    ],
)
def test_any_refusal_is_told_in_googles_words(
    monkeypatch: pytest.MonkeyPatch, status: int, text: str, words: str
) -> None:
    asked = simulated(monkeypatch, status, text)

    for check in asked.checks():
        if check.name != "quota project":
            assert found(check).said == words


def test_a_google_that_does_not_answer_is_told() -> None:
    asked = Google(PERSON, FOUNDATION, "http://127.0.0.1:9/{host}")

    (check,) = (each for each in asked.checks() if each.name == "project")
    finding = found(check)
    assert finding.said.startswith("cloudresourcemanager.googleapis.com does not answer")
    assert finding.get == "look at this machine's network"
