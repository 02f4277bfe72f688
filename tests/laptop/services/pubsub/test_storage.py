"""Cloud Storage subscriptions: messages are files of a bucket."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fastavro
import pytest
from google.api_core import exceptions
from google.pubsub_v1.types import Encoding, Schema

from omnipipe.laptop import server
from omnipipe.laptop.cloud import GOOGLE
from omnipipe.laptop.iam.bindings import PUBSUB_AGENT
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.pubsub.failures import Failure
from omnipipe.laptop.services.pubsub.storage import moment
from omnipipe.laptop.services.storage.resources import BUCKET
from tests.laptop.conftest import PROJECT, grant, serving
from tests.laptop.services.pubsub.conftest import Running
from tests.laptop.services.pubsub.receiving import until

ON_BUCKET = "gcp:storage/bucketIAMMember:BucketIAMMember"


class Buckets:
    """Cloud Storage, where Pub/Sub looks for it."""

    def __init__(self, pubsub: Running) -> None:
        self._pubsub = pubsub

    def bucket(self, *roles: str) -> str:
        name = f"landing-{self._pubsub.new()}"
        self._pubsub.cloud.home.path("storage", name)
        self._pubsub.cloud.registry.put(Resource(BUCKET, name, {"name": name}, id=name))
        for role in roles:
            grant(self._pubsub.cloud, ON_BUCKET, f"roles/storage.{role}", PUBSUB_AGENT, bucket=name)
        return name

    def files(self, bucket: str) -> list[Path]:
        folder = self._pubsub.cloud.home.path("storage", bucket)
        return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def buckets(pubsub: Running) -> Iterator[Buckets]:
    cloud = pubsub.cloud
    with serving(server.application(cloud, server.apis(cloud)), cloud.ports.of(GOOGLE)):
        yield Buckets(pubsub)


def publish(pubsub: Running, topic: str, *texts: bytes, **attributes: str) -> None:
    publisher = pubsub.publisher()
    for future in [publisher.publish(topic, text, **attributes) for text in texts]:
        future.result(20)


def test_a_file_has_a_line_for_each_message_as_soon_as_it_is_full(pubsub: Running, buckets: Buckets) -> None:
    bucket, topic = buckets.bucket("objectCreator", "legacyBucketReader"), pubsub.topic()
    config = {"bucket": bucket, "filename_prefix": "in/", "filename_suffix": ".jsonl", "max_messages": 1000}
    pubsub.subscription(topic, cloud_storage_config=config)
    publish(pubsub, topic, *(b'{"n": %d}' % n for n in range(2500)))
    files = until(lambda: (found := buckets.files(bucket))[1:] and found)
    lines = [line for file in files for line in file.read_text().splitlines()]
    assert [len(file.read_text().splitlines()) for file in files] == [1000, 1000]
    assert len(set(lines)) == 2000
    assert json.loads(lines[0])["n"] in range(2500)
    folder = files[0].parent
    assert (folder.parent.name, folder.name, files[0].suffix) == ("in", f"{datetime.now(UTC):%Y-%m-%d}", ".jsonl")


def test_a_file_ends_by_its_bytes(pubsub: Running, buckets: Buckets) -> None:
    bucket, topic = buckets.bucket("objectCreator", "legacyBucketReader"), pubsub.topic()
    pubsub.subscription(topic, cloud_storage_config={"bucket": bucket, "max_bytes": 1500})
    publish(pubsub, topic, *(b"x" * 700 for _ in range(4)))
    assert until(lambda: buckets.files(bucket))[0].read_text().splitlines()[0] == "x" * 700


def test_avro_files_have_metadata_and_the_topics_schema(pubsub: Running, buckets: Buckets) -> None:
    bucket = buckets.bucket("objectCreator", "legacyBucketReader")
    record = {"type": "record", "name": "R", "fields": [{"name": "id", "type": "long"}]}
    made = Schema(type_=Schema.Type.AVRO, definition=json.dumps(record))
    request = {"parent": f"projects/{PROJECT}", "schema_id": f"files-{pubsub.new()}", "schema": made}
    schema = pubsub.schemas().create_schema(request=request).name
    topic = pubsub.topic(schema_settings={"schema": schema, "encoding": Encoding.JSON})
    avro = {"write_metadata": True, "use_topic_schema": True}
    config = {
        "bucket": bucket,
        "avro_config": avro,
        "max_messages": 1000,
        "filename_datetime_format": "YYYY/MM-DD",
    }
    subscription = pubsub.subscription(topic, cloud_storage_config=config)
    publish(pubsub, topic, *(b'{"id": %d}' % n for n in range(1000)), kind="k")
    (file,) = until(lambda: buckets.files(bucket))
    rows: list[Any] = list(fastavro.reader(io.BytesIO(file.read_bytes())))
    assert sorted(row["id"] for row in rows) == list(range(1000))
    assert {row["subscription_name"] for row in rows} == {subscription}
    assert rows[0]["attributes"]["kind"] == "k"
    assert rows[0]["publish_time"] <= datetime.now(UTC)


def test_a_bucket_that_is_not_there_or_closed_is_refused(pubsub: Running, buckets: Buckets) -> None:
    with pytest.raises(exceptions.NotFound, match="The specified bucket does not exist: nowhere"):
        pubsub.subscription(pubsub.topic(), cloud_storage_config={"bucket": "nowhere"})
    with pytest.raises(exceptions.PermissionDenied) as refused:
        pubsub.subscription(pubsub.topic(), cloud_storage_config={"bucket": buckets.bucket("objectCreator")})
    assert refused.value.message == (
        f"Service account {PUBSUB_AGENT} is missing permissions required to write to the Cloud Storage bucket: "
        "storage.buckets.get."
    )


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"max_duration": {"seconds": 59}}, "Invalid max_duration given"),
        ({"max_bytes": 999}, "Invalid max_bytes given"),
        ({"max_messages": 999}, "Invalid max_messages given"),
        ({"filename_datetime_format": "YYYY-quarter"}, "Invalid filename_datetime_format given"),
        ({"avro_config": {"use_topic_schema": True}}, "no schema is enabled for the topic"),
    ],
)
def test_settings_of_files_that_google_refuses_are_refused(
    pubsub: Running, buckets: Buckets, config: dict[str, Any], words: str
) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=words):
        pubsub.subscription(pubsub.topic(), cloud_storage_config={"bucket": buckets.bucket("admin"), **config})


def test_a_moment_is_written_in_googles_words() -> None:
    when = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert moment("", when) == "2026-03-04/05_06_07Z"
    assert moment("YY/MM/DD hh:mm", when) == "26/03/04 05:06"
    with pytest.raises(Failure):
        moment("%Y", when)
