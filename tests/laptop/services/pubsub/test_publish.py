"""What a topic takes, and what it refuses."""

from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import pubsub_v1
from google.pubsub_v1 import PublisherClient as GapicPublisher

from tests.laptop.conftest import PROJECT
from tests.laptop.services.pubsub.conftest import Running
from tests.laptop.services.pubsub.receiving import data, pulled


def test_what_is_published_arrives_with_its_attributes_and_time(pubsub: Running) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    id_ = pubsub.publisher().publish(topic, b"\x00bytes", source="weather").result(10)
    (got,) = pulled(pubsub.subscriber(), subscription, 1)
    assert (got.message.message_id, got.message.data, dict(got.message.attributes)) == (
        id_,
        b"\x00bytes",
        {"source": "weather"},
    )
    assert got.message.publish_time.timestamp() > 1.7e9
    assert got.delivery_attempt == 0


def test_every_subscription_of_a_topic_gets_every_message_published_after_it(pubsub: Running) -> None:
    topic, client = pubsub.topic(), pubsub.publisher()
    first = pubsub.subscription(topic)
    client.publish(topic, b"one").result(10)
    second = pubsub.subscription(topic)
    client.publish(topic, b"two").result(10)
    assert data(pulled(pubsub.subscriber(), first, 2)) == [b"one", b"two"]
    assert data(pulled(pubsub.subscriber(), second, 1)) == [b"two"]


def test_a_batch_has_ids_in_its_order(pubsub: Running) -> None:
    topic = pubsub.topic()
    client = pubsub.publisher(batch_settings=pubsub_v1.types.BatchSettings(max_messages=1000, max_latency=0.05))
    futures = [client.publish(topic, b"x") for _ in range(1500)]
    ids = [int(each.result(10)) for each in futures]
    assert ids == sorted(set(ids))


LIMITS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "nothing": ([], "The value for message_count is too small. You passed 0 in the request"),
    "too many": (
        [{"data": b"x"}] * 1001,
        "message_count is too large. You passed 1001 in the request, but the max",
    ),
    "too large": ([{"data": b"x" * 10_000_001}], "request_size is too large. You passed 100000"),
    "empty": ([{}], "One or more messages in the publish request is empty."),
    "too many attributes": ([{"attributes": {f"a{n}": "" for n in range(101)}}], "You passed 101 in the request"),
    "long key": ([{"attributes": {"k" * 257: ""}}], "has a key that is too long. The length is 257 characters"),
    "long value": (
        [{"attributes": {"app": "v" * 1025}}],
        'The attribute "app" in the request has a value that is',
    ),
    "reserved": ([{"attributes": {"google": "x"}}], 'begins with "goog", which is reserved'),
    "no key": ([{"attributes": {"": "x"}}], "Message attribute keys must be non-empty."),
    "long ordering key": ([{"data": b"x", "ordering_key": "k" * 1025}], "The ordering key is too long."),
}


@pytest.mark.parametrize("what", LIMITS)
def test_what_is_over_a_limit_is_refused_in_googles_words(pubsub: Running, what: str) -> None:
    messages, words = LIMITS[what]
    with pytest.raises(exceptions.InvalidArgument) as refused:
        GapicPublisher.publish(pubsub.publisher(), request={"topic": pubsub.topic(), "messages": messages})
    assert words in refused.value.message


def test_topics_are_made_listed_changed_and_removed(pubsub: Running) -> None:
    client, topic = pubsub.publisher(), pubsub.topic(labels={"a": "b"})
    assert topic in [each.name for each in client.list_topics(project=f"projects/{PROJECT}")]
    changed = client.update_topic(
        request={
            "topic": {"name": topic, "labels": {"c": "d"}, "message_retention_duration": {"seconds": 600}},
            "update_mask": {"paths": ["labels"]},
        }
    )
    assert (dict(changed.labels), "message_retention_duration" in changed) == ({"c": "d"}, False)
    subscription = pubsub.subscription(topic)
    assert list(client.list_topic_subscriptions(topic=topic)) == [subscription]
    client.delete_topic(topic=topic)
    with pytest.raises(exceptions.NotFound, match=r"Resource not found \(resource=events-"):
        client.get_topic(topic=topic)
    assert pubsub.subscriber().get_subscription(subscription=subscription).topic == "_deleted-topic_"


@pytest.mark.parametrize("name", ["ab", "googles", "1abc", "a/b", "a b"])
def test_names_that_google_does_not_take_are_refused(pubsub: Running, name: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=r"Invalid \[topics\] name"):
        pubsub.publisher().create_topic(name=f"projects/{PROJECT}/topics/{name}")


def test_a_topic_is_made_once(pubsub: Running) -> None:
    with pytest.raises(
        exceptions.AlreadyExists, match=r"Resource already exists in the project \(resource=events"
    ):
        pubsub.publisher().create_topic(name=pubsub.topic())


def test_who_publishes_to_no_topic_is_told(pubsub: Running) -> None:
    with pytest.raises(exceptions.NotFound, match=r"Resource not found \(resource=nowhere\)\."):
        pubsub.publisher().publish(f"projects/{PROJECT}/topics/nowhere", b"x").result(10)


def test_a_mask_names_what_is_there(pubsub: Running) -> None:
    topic = {"name": pubsub.topic()}
    with pytest.raises(exceptions.InvalidArgument, match="must be set, and must contain a non-empty paths list"):
        pubsub.publisher().update_topic(request={"topic": topic})
    with pytest.raises(exceptions.InvalidArgument, match="colour is not a known Topic field"):
        pubsub.publisher().update_topic(request={"topic": topic, "update_mask": {"paths": ["colour"]}})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"message_retention_duration": {"seconds": 599}}, "between 10 minutes and 31 days"),
        ({"message_transforms": [{"javascript_udf": {"code": "x"}}]}, "has no message transforms"),
        ({"ingestion_data_source_settings": {"aws_kinesis": {}}}, "has no ingestion"),
    ],
)
def test_settings_of_a_topic_that_cannot_be_are_refused(pubsub: Running, settings: Any, words: str) -> None:
    with pytest.raises(exceptions.GoogleAPICallError, match=words):
        pubsub.topic(**settings)
