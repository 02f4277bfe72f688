"""Cloud Storage: buckets and objects, uploads among them, and what is refused."""

import io
from typing import Any

import pytest
from googleapiclient.http import MediaIoBaseUpload

from tests.rehearsal.conftest import NUMBER, PROJECT, Client, grant, refusal


@pytest.fixture
def storage(google: Client) -> Any:
    return google("storage", "v1")


def make_bucket(storage: Any, name: str = "p-dev-code", **more: Any) -> dict[str, Any]:
    return storage.buckets().insert(project=PROJECT, body={"name": name} | more).execute()


def upload(storage: Any, content: bytes, **more: Any) -> Any:
    media = MediaIoBaseUpload(io.BytesIO(content), "application/zip")
    return storage.objects().insert(bucket="p-dev-code", body={"name": "a/code.zip"}, media_body=media, **more)


def test_a_buckets_place_is_in_capitals_and_its_access_has_two_names(storage: Any) -> None:
    access = {"uniformBucketLevelAccess": {"enabled": True}}
    made = make_bucket(storage, location="europe-west1", iamConfiguration=access)
    assert (made["location"], made["locationType"], made["storageClass"]) == ("EUROPE-WEST1", "region", "STANDARD")
    assert made["iamConfiguration"]["bucketPolicyOnly"] == made["iamConfiguration"]["uniformBucketLevelAccess"]
    assert (made["projectNumber"], made["metageneration"]) == (NUMBER, "1")


@pytest.mark.parametrize("name", ["Upper", "google-code", "x"])
def test_a_buckets_name_has_a_form(storage: Any, name: str) -> None:
    request = storage.buckets().insert(project=PROJECT, body={"name": name})
    assert refusal(request)[:2] == (400, f"Invalid bucket name: '{name}'")


def test_a_bucket_is_made_once_and_in_a_project(storage: Any) -> None:
    make_bucket(storage)
    status, _, error = refusal(storage.buckets().insert(project=PROJECT, body={"name": "p-dev-code"}))
    assert (status, "status" in error) == (409, True)
    request = storage.buckets().insert(project="other", body={"name": "p-dev-more"})
    assert refusal(request)[:2] == (400, "Unknown project id: other")


def test_an_object_is_uploaded_and_read(storage: Any) -> None:
    make_bucket(storage)
    made = upload(storage, b"hello").execute()
    assert (made["size"], made["crc32c"], made["contentType"]) == ("5", "mnG7TA==", "application/zip")
    found = storage.objects().get(bucket="p-dev-code", object="a/code.zip").execute()
    assert found == made
    assert storage.objects().get_media(bucket="p-dev-code", object="a/code.zip").execute() == b"hello"
    assert storage.objects().list(bucket="p-dev-code", delimiter="/").execute()["prefixes"] == ["a/"]


def test_an_upload_that_must_be_the_first_is_refused_as_the_second(storage: Any) -> None:
    make_bucket(storage)
    upload(storage, b"1", ifGenerationMatch="0").execute()
    status, _, error = refusal(upload(storage, b"2", ifGenerationMatch="0"))
    assert (status, error["errors"][0]["reason"]) == (412, "conditionNotMet")


def test_an_upload_needs_its_bucket(storage: Any) -> None:
    assert refusal(upload(storage, b"1"))[:2] == (404, "The specified bucket does not exist.")


def test_a_bucket_that_holds_something_is_not_deleted(storage: Any) -> None:
    make_bucket(storage)
    upload(storage, b"1").execute()
    status, message, _ = refusal(storage.buckets().delete(bucket="p-dev-code"))
    assert (status, message) == (409, "The bucket you tried to delete is not empty.")
    storage.objects().delete(bucket="p-dev-code", object="a/code.zip").execute()
    storage.buckets().delete(bucket="p-dev-code").execute()


def test_a_buckets_policy_is_at_an_address_of_its_own(storage: Any) -> None:
    make_bucket(storage)
    old = storage.buckets().getIamPolicy(bucket="p-dev-code").execute()
    reader = {"role": "roles/storage.objectViewer", "members": ["allUsers"]}
    new = {"bindings": [*old["bindings"], reader], "etag": old["etag"]}
    assert reader in storage.buckets().setIamPolicy(bucket="p-dev-code", body=new).execute()["bindings"]
    status, _, _ = refusal(storage.buckets().setIamPolicy(bucket="p-dev-code", body=new))
    assert status == 409


def test_a_bucket_tells_a_topic_that_it_may_publish_to(storage: Any, google: Client) -> None:
    make_bucket(storage)
    topic = f"projects/{PROJECT}/topics/files"
    body = {"topic": f"//pubsub.googleapis.com/{topic}", "payload_format": "NONE"}
    insert = storage.notifications().insert(bucket="p-dev-code", body=body)
    assert refusal(insert)[0] == 400
    topics = google("pubsub", "v1").projects().topics()
    topics.create(name=topic, body={}).execute()
    agent = f"service-{NUMBER}@gs-project-accounts.iam.gserviceaccount.com"
    status, message, _ = refusal(insert)
    assert status == 403
    assert message.startswith(f"The service account '{agent}' does not have permission to publish messages to")
    grant(topics, topic, "roles/pubsub.publisher", agent)
    insert.execute()
