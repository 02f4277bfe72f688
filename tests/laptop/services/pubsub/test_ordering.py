"""Ordering keys: order for each, also after a message came back."""

from typing import Any

from google.cloud import pubsub_v1

from tests.laptop.services.pubsub.conftest import Running
from tests.laptop.services.pubsub.receiving import data, ids, pull, pulled, until

ORDERED = pubsub_v1.types.PublisherOptions(enable_message_ordering=True)


def published(pubsub: Running, topic: str, *keyed: str) -> None:
    """Messages such as ``a1``: the first letter is the key."""
    publisher = pubsub.publisher(publisher_options=ORDERED)
    for future in [publisher.publish(topic, each.encode(), ordering_key=each[0]) for each in keyed]:
        future.result(10)


def ordered(pubsub: Running, **settings: Any) -> tuple[str, str]:
    topic = pubsub.topic()
    return topic, pubsub.subscription(topic, enable_message_ordering=True, **settings)


def test_a_key_comes_in_order_and_is_with_one_puller_at_a_time(pubsub: Running) -> None:
    topic, subscription = ordered(pubsub)
    client = pubsub.subscriber()
    published(pubsub, topic, "a1", "a2", "b1")
    first = pulled(client, subscription, 1)
    assert data(first) == [b"a1"]
    second = pull(client, subscription)
    assert data(second) == [b"b1"]  # a2 waits for a1
    client.acknowledge(subscription=subscription, ack_ids=ids(first))
    assert data(pull(client, subscription)) == [b"a2"]


def test_one_puller_gets_many_of_a_key_at_once_in_order(pubsub: Running) -> None:
    topic, subscription = ordered(pubsub)
    published(pubsub, topic, *(f"a{n}" for n in range(20)))
    assert data(pulled(pubsub.subscriber(), subscription, 20)) == [b"a%d" % n for n in range(20)]


def test_what_comes_back_brings_the_later_ones_with_it_also_acknowledged_ones(pubsub: Running) -> None:
    topic, subscription = ordered(pubsub)
    client = pubsub.subscriber()
    published(pubsub, topic, "a1", "a2", "a3", "b1")
    got = {each.message.data: each.ack_id for each in pulled(client, subscription, 4)}
    client.acknowledge(subscription=subscription, ack_ids=[got[b"a3"], got[b"b1"]])
    client.modify_ack_deadline(subscription=subscription, ack_ids=[got[b"a2"]], ack_deadline_seconds=0)
    assert pull(client, subscription) == []  # a1 is still out, with another puller
    client.acknowledge(subscription=subscription, ack_ids=[got[b"a1"]])
    again = pulled(client, subscription, 2)
    assert data(again) == [b"a2", b"a3"]
    client.acknowledge(subscription=subscription, ack_ids=ids(again))
    assert pull(client, subscription) == []


def test_with_exactly_once_an_acknowledged_one_does_not_come_back(pubsub: Running) -> None:
    topic, subscription = ordered(pubsub, enable_exactly_once_delivery=True)
    client = pubsub.subscriber()
    published(pubsub, topic, "a1", "a2", "a3")
    got = {each.message.data: each.ack_id for each in pulled(client, subscription, 3)}
    client.acknowledge(subscription=subscription, ack_ids=[got[b"a2"]])
    client.modify_ack_deadline(subscription=subscription, ack_ids=[got[b"a1"]], ack_deadline_seconds=0)
    assert data(pulled(client, subscription, 2)) == [b"a1", b"a3"]


def test_without_ordering_a_key_means_nothing(pubsub: Running) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    client = pubsub.subscriber()
    published(pubsub, topic, "a1", "a2")
    assert [each.message.ordering_key for each in pulled(client, subscription, 1)] == ["a"]
    assert len(pull(client, subscription)) == 1


def test_googles_client_sees_each_key_in_order(pubsub: Running) -> None:
    topic, subscription = ordered(pubsub)
    seen: dict[str, list[int]] = {}

    def take(message: Any) -> None:
        seen.setdefault(message.ordering_key, []).append(int(message.data))
        message.ack()

    clients = [pubsub.subscriber().subscribe(subscription, take) for _ in range(2)]
    publisher = pubsub.publisher(publisher_options=ORDERED)
    for number in range(600):
        publisher.publish(topic, b"%d" % number, ordering_key=f"k{number % 7}")
    until(lambda: sum(map(len, seen.values())) >= 600)
    for each in clients:
        each.cancel()
        each.result(10)
    assert all(numbers == sorted(numbers) for numbers in seen.values())
