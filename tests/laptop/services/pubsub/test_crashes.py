"""kill -9: nothing that a publisher has an answer for is lost, and what was not acknowledged comes again."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from google.api_core import exceptions
from google.api_core.retry import Retry, if_exception_type
from google.cloud import pubsub_v1

from tests.laptop.services.pubsub.conftest import Running
from tests.laptop.services.pubsub.receiving import data, ids, pull, pulled, until

# The client waits up to a minute between its attempts.
SOON_AGAIN = pubsub_v1.types.PublisherOptions(
    retry=Retry(if_exception_type(exceptions.ServiceUnavailable), initial=0.1, maximum=0.5, timeout=60)
)


def drained(pubsub: Running, subscription: str) -> list[bytes]:
    """All that is left, acknowledged."""
    client, found = pubsub.subscriber(), []
    while got := pull(client, subscription, 1000):
        found += data(got)
        client.acknowledge(subscription=subscription, ack_ids=ids(got))
    return found


def test_killed_while_it_is_published_to(pubsub: Running) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    taken: set[bytes] = set()
    stop = threading.Event()

    def publish(thread: int) -> None:
        number = 0
        while not stop.is_set():
            publisher = pubsub.publisher(publisher_options=SOON_AGAIN)
            batch = [(b"%d-%d" % (thread, number + n),) for n in range(50)]
            number += 50
            futures = [(content, publisher.publish(topic, content)) for (content,) in batch]
            for content, future in futures:
                future.add_done_callback(
                    lambda done, content=content: None if done.exception() else taken.add(content)
                )
            for _, future in futures:
                try:
                    future.result(30)
                except exceptions.GoogleAPICallError:
                    continue

    threads = [threading.Thread(target=publish, args=(each,)) for each in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        before = len(taken)
        until(lambda before=before: len(taken) > before + 200, 90)
        pubsub.kill()
        pubsub.start()
    stop.set()
    for thread in threads:
        thread.join(60)
    found = drained(pubsub, subscription)
    assert len(taken) > 500
    assert taken <= set(found)


def test_killed_under_a_stream(pubsub: Running, crash: Callable[[], None]) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    publisher = pubsub.publisher()
    for future in [publisher.publish(topic, b"%d" % number) for number in range(2000)]:
        future.result(10)
    seen: list[int] = []

    def take(message: Any) -> None:
        seen.append(int(message.data))
        message.ack()

    following = pubsub.subscriber().subscribe(subscription, take)
    until(lambda: len(seen) > 300)
    crash()
    until(lambda: len(set(seen)) == 2000, 40)
    following.cancel()
    following.result(10)
    assert set(seen) == set(range(2000))


def test_what_is_acknowledged_stays_so_and_what_is_leased_comes_again(
    pubsub: Running, crash: Callable[[], None]
) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic, ack_deadline_seconds=600)
    client = pubsub.subscriber()
    publisher = pubsub.publisher()
    for future in [publisher.publish(topic, b"%d" % number) for number in range(10)]:
        future.result(10)
    got = pulled(client, subscription, 10)
    client.acknowledge(subscription=subscription, ack_ids=ids(got[::2]))
    crash()
    again = pulled(pubsub.subscriber(), subscription, 5)
    assert sorted(data(again)) == sorted(data(got[1::2]))
    # The ack ids of the process that was killed still count, where exactly-once delivery does not forbid it.
    pubsub.subscriber().acknowledge(subscription=subscription, ack_ids=ids(got[1::2]))
    crash()
    assert pull(pubsub.subscriber(), subscription) == []


def test_exactly_once_takes_no_ack_id_of_before(pubsub: Running, crash: Callable[[], None]) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic, enable_exactly_once_delivery=True)
    pubsub.publisher().publish(topic, b"x").result(10)
    before = ids(pulled(pubsub.subscriber(), subscription, 1))
    crash()
    with pytest.raises(exceptions.InvalidArgument) as refused:
        pubsub.subscriber().acknowledge(subscription=subscription, ack_ids=before)
    assert refused.value.metadata == {before[0]: "PERMANENT_FAILURE_INVALID_ACK_ID"}
    assert data(pulled(pubsub.subscriber(), subscription, 1)) == [b"x"]


def test_topics_schemas_and_snapshots_are_there_again(pubsub: Running, crash: Callable[[], None]) -> None:
    topic = pubsub.topic(labels={"kept": "yes"})
    subscription = pubsub.subscription(topic, filter='attributes.a = "b"')
    snapshot = subscription.replace("/subscriptions/", "/snapshots/")
    pubsub.subscriber().create_snapshot(name=snapshot, subscription=subscription)
    crash()
    assert dict(pubsub.publisher().get_topic(topic=topic).labels) == {"kept": "yes"}
    assert pubsub.subscriber().get_subscription(subscription=subscription).filter == 'attributes.a = "b"'
    assert list(pubsub.publisher().list_topic_snapshots(topic=topic)) == [snapshot]


def test_it_ends_cleanly_with_streams_open(pubsub: Running) -> None:
    subscription = pubsub.subscription(pubsub.topic())
    following = pubsub.subscriber().subscribe(subscription, lambda _: None)
    time.sleep(0.5)
    began = time.monotonic()
    try:
        assert pubsub.stop() == 0
        assert time.monotonic() - began < 10
    finally:  # other tests have the same one
        pubsub.start()
    following.cancel()
    following.result(10)
