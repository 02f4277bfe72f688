"""Pull: leases, acknowledgements, deadlines."""

import sqlite3
import time
from typing import Any

import pytest
from google.api_core import exceptions

from omnipipe.laptop.services.pubsub.resources import data_file
from tests.laptop.conftest import PROJECT
from tests.laptop.services.pubsub.conftest import Running
from tests.laptop.services.pubsub.receiving import data, ids, pull, pulled, until


@pytest.fixture
def there(pubsub: Running) -> tuple[str, str]:
    """A topic and its subscription."""
    topic = pubsub.topic()
    return topic, pubsub.subscription(topic)


def test_a_message_that_is_leased_goes_to_nobody_else(pubsub: Running, there: tuple[str, str]) -> None:
    pubsub.publisher().publish(there[0], b"x").result(10)
    client = pubsub.subscriber()
    assert len(pull(client, there[1])) == 1
    assert pull(client, there[1]) == []


def test_a_negative_acknowledgement_brings_it_back_at_once(pubsub: Running, there: tuple[str, str]) -> None:
    pubsub.publisher().publish(there[0], b"x").result(10)
    client = pubsub.subscriber()
    for _ in range(3):
        client.modify_ack_deadline(
            subscription=there[1], ack_ids=ids(pulled(client, there[1], 1)), ack_deadline_seconds=0
        )
    client.acknowledge(subscription=there[1], ack_ids=ids(pulled(client, there[1], 1)))
    assert pull(client, there[1]) == []


def test_a_deadline_that_passes_brings_it_back(pubsub: Running, there: tuple[str, str]) -> None:
    pubsub.publisher().publish(there[0], b"x").result(10)
    client = pubsub.subscriber()
    first = pulled(client, there[1], 1)
    client.modify_ack_deadline(subscription=there[1], ack_ids=ids(first), ack_deadline_seconds=1)
    began = time.monotonic()
    again = pulled(client, there[1], 1)
    assert 0.7 < time.monotonic() - began < 3
    assert again[0].message.message_id == first[0].message.message_id
    assert again[0].ack_id != first[0].ack_id
    # Late, but not wrong: without exactly-once delivery it counts.
    client.acknowledge(subscription=there[1], ack_ids=ids(first))
    client.modify_ack_deadline(subscription=there[1], ack_ids=ids(again), ack_deadline_seconds=0)
    assert pull(client, there[1]) == []


def test_a_longer_deadline_keeps_it_away(pubsub: Running) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic, ack_deadline_seconds=10)
    pubsub.publisher().publish(topic, b"x").result(10)
    client = pubsub.subscriber()
    got = ids(pulled(client, subscription, 1))
    client.modify_ack_deadline(subscription=subscription, ack_ids=got, ack_deadline_seconds=1)
    client.modify_ack_deadline(subscription=subscription, ack_ids=got, ack_deadline_seconds=60)
    time.sleep(1.3)
    assert pull(client, subscription) == []


def test_a_pull_waits_for_what_is_published(pubsub: Running, there: tuple[str, str]) -> None:
    client, publisher = pubsub.subscriber(), pubsub.publisher()
    began = time.monotonic()
    future = publisher.publish(there[0], b"x")
    got = client.pull(subscription=there[1], max_messages=5, timeout=20).received_messages
    future.result(10)
    assert (data(list(got)), time.monotonic() - began < 5) == ([b"x"], True)


def test_an_empty_pull_ends_after_a_while(pubsub: Running, there: tuple[str, str]) -> None:
    assert not pubsub.subscriber().pull(subscription=there[1], max_messages=1, timeout=20).received_messages


@pytest.mark.parametrize("count", [0, -1])
def test_to_pull_nothing_is_refused(pubsub: Running, there: tuple[str, str], count: int) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="max_messages is too small"):
        pubsub.subscriber().pull(subscription=there[1], max_messages=count)


