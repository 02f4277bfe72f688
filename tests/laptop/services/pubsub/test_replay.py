"""Seek to a time and to snapshots, and what is retained."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.api_core import exceptions

from tests.laptop.services.pubsub.conftest import Running
from tests.laptop.services.pubsub.receiving import data, ids, pull, pulled


def acknowledged(pubsub: Running, subscription: str, count: int) -> list[bytes]:
    client = pubsub.subscriber()
    got = pulled(client, subscription, count)
    client.acknowledge(subscription=subscription, ack_ids=ids(got))
    return data(got)


def publish(pubsub: Running, topic: str, *texts: bytes, **attributes: str) -> datetime:
    """Publish; a moment after it."""
    for text in texts:
        pubsub.publisher().publish(topic, text, **attributes).result(10)
    time.sleep(0.01)
    return datetime.now(UTC)


def test_seek_into_the_past_brings_back_what_a_subscription_retains(pubsub: Running) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic, retain_acked_messages=True)
    between = publish(pubsub, topic, b"one")
    publish(pubsub, topic, b"two", b"three")
    acknowledged(pubsub, subscription, 3)
    pubsub.subscriber().seek(request={"subscription": subscription, "time": between})
    assert data(pulled(pubsub.subscriber(), subscription, 2)) == [b"two", b"three"]
    assert pull(pubsub.subscriber(), subscription) == []


def test_seek_into_the_past_brings_back_what_a_topic_retains_also_for_a_younger_subscription(
    pubsub: Running,
) -> None:
    topic = pubsub.topic(message_retention_duration={"seconds": 600})
    began = datetime.now(UTC) - timedelta(seconds=1)
    publish(pubsub, topic, b"one", kind="a")
    publish(pubsub, topic, b"two", kind="b")
    subscription = pubsub.subscription(topic, filter='attributes.kind = "b"')
    assert pubsub.subscriber().get_subscription(subscription=subscription).topic_message_retention_duration
    pubsub.subscriber().seek(request={"subscription": subscription, "time": began})
    assert acknowledged(pubsub, subscription, 1) == [b"two"]
    pubsub.subscriber().seek(request={"subscription": subscription, "time": began})
    assert acknowledged(pubsub, subscription, 1) == [b"two"]


def test_seek_into_the_past_brings_back_nothing_that_nobody_retains(pubsub: Running) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.subscription(topic)  # which still has them
    began = datetime.now(UTC) - timedelta(seconds=1)
    publish(pubsub, topic, b"one", b"two")
    acknowledged(pubsub, subscription, 1)
    pubsub.subscriber().seek(request={"subscription": subscription, "time": began})
    assert data(pulled(pubsub.subscriber(), subscription, 1)) == [b"two"]
    assert pull(pubsub.subscriber(), subscription) == []


def test_seek_to_now_leaves_nothing_of_before(pubsub: Running) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    now = publish(pubsub, topic, b"one", b"two")
    leased = ids(pulled(pubsub.subscriber(), subscription, 1))
    pubsub.subscriber().seek(request={"subscription": subscription, "time": now})
    publish(pubsub, topic, b"three")
    assert data(pulled(pubsub.subscriber(), subscription, 1)) == [b"three"]
    pubsub.subscriber().acknowledge(subscription=subscription, ack_ids=leased)  # void, and not wrong


def test_a_snapshot_brings_back_what_was_not_acknowledged_then_and_what_came_later(pubsub: Running) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    publish(pubsub, topic, b"one", b"two")
    assert acknowledged(pubsub, subscription, 1) == [b"one"]
    snapshot = subscription.replace("/subscriptions/", "/snapshots/")
    made: Any = pubsub.subscriber().create_snapshot(name=snapshot, subscription=subscription)
    assert made.expire_time > datetime.now(UTC) + timedelta(days=6, hours=23)
    publish(pubsub, topic, b"three")
    acknowledged(pubsub, subscription, 2)
    for _ in range(2):
        pubsub.subscriber().seek(request={"subscription": subscription, "snapshot": snapshot})
        assert acknowledged(pubsub, subscription, 2) == [b"two", b"three"]
    other = pubsub.subscription(topic)
    pubsub.subscriber().seek(request={"subscription": other, "snapshot": snapshot})
    assert acknowledged(pubsub, other, 2) == [b"two", b"three"]
    pubsub.subscriber().delete_snapshot(snapshot=snapshot)
    with pytest.raises(exceptions.NotFound):
        pubsub.subscriber().seek(request={"subscription": subscription, "snapshot": snapshot})


def test_a_snapshot_of_another_topic_is_refused(pubsub: Running) -> None:
    subscription = pubsub.subscription(pubsub.topic())
    snapshot = subscription.replace("/subscriptions/", "/snapshots/")
    pubsub.subscriber().create_snapshot(name=snapshot, subscription=subscription)
    other = pubsub.subscription(pubsub.topic())
    with pytest.raises(exceptions.InvalidArgument, match="of another topic"):
        pubsub.subscriber().seek(request={"subscription": other, "snapshot": snapshot})


def test_a_seek_says_where_to(pubsub: Running) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="Must specify either a time or a snapshot"):
        pubsub.subscriber().seek(request={"subscription": pubsub.subscription(pubsub.topic())})


def test_settings_change_under_messages(pubsub: Running) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    publish(pubsub, topic, b"one")
    client = pubsub.subscriber()
    changed = client.update_subscription(
        request={
            "subscription": {"name": subscription, "ack_deadline_seconds": 30, "retry_policy": {}},
            "update_mask": {"paths": ["ack_deadline_seconds", "retry_policy"]},
        }
    )
    assert (changed.ack_deadline_seconds, changed.topic) == (30, topic)
    assert data(pulled(client, subscription, 1)) == [b"one"]
    for fixed in ("topic", "filter", "enable_message_ordering"):
        with pytest.raises(exceptions.InvalidArgument, match=f"{fixed} is not a known Subscription field"):
            client.update_subscription(
                request={"subscription": {"name": subscription}, "update_mask": {"paths": [fixed]}}
            )
