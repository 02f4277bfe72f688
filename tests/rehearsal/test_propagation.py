"""What was just made is seen late; the control plane's own clock says when."""

from collections.abc import Iterator
from typing import Any

import pytest

from omnipipe.rehearsal import server
from omnipipe.rehearsal.control_plane import ControlPlane
from omnipipe.rehearsal.world import World
from tests.rehearsal.conftest import (
    NUMBER,
    PROJECT,
    Client,
    clients,
    failure,
    grant,
    make_account,
    make_key,
    refusal,
)

PARENT = f"projects/{PROJECT}"
PLACE = f"{PARENT}/locations/europe-west1"
SECONDS = 60


@pytest.fixture
def plane() -> ControlPlane:
    """A control plane that takes a minute to tell everybody."""
    return ControlPlane(World(PROJECT, NUMBER, propagation=SECONDS))


def set_policy(google: Client, member: str) -> Any:
    body = {"policy": {"bindings": [{"role": "roles/viewer", "members": [member]}]}}
    return google("cloudresourcemanager", "v1").projects().setIamPolicy(resource=PROJECT, body=body)


def test_a_new_account_is_granted_nothing_yet(google: Client, plane: ControlPlane) -> None:
    email = make_account(google)
    accounts = google("iam", "v1").projects().serviceAccounts()
    assert accounts.get(name=f"{PARENT}/serviceAccounts/{email}").execute()["email"] == email
    request = set_policy(google, f"serviceAccount:{email}")
    assert refusal(request)[:2] == (400, f"Service account {email} does not exist.")
    plane.clock.advance(SECONDS / 2)
    assert refusal(request)[0] == 400
    plane.clock.advance(SECONDS / 2)
    request.execute()


def test_a_new_account_runs_nothing_yet(google: Client, plane: ControlPlane) -> None:
    task = {"serviceAccount": make_account(google), "containers": [{"image": "gcr.io/x/y"}]}
    jobs = google("run", "v2").projects().locations().jobs()
    request = jobs.create(parent=PLACE, jobId="dbt", body={"template": {"template": task}})
    assert refusal(request)[0] == 403
    plane.clock.advance(SECONDS)
    request.execute()


def test_a_new_agent_and_a_new_pool_are_granted_nothing_yet(google: Client, plane: ControlPlane) -> None:
    google("storage", "v1").projects().serviceAccount().get(projectId=PROJECT).execute()
    pools = google("iam", "v1").projects().locations().workloadIdentityPools()
    pools.create(parent=f"{PARENT}/locations/global", workloadIdentityPoolId="github", body={}).execute()
    pool = f"projects/{NUMBER}/locations/global/workloadIdentityPools/github"
    members = [
        f"serviceAccount:service-{NUMBER}@gs-project-accounts.iam.gserviceaccount.com",
        f"principalSet://iam.googleapis.com/{pool}/*",
    ]
    for member in members:
        assert refusal(set_policy(google, member))[0] == 400
    plane.clock.advance(SECONDS)
    for member in members:
        set_policy(google, member).execute()


def test_a_new_grant_does_not_count_yet_and_an_older_one_does(google: Client, plane: ControlPlane) -> None:
    key, agent = make_key(google), f"service-{NUMBER}@gcp-sa-pubsub.iam.gserviceaccount.com"
    keys = google("cloudkms", "v1").projects().locations().keyRings().cryptoKeys()
    topics, role = google("pubsub", "v1").projects().topics(), "roles/cloudkms.cryptoKeyEncrypterDecrypter"
    request = topics.create(name=f"{PARENT}/topics/events", body={"kmsKeyName": key})
    grant(keys, key, role, agent)
    assert refusal(request)[0] == 400
    plane.clock.advance(SECONDS)
    old = keys.getIamPolicy(resource=key).execute()
    more = {"bindings": [*old["bindings"], {"role": "roles/viewer", "members": ["user:a@example.com"]}]}
    keys.setIamPolicy(resource=key, body={"policy": more | {"etag": old["etag"]}}).execute()
    request.execute()


def test_what_was_taken_away_and_granted_again_is_new(google: Client, plane: ControlPlane) -> None:
    key, agent = make_key(google), f"service-{NUMBER}@gcp-sa-pubsub.iam.gserviceaccount.com"
    keys = google("cloudkms", "v1").projects().locations().keyRings().cryptoKeys()
    role = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
    grant(keys, key, role, agent)
    plane.clock.advance(SECONDS)
    keys.setIamPolicy(resource=key, body={"policy": {"bindings": []}}).execute()
    grant(keys, key, role, agent)
    topic = google("pubsub", "v1").projects().topics().create(name=f"{PARENT}/topics/t", body={"kmsKeyName": key})
    assert refusal(topic)[0] == 400


def test_a_job_fails_whose_right_to_its_secret_is_too_new(google: Client, plane: ControlPlane) -> None:
    email = make_account(google)
    secrets, name = google("secretmanager", "v1").projects().secrets(), f"{PARENT}/secrets/password"
    body = {"replication": {"automatic": {}}}
    secrets.create(parent=PARENT, secretId="password", body=body).execute()
    secrets.addVersion(parent=name, body={"payload": {"data": "eA=="}}).execute()
    plane.clock.advance(SECONDS)
    grant(secrets, name, "roles/secretmanager.secretAccessor", email)
    env = [{"name": "PASSWORD", "valueSource": {"secretKeyRef": {"secret": "password", "version": "1"}}}]
    task = {"serviceAccount": email, "containers": [{"image": "gcr.io/x/y", "env": env}]}
    jobs = google("run", "v2").projects().locations().jobs()
    template = {"template": {"template": task}}
    assert "Permission denied on secret" in failure(jobs.create(parent=PLACE, jobId="first", body=template))[1]
    plane.clock.advance(SECONDS)
    assert "error" not in jobs.create(parent=PLACE, jobId="second", body=template).execute()


def test_monitoring_hears_of_a_new_metric_later(google: Client, plane: ControlPlane) -> None:
    google("logging", "v2").projects().metrics().create(
        parent=PARENT, body={"name": "runs", "filter": "severity>=ERROR"}
    ).execute()
    threshold = {"filter": 'metric.type="logging.googleapis.com/user/runs"', "comparison": "COMPARISON_GT"}
    body = {"displayName": "runs", "combiner": "OR"}
    body |= {"conditions": [{"displayName": "a run failed", "conditionThreshold": threshold}]}
    request = google("monitoring", "v3").projects().alertPolicies().create(name=PARENT, body=body)
    assert refusal(request)[0] == 404
    plane.clock.advance(SECONDS)
    request.execute()


@pytest.fixture
def bare_plane() -> ControlPlane:
    """The same, without any API enabled."""
    return ControlPlane(World(PROJECT, NUMBER, enabled=(), propagation=SECONDS))


@pytest.fixture
def bare(bare_plane: ControlPlane) -> Iterator[Client]:
    """Its clients."""
    with server.running(bare_plane) as address:
        yield clients(address)


def test_an_api_that_was_just_enabled_answers_later(bare: Client, bare_plane: ControlPlane) -> None:
    services, name = bare("serviceusage", "v1").services(), f"{PARENT}/services/pubsub.googleapis.com"
    services.enable(name=name, body={}).execute()
    assert services.get(name=name).execute()["state"] == "ENABLED"
    request = bare("pubsub", "v1").projects().topics().list(project=PARENT)
    assert refusal(request)[2]["details"][0]["reason"] == "SERVICE_DISABLED"
    bare_plane.clock.advance(SECONDS)
    request.execute()
    services.enable(name=name, body={}).execute()
    request.execute()