def test_what_is_no_ack_id_is_refused(pubsub: Running, there: tuple[str, str]) -> None:
    client = pubsub.subscriber()
    with pytest.raises(exceptions.InvalidArgument, match=r"invalid ack ID to the service \(ack_id=nonsense\)"):
        client.acknowledge(subscription=there[1], ack_ids=["nonsense"])
    with pytest.raises(exceptions.InvalidArgument, match="You have not specified an ack ID in the request"):
        client.acknowledge(subscription=there[1], ack_ids=[])
    with pytest.raises(
        exceptions.InvalidArgument, match=r"Invalid ack deadline given: \(ack_deadline_seconds=601\)"
    ):
        client.modify_ack_deadline(subscription=there[1], ack_ids=["MTox"], ack_deadline_seconds=601)


def test_an_ack_id_of_another_subscription_is_refused(pubsub: Running, there: tuple[str, str]) -> None:
    other = pubsub.subscription(there[0])
    pubsub.publisher().publish(there[0], b"x").result(10)
    client = pubsub.subscriber()
    got = ids(pulled(client, there[1], 1))
    with pytest.raises(exceptions.InvalidArgument, match="invalid ack ID"):
        client.acknowledge(subscription=other, ack_ids=got)


def test_exactly_once_refuses_an_ack_id_that_has_expired(pubsub: Running) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic, enable_exactly_once_delivery=True)
    pubsub.publisher().publish(topic, b"x").result(10)
    client = pubsub.subscriber()
    first = ids(pulled(client, subscription, 1))
    client.modify_ack_deadline(subscription=subscription, ack_ids=first, ack_deadline_seconds=1)
    second = ids(pulled(client, subscription, 1))
    with pytest.raises(
        exceptions.InvalidArgument, match="Some acknowledgement ids in the request were invalid"
    ) as no:
        client.acknowledge(subscription=subscription, ack_ids=first)
    assert no.value.reason == "EXACTLY_ONCE_ACKID_FAILURE"
    assert no.value.metadata == {first[0]: "PERMANENT_FAILURE_INVALID_ACK_ID"}
    client.acknowledge(subscription=subscription, ack_ids=second)
    assert pull(client, subscription) == []


def test_a_filter_lets_through_what_it_says(pubsub: Running) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic, filter='attributes.city = "Vienna" AND NOT attributes:test')
    publisher = pubsub.publisher()
    for city, extra in (("Vienna", {}), ("Graz", {}), ("Vienna", {"test": "1"})):
        publisher.publish(topic, city.encode(), city=city, **extra).result(10)
    publisher.publish(topic, b"last", city="Vienna").result(10)
    assert data(pulled(pubsub.subscriber(), subscription, 2)) == [b"Vienna", b"last"]


def test_what_is_larger_than_the_window_comes_from_disk(pubsub: Running) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic, ack_deadline_seconds=60)
    publisher, client = pubsub.publisher(), pubsub.subscriber()
    count = 22_000
    for future in [publisher.publish(topic, b"%d" % number) for number in range(count)]:
        future.result(60)
    seen = []
    while len(seen) < count:
        got = pull(client, subscription, 1000)
        assert got
        seen += [int(each.message.data) for each in got]
        client.acknowledge(subscription=subscription, ack_ids=ids(got))
    assert sorted(seen) == list(range(count))


def test_a_deleted_topics_subscription_still_has_what_it_had(pubsub: Running, there: tuple[str, str]) -> None:
    pubsub.publisher().publish(there[0], b"x").result(10)
    pubsub.publisher().delete_topic(topic=there[0])
    assert data(pulled(pubsub.subscriber(), there[1], 1)) == [b"x"]


