"""What is over after a time: messages, snapshots, and subscriptions that nobody uses. Their clock is put forward."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from google.api_core import exceptions

from omnipipe.laptop.services.pubsub.resources import data_file
from tests.laptop.services.pubsub.conftest import Running
from tests.laptop.services.pubsub.receiving import data, pull, pulled, until

DAY_US = 86_400 * 1_000_000


@contextmanager
def stopped(pubsub: Running) -> Iterator[sqlite3.Connection]:
    """The database of a Pub/Sub that is stopped meanwhile."""
    try:
        assert pubsub.stop() == 0
        with closing(sqlite3.connect(data_file(pubsub.cloud), isolation_level=None)) as connection:
            yield connection
    finally:  # other tests have the same one
        pubsub.start()


def gone(pubsub: Running, name: str) -> bool:
    client = pubsub.subscriber()
    try:
        if "/snapshots/" in name:
            client.get_snapshot(snapshot=name)
        else:
            client.get_subscription(subscription=name)
    except exceptions.NotFound:
        return True
    return False


def test_a_message_ends_with_the_retention_of_its_subscription(pubsub: Running) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic, message_retention_duration={"seconds": 600})
    longer = pubsub.subscription(topic)
    pubsub.publisher().publish(topic, b"old").result(10)
    with stopped(pubsub) as connection:
        connection.execute("UPDATE chunks SET published = published - ?", (DAY_US,))
    pubsub.publisher().publish(topic, b"new").result(10)
    assert data(pulled(pubsub.subscriber(), longer, 2)) == [b"old", b"new"]
    assert data(pulled(pubsub.subscriber(), subscription, 1)) == [b"new"]
    assert pull(pubsub.subscriber(), subscription) == []


def test_what_a_topic_retains_leaves_the_disk_after_its_time(pubsub: Running) -> None:
    topic = pubsub.topic(message_retention_duration={"seconds": 600})
    pubsub.publisher().publish(topic, topic.encode()).result(10)
    query = "SELECT COUNT(*) FROM chunks WHERE instr(messages, ?)"
    with stopped(pubsub) as connection:
        assert connection.execute(query, (topic.encode(),)).fetchone() == (1,)
        connection.execute("UPDATE chunks SET published = published - ?", (DAY_US,))
    with sqlite3.connect(data_file(pubsub.cloud)) as connection:
        assert until(lambda: connection.execute(query, (topic.encode(),)).fetchone() == (0,))


def test_a_subscription_that_nobody_uses_is_removed_unless_it_never_expires(pubsub: Running) -> None:
    topic = pubsub.topic()
    unused, used, never = (
        pubsub.subscription(topic, expiration_policy=policy)
        for policy in ({"ttl": {"seconds": 86_400}}, {"ttl": {"seconds": 86_400}}, {})
    )
    with stopped(pubsub) as connection:
        connection.execute("UPDATE resources SET used = ? WHERE name != ?", (time.time() - 90_000, used))
    assert until(lambda: gone(pubsub, unused))
    assert not gone(pubsub, used)
    assert not gone(pubsub, never)


def test_a_snapshot_ends_when_it_says(pubsub: Running) -> None:
    subscription = pubsub.subscription(pubsub.topic())
    client = pubsub.subscriber()
    snapshot = subscription.replace("/subscriptions/", "/snapshots/")
    client.create_snapshot(name=snapshot, subscription=subscription)
    past = {"name": snapshot, "expire_time": {"seconds": int(time.time()) - 1}}
    client.update_snapshot(request={"snapshot": past, "update_mask": {"paths": ["expire_time"]}})
    with stopped(pubsub):
        pass
    assert until(lambda: gone(pubsub, snapshot))


def test_a_snapshot_of_what_is_too_old_is_refused(pubsub: Running) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publisher().publish(topic, b"x").result(10)
    with stopped(pubsub) as connection:
        connection.execute("UPDATE chunks SET published = published - ?", (7 * DAY_US - 60_000_000,))
    snapshot = subscription.replace("/subscriptions/", "/snapshots/")
    words = "The snapshot would expire in less than one hour: the oldest message is too old"
    with pytest.raises(exceptions.FailedPrecondition, match=words):
        pubsub.subscriber().create_snapshot(name=snapshot, subscription=subscription)
