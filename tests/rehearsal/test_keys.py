"""Keys of one's own: each service says in its own words that its agent may not use one."""

from collections.abc import Callable
from typing import Any

import pytest
from googleapiclient.errors import HttpError

from tests.rehearsal.conftest import NUMBER, PROJECT, Client, failure, grant, make_key, refusal

PARENT = f"projects/{PROJECT}"
PLACE = f"{PARENT}/locations/europe-west1"
ROLE = "roles/cloudkms.cryptoKeyEncrypterDecrypter"


def keys(google: Client) -> Any:
    return google("cloudkms", "v1").projects().locations().keyRings().cryptoKeys()


def bucket(google: Client, key: str) -> Any:
    body = {"name": "p-dev-code", "encryption": {"defaultKmsKeyName": key}}
    return google("storage", "v1").buckets().insert(project=PROJECT, body=body)


def dataset(google: Client, key: str) -> Any:
    body = {"datasetReference": {"datasetId": "raw"}, "defaultEncryptionConfiguration": {"kmsKeyName": key}}
    return google("bigquery", "v2").datasets().insert(projectId=PROJECT, body=body)


def table(google: Client, key: str) -> Any:
    bigquery, plain = google("bigquery", "v2"), {"datasetReference": {"datasetId": "plain"}}
    bigquery.datasets().insert(projectId=PROJECT, body=plain).execute()
    body = {"tableReference": {"tableId": "trips"}, "encryptionConfiguration": {"kmsKeyName": key}}
    return bigquery.tables().insert(projectId=PROJECT, datasetId="plain", body=body)


def version(google: Client, key: str) -> Any:
    secrets = google("secretmanager", "v1").projects().secrets()
    body = {"replication": {"automatic": {"customerManagedEncryption": {"kmsKeyName": key}}}}
    secrets.create(parent=PARENT, secretId="password", body=body).execute()
    return secrets.addVersion(parent=f"{PARENT}/secrets/password", body={"payload": {"data": "eA=="}})


def topic(google: Client, key: str) -> Any:
    topics = google("pubsub", "v1").projects().topics()
    return topics.create(name=f"{PARENT}/topics/events", body={"kmsKeyName": key})


def instance(google: Client, key: str) -> Any:
    body = {"name": "oltp", "databaseVersion": "POSTGRES_17", "settings": {"tier": "db-f1-micro"}}
    encryption = {"diskEncryptionConfiguration": {"kmsKeyName": key}}
    return google("sqladmin", "v1beta4").instances().insert(project=PROJECT, body=body | encryption)


def repository(google: Client, key: str) -> Any:
    repositories = google("artifactregistry", "v1").projects().locations().repositories()
    return repositories.create(parent=PLACE, repositoryId="images", body={"format": "DOCKER", "kmsKeyName": key})


# Where each service wants its key to be.
PLACES = {"bucket": "us", "dataset": "us", "table": "us", "version": "global", "instance": "us-central1"}
BIGQUERY = "Please grant Cloud KMS CryptoKey Encrypter/Decrypter role to BigQuery service account: bq-123456789@"
SERVICES = {
    "bucket": (
        bucket,
        "storage",
        403,
        "Permission denied on Cloud KMS key. Please ensure that your Cloud Storage",
    ),
    "dataset": (dataset, "bigquery", 400, BIGQUERY),
    "table": (table, "bigquery", 400, BIGQUERY),
    "version": (version, "secretmanager", 400, "Permission denied on Cloud KMS resource [projects/p-dev/"),
    "topic": (topic, "pubsub", 400, "Cloud Pub/Sub did not have the necessary permissions configured"),
    "instance": (instance, "sqladmin", 400, "Insufficient permission to use KMS key"),
}
Make = Callable[[Client, str], Any]


def make_agent(google: Client, host: str) -> str:
    services = google("serviceusage", "v1beta1").services()
    made = services.generateServiceIdentity(parent=f"{PARENT}/services/{host}.googleapis.com").execute()
    return made["response"]["email"]


@pytest.mark.parametrize("kind", SERVICES)
def test_the_services_agent_must_be_granted_the_key(google: Client, kind: str) -> None:
    make, host, status, words = SERVICES[kind]
    key, agent = make_key(google, PLACES.get(kind, "europe-west1")), make_agent(google, host)
    request = make(google, key)
    refused, message, _ = refusal(request)
    assert (refused, message.startswith(words)) == (status, True)
    grant(keys(google), key, ROLE, agent)
    request.execute()


@pytest.mark.parametrize("kind", PLACES)
def test_a_key_is_where_that_is_what_it_encrypts(google: Client, kind: str) -> None:
    make, host, _, _ = SERVICES[kind]
    key, agent = make_key(google, "europe-west4"), make_agent(google, host)
    grant(keys(google), key, ROLE, agent)
    with pytest.raises(HttpError) as caught:
        make(google, key).execute()
    assert caught.value.reason.startswith("Cloud KMS region 'europe-west4' not available for use with ")


def test_the_key_of_a_repository_is_in_its_region(google: Client) -> None:
    status, message, _ = refusal(repository(google, make_key(google, "europe-west4")))
    words = "Cloud KMS region 'europe-west4' not available for use with Artifact Registry region 'europe-west1'."
    assert (status, message) == (400, words)


def test_a_repository_is_not_there_after_its_key_was_refused(google: Client) -> None:
    key, agent = make_key(google), make_agent(google, "artifactregistry")
    request = repository(google, key)
    code, message = failure(request)
    assert code == 7
    assert message.startswith("Permission denied on Cloud KMS key. Please ensure your Artifact Registry")
    grant(keys(google), key, ROLE, agent)
    assert "error" not in request.execute()


def test_a_database_with_a_key_needs_its_agent_first(google: Client) -> None:
    status, message, _ = refusal(instance(google, make_key(google, "us-central1")))
    assert (status, message.startswith("Per-Product Per-Project Service Account is not found")) == (400, True)


def test_a_key_whose_version_is_to_be_destroyed_encrypts_nothing(google: Client) -> None:
    key = make_key(google)
    grant(keys(google), key, ROLE, make_agent(google, "pubsub"))
    keys(google).cryptoKeyVersions().destroy(name=f"{key}/cryptoKeyVersions/1", body={}).execute()
    status, message, error = refusal(topic(google, key))
    assert (status, error["status"]) == (400, "FAILED_PRECONDITION")
    assert message == f"{key}/cryptoKeyVersions/1 is not enabled, current state is: DESTROY_SCHEDULED."


def test_what_has_a_key_is_changed_without_asking_for_it_again(google: Client) -> None:
    key, agent = make_key(google, "us"), make_agent(google, "storage")
    grant(keys(google), key, ROLE, agent)
    bucket(google, key).execute()
    grant(keys(google), key, ROLE, f"service-{NUMBER}@gcp-sa-pubsub.iam.gserviceaccount.com")
    buckets = google("storage", "v1").buckets()
    buckets.patch(bucket="p-dev-code", body={"labels": {"a": "b"}}).execute()
    again = {"encryption": {"defaultKmsKeyName": key}}
    assert refusal(buckets.patch(bucket="p-dev-code", body=again))[0] == 403