def test_a_detached_subscription_has_nothing_more(pubsub: Running, there: tuple[str, str]) -> None:
    publisher = pubsub.publisher()
    publisher.publish(there[0], b"x").result(10)
    publisher.detach_subscription(request={"subscription": there[1]})
    assert pubsub.subscriber().get_subscription(subscription=there[1]).detached
    with pytest.raises(exceptions.FailedPrecondition, match="is detached from its topic"):
        pubsub.subscriber().pull(subscription=there[1], max_messages=1)
    assert list(publisher.list_topic_subscriptions(topic=there[0])) == []


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "deadline": ({"ack_deadline_seconds": 601}, r"Invalid ack deadline given: \(ack_deadline_seconds=601\)"),
    "retention": ({"message_retention_duration": {"seconds": 1}}, "between 10 minutes and 7 days"),
    "attempts": (
        {"dead_letter_policy": {"dead_letter_topic": "TOPIC", "max_delivery_attempts": 4}},
        "max_delivery_attempts is too small. You passed 4 in the request, but the minimum value is 5",
    ),
    "many attempts": (
        {"dead_letter_policy": {"dead_letter_topic": "TOPIC", "max_delivery_attempts": 101}},
        "max_delivery_attempts is too large",
    ),
    "no dead letters": (
        {"dead_letter_policy": {"dead_letter_topic": f"projects/{PROJECT}/topics/dead-ones"}},
        r"Resource not found \(resource=dead-ones\)",
    ),
    "backoff": ({"retry_policy": {"minimum_backoff": {"seconds": 601}}}, "Invalid minimum_backoff given"),
    "backoffs": (
        {"retry_policy": {"minimum_backoff": {"seconds": 60}, "maximum_backoff": {"seconds": 20}}},
        "must not be greater",
    ),
    "filter": ({"filter": "attributes.city == 1"}, "Invalid filter syntax: unexpected"),
    "long filter": ({"filter": 'attributes.city = "' + "x" * 250 + '"'}, "the maximum allowed is 256"),
    "ttl": ({"expiration_policy": {"ttl": {"seconds": 60}}}, "at least one day"),
    "endpoint": ({"push_config": {"push_endpoint": "ftp://x"}}, "Invalid push endpoint given"),
    "exactly": (
        {"push_config": {"push_endpoint": "https://x"}, "enable_exactly_once_delivery": True},
        "not supported for push",
    ),
    "bigtable": ({"bigtable_config": {"table": "x"}}, "has no Bigtable"),
    "transforms": ({"message_transforms": [{"javascript_udf": {"code": "x"}}]}, "has no message transforms"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_settings_that_google_refuses_are_refused(pubsub: Running, what: str) -> None:
    settings, words = REFUSED[what]
    topic = pubsub.topic()
    if policy := settings.get("dead_letter_policy"):
        settings = {
            "dead_letter_policy": policy
            | {"dead_letter_topic": policy["dead_letter_topic"].replace("TOPIC", topic)}
        }
    with pytest.raises(exceptions.GoogleAPICallError, match=words):
        pubsub.subscription(topic, **settings)


def test_a_subscription_of_no_topic_and_a_second_one_are_refused(pubsub: Running, there: tuple[str, str]) -> None:
    with pytest.raises(exceptions.NotFound, match=r"Resource not found \(resource=nowhere\)"):
        pubsub.subscription(f"projects/{PROJECT}/topics/nowhere")
    with pytest.raises(exceptions.AlreadyExists):
        pubsub.subscriber().create_subscription(name=there[1], topic=there[0])


def test_what_is_acknowledged_and_retained_by_nobody_leaves_the_disk(
    pubsub: Running, there: tuple[str, str]
) -> None:
    pubsub.publisher().publish(there[0], b"x" * 1000, marker=there[1]).result(10)
    client = pubsub.subscriber()
    client.acknowledge(subscription=there[1], ack_ids=ids(pulled(client, there[1], 1)))
    with sqlite3.connect(data_file(pubsub.cloud)) as connection:
        query = "SELECT COUNT(*) FROM chunks WHERE instr(messages, ?)"
        assert until(lambda: connection.execute(query, (there[1].encode(),)).fetchone() == (0,))
