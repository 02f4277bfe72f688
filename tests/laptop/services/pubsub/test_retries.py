"""Backoff, and dead letters."""

import time
from collections.abc import Callable

import pytest

from omnipipe.laptop.iam.bindings import PUBSUB_AGENT
from tests.laptop.conftest import grant
from tests.laptop.services.pubsub.conftest import Running
from tests.laptop.services.pubsub.receiving import data, ids, pull, pulled, until

ON_TOPIC = "gcp:pubsub/topicIAMMember:TopicIAMMember"
ON_SUBSCRIPTION = "gcp:pubsub/subscriptionIAMMember:SubscriptionIAMMember"


def nack(pubsub: Running, subscription: str) -> int:
    """Return the next message; which delivery of it that was."""
    client = pubsub.subscriber()
    (got,) = pulled(client, subscription, 1)
    client.modify_ack_deadline(subscription=subscription, ack_ids=[got.ack_id], ack_deadline_seconds=0)
    return got.delivery_attempt


def test_a_retry_policy_lets_a_message_wait_longer_each_time(pubsub: Running) -> None:
    topic = pubsub.topic()
    policy = {"minimum_backoff": {"nanos": 400_000_000}, "maximum_backoff": {"seconds": 60}}
    subscription = pubsub.subscription(topic, retry_policy=policy)
    pubsub.publisher().publish(topic, b"x").result(10)
    nack(pubsub, subscription)
    waits = []
    for _ in range(2):
        began = time.monotonic()
        nack(pubsub, subscription)
        waits.append(time.monotonic() - began)
    assert waits[0] == pytest.approx(0.4, abs=0.3)
    assert waits[1] == pytest.approx(0.8, abs=0.3)


@pytest.fixture
def letters(pubsub: Running) -> tuple[str, str, str, str]:
    """A topic, a subscription with dead letters, their topic and its subscription."""
    topic, dead = pubsub.topic(), pubsub.topic()
    policy = {"dead_letter_topic": dead, "max_delivery_attempts": 5}
    return topic, pubsub.subscription(topic, dead_letter_policy=policy), dead, pubsub.subscription(dead)


def allow(pubsub: Running, *, dead: str = "", source: str = "") -> None:
    if dead:
        grant(pubsub.cloud, ON_TOPIC, "roles/pubsub.publisher", PUBSUB_AGENT, topic=dead)
    if source:
        grant(pubsub.cloud, ON_SUBSCRIPTION, "roles/pubsub.subscriber", PUBSUB_AGENT, subscription=source)


def test_what_is_delivered_too_often_goes_to_the_dead_letters(
    pubsub: Running, letters: tuple[str, str, str, str]
) -> None:
    topic, subscription, dead, of_dead = letters
    allow(pubsub, dead=dead, source=subscription)
    id_ = pubsub.publisher().publish(topic, b"x", own="attribute").result(10)
    assert [nack(pubsub, subscription) for _ in range(5)] == [1, 2, 3, 4, 5]
    (letter,) = pulled(pubsub.subscriber(), of_dead, 1)
    attributes = dict(letter.message.attributes)
    assert attributes.pop("CloudPubSubDeadLetterSourceTopicPublishTime").endswith("Z")
    _, project, _, short = subscription.split("/")
    assert attributes == {
        "own": "attribute",
        "CloudPubSubDeadLetterSourceDeliveryCount": "5",
        "CloudPubSubDeadLetterSourceSubscription": short,
        "CloudPubSubDeadLetterSourceSubscriptionProject": project,
    }
    assert (letter.message.data, letter.message.message_id != id_) == (b"x", True)
    assert pull(pubsub.subscriber(), subscription) == []


@pytest.mark.parametrize("missing", ["dead", "source"])
def test_without_one_of_its_rights_pubsub_holds_the_message_back(
    pubsub: Running, letters: tuple[str, str, str, str], missing: str
) -> None:
    topic, subscription, dead, of_dead = letters
    rights = {"dead": dead, "source": subscription}
    allow(pubsub, **{key: value for key, value in rights.items() if key != missing})
    pubsub.publisher().publish(topic, b"x").result(10)
    assert [nack(pubsub, subscription) for _ in range(7)] == [1, 2, 3, 4, 5, 6, 7]
    assert pull(pubsub.subscriber(), of_dead) == []
    role = {"dead": f"roles/pubsub.publisher on {dead}", "source": f"roles/pubsub.subscriber on {subscription}"}
    assert f"{PUBSUB_AGENT} needs {role[missing]}" in pubsub.log.read_text()
    allow(pubsub, **{missing: rights[missing]})
    nack(pubsub, subscription)
    assert data(pulled(pubsub.subscriber(), of_dead, 1)) == [b"x"]


def test_attempts_are_counted_on_after_a_crash(
    pubsub: Running, letters: tuple[str, str, str, str], crash: Callable[[], None]
) -> None:
    topic, subscription, dead, of_dead = letters
    allow(pubsub, dead=dead, source=subscription)
    pubsub.publisher().publish(topic, b"x").result(10)
    assert [nack(pubsub, subscription) for _ in range(4)] == [1, 2, 3, 4]
    time.sleep(0.05)
    crash()
    assert nack(pubsub, subscription) == 5
    assert data(pulled(pubsub.subscriber(), of_dead, 1)) == [b"x"]


def test_a_deadline_that_passes_is_a_delivery_too(pubsub: Running, letters: tuple[str, str, str, str]) -> None:
    topic, subscription, *_ = letters
    pubsub.publisher().publish(topic, b"x").result(10)
    client = pubsub.subscriber()
    first = pulled(client, subscription, 1)
    client.modify_ack_deadline(subscription=subscription, ack_ids=ids(first), ack_deadline_seconds=1)
    assert until(lambda: pull(client, subscription))[0].delivery_attempt == 2
