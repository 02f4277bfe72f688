"""IAM policies: a change of an older one is refused, and so is who does not exist."""

from typing import Any

import pytest

from tests.rehearsal.conftest import PROJECT, Client, refusal

RESOURCE = f"projects/{PROJECT}/secrets/password"
EMAIL = f"reader@{PROJECT}.iam.gserviceaccount.com"


@pytest.fixture
def secrets(google: Client) -> Any:
    secrets = google("secretmanager", "v1").projects().secrets()
    body = {"replication": {"automatic": {}}}
    secrets.create(parent=f"projects/{PROJECT}", secretId="password", body=body).execute()
    return secrets


def binding(member: str, role: str = "roles/secretmanager.secretAccessor") -> dict[str, Any]:
    return {"bindings": [{"role": role, "members": [member]}]}


def test_a_policy_is_set_against_its_etag(secrets: Any) -> None:
    old = secrets.getIamPolicy(resource=RESOURCE).execute()
    policy = binding("group:data@example.com") | {"etag": old["etag"]}
    new = secrets.setIamPolicy(resource=RESOURCE, body={"policy": policy}).execute()
    assert new["bindings"] == policy["bindings"]
    assert new["etag"] != old["etag"]
    assert secrets.getIamPolicy(resource=RESOURCE).execute() == new


def test_a_policy_that_was_changed_meanwhile_is_not_set(secrets: Any) -> None:
    policy = binding("group:data@example.com")
    first = secrets.setIamPolicy(resource=RESOURCE, body={"policy": policy}).execute()
    secrets.setIamPolicy(resource=RESOURCE, body={"policy": first}).execute()
    status, message, error = refusal(secrets.setIamPolicy(resource=RESOURCE, body={"policy": first}))
    assert (status, error["status"]) == (409, "ABORTED")
    assert message.startswith("There were concurrent policy changes.")


@pytest.mark.parametrize("member", ["data@example.com", "serviceAccount:nobody", "robot:data@example.com"])
def test_a_member_has_a_kind_and_an_address(secrets: Any, member: str) -> None:
    assert refusal(secrets.setIamPolicy(resource=RESOURCE, body={"policy": binding(member)}))[0] == 400


def test_an_account_of_the_project_must_exist(secrets: Any, google: Client) -> None:
    request = {"policy": binding(f"serviceAccount:{EMAIL}")}
    status, message, _ = refusal(secrets.setIamPolicy(resource=RESOURCE, body=request))
    assert (status, message) == (400, f"Service account {EMAIL} does not exist.")
    accounts = google("iam", "v1").projects().serviceAccounts()
    accounts.create(name=f"projects/{PROJECT}", body={"accountId": "reader"}).execute()
    secrets.setIamPolicy(resource=RESOURCE, body=request).execute()
    accounts.delete(name=f"projects/{PROJECT}/serviceAccounts/{EMAIL}").execute()
    kept = secrets.getIamPolicy(resource=RESOURCE).execute()["bindings"][0]["members"]
    assert kept[0].startswith(f"deleted:serviceAccount:{EMAIL}?uid=")


@pytest.mark.parametrize("role", ["roles/secretmanager.reader", "roles/reader", "roles/unheard.of"])
def test_a_role_of_googles_is_one_that_there_is(secrets: Any, role: str) -> None:
    request = secrets.setIamPolicy(resource=RESOURCE, body={"policy": binding("group:data@example.com", role)})
    assert refusal(request)[:2] == (400, f"Role {role} is not supported for this resource.")


@pytest.mark.parametrize("role", ["roles/viewer", "roles/cloudbuild.builds.builder", "roles/secretmanager.viewer"])
def test_googles_roles_are_known(secrets: Any, role: str) -> None:
    policy = binding("group:data@example.com", role)
    secrets.setIamPolicy(resource=RESOURCE, body={"policy": policy}).execute()


@pytest.mark.parametrize("role", ["secretmanager.viewer", f"projects/{PROJECT}/roles/none"])
def test_a_role_must_be_one(secrets: Any, role: str) -> None:
    policy = binding("group:data@example.com", role)
    status, message, _ = refusal(secrets.setIamPolicy(resource=RESOURCE, body={"policy": policy}))
    assert (status, message) == (400, f"Role ({role}) does not exist in the resource's hierarchy.")


def test_what_is_not_there_has_no_policy(secrets: Any) -> None:
    assert refusal(secrets.getIamPolicy(resource=f"{RESOURCE}2"))[0] == 404


def test_permissions_that_are_asked_for_are_had(secrets: Any) -> None:
    body = {"permissions": ["secretmanager.versions.access"]}
    assert secrets.testIamPermissions(resource=RESOURCE, body=body).execute() == body
