"""Who has what: by the policies of a resource and of all that is above it, their conditions and custom roles."""

from typing import Any

import pytest

from tests.rehearsal.conftest import NUMBER, PROJECT, Client, grant, make_key, refusal

PARENT = f"projects/{PROJECT}"
AGENT = f"service-{NUMBER}@gcp-sa-pubsub.iam.gserviceaccount.com"
ROLE = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
TOPIC = f"{PARENT}/topics/events"


@pytest.fixture
def key(google: Client) -> str:
    return make_key(google)


def topic(google: Client, key: str) -> Any:
    """A topic is made if Pub/Sub's agent may use the key."""
    return google("pubsub", "v1").projects().topics().create(name=TOPIC, body={"kmsKeyName": key})


def resources(google: Client, where: str) -> Any:
    rings = google("cloudkms", "v1").projects().locations().keyRings()
    manager = google("cloudresourcemanager", "v3")
    return {"key": rings.cryptoKeys(), "ring": rings, "project": manager.projects()}.get(
        where, manager.organizations()
    )


@pytest.mark.parametrize("where", ["key", "ring", "project", "organization"])
def test_a_grant_counts_for_what_is_below(google: Client, key: str, where: str) -> None:
    assert refusal(topic(google, key))[0] == 400
    names = {
        "key": key,
        "ring": key.partition("/cryptoKeys")[0],
        "project": PARENT,
        "organization": "organizations/111",
    }
    grant(resources(google, where), names[where], ROLE, AGENT)
    topic(google, key).execute()


@pytest.mark.parametrize("role", ["roles/cloudkms.viewer", "roles/editor", "roles/cloudkms.admin"])
def test_another_role_is_not_enough(google: Client, key: str, role: str) -> None:
    grant(resources(google, "key"), key, role, AGENT)
    assert refusal(topic(google, key))[0] == 400


def test_another_account_is_not_meant(google: Client, key: str) -> None:
    grant(resources(google, "key"), key, ROLE, f"service-{NUMBER}@serverless-robot-prod.iam.gserviceaccount.com")
    assert refusal(topic(google, key))[0] == 400


@pytest.mark.parametrize(("permission", "works"), [("useToEncrypt", True), ("list", False)])
def test_a_custom_role_has_its_permissions(google: Client, key: str, permission: str, works: bool) -> None:
    roles = google("iam", "v1").projects().roles()
    role = {"title": "Encrypts", "includedPermissions": [f"cloudkms.cryptoKeyVersions.{permission}"]}
    made = roles.create(parent=PARENT, body={"roleId": "encrypts", "role": role}).execute()["name"]
    grant(resources(google, "key"), key, made, AGENT)
    if works:
        topic(google, key).execute()
    else:
        assert refusal(topic(google, key))[0] == 400


@pytest.mark.parametrize(("beginning", "works"), [("europe-west1", True), ("us", False)])
def test_a_condition_on_the_name_is_kept(google: Client, key: str, beginning: str, works: bool) -> None:
    expression = f'resource.name.startsWith("{PARENT}/locations/{beginning}")'
    grant(resources(google, "project"), PARENT, ROLE, AGENT, expression=expression)
    if works:
        topic(google, key).execute()
    else:
        assert refusal(topic(google, key))[0] == 400


def test_a_group_may_hold_anybody(google: Client, key: str) -> None:
    binding = {"role": ROLE, "members": ["group:agents@example.com"]}
    body = {"policy": {"bindings": [binding]}}
    resources(google, "key").setIamPolicy(resource=key, body=body).execute()
    topic(google, key).execute()
