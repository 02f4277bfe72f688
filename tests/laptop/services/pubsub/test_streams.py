"""Streaming pull, by Google's client and by streams of one's own."""

import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import pubsub_v1
from google.cloud.pubsub_v1.subscriber.exceptions import AcknowledgeError
from google.pubsub_v1.types import StreamingPullRequest

from tests.laptop.services.pubsub.conftest import Running
from tests.laptop.services.pubsub.receiving import pull, pulled, until


class Stream:
    """A stream of one's own, which says what it wants and when."""

    def __init__(self, client: pubsub_v1.SubscriberClient, **first: Any) -> None:
        self._said: queue.Queue[StreamingPullRequest | None] = queue.Queue()
        self.answers: list[Any] = []
        self.failure: Exception | None = None
        first.setdefault("stream_ack_deadline_seconds", 10)
        self._said.put(StreamingPullRequest(**first))
        self._call = client.streaming_pull(requests=self._requests(), timeout=60)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def say(self, **fields: Any) -> None:
        """Send a further request."""
        self._said.put(StreamingPullRequest(**fields))

    @property
    def messages(self) -> list[Any]:
        """All messages that have come."""
        return [message for answer in list(self.answers) for message in answer.received_messages]

    def end(self) -> None:
        """Say nothing more."""
        self._said.put(None)
        self._thread.join(10)

    def _requests(self) -> Iterator[StreamingPullRequest]:
        while (request := self._said.get()) is not None:
            yield request

    def _read(self) -> None:
        try:
            for answer in self._call:
                self.answers.append(answer)
        except exceptions.GoogleAPICallError as error:
            self.failure = error


def test_googles_client_gets_everything_once(pubsub: Running) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    seen: list[bytes] = []

    def take(message: Any) -> None:
        seen.append(message.data)
        message.ack()

    following = pubsub.subscriber().subscribe(subscription, take)
    publisher = pubsub.publisher()
    for number in range(3000):
        publisher.publish(topic, b"%d" % number)
    until(lambda: len(seen) >= 3000)
    following.cancel()
    following.result(10)
    assert sorted(map(int, seen)) == list(range(3000))


def test_flow_control_of_the_stream_holds_back(pubsub: Running) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    publisher, client = pubsub.publisher(), pubsub.subscriber()
    stream = Stream(client, subscription=subscription, max_outstanding_messages=3)
    for number in range(10):
        publisher.publish(topic, b"%d" % number).result(10)
    until(lambda: len(stream.messages) == 3)
    time.sleep(0.3)
    assert len(stream.messages) == 3
    stream.say(ack_ids=[each.ack_id for each in stream.messages[:2]])
    until(lambda: len(stream.messages) == 5)
    stream.end()


def test_flow_control_by_bytes_lets_one_large_message_through(pubsub: Running) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    publisher, client = pubsub.publisher(), pubsub.subscriber()
    stream = Stream(client, subscription=subscription, max_outstanding_bytes=100)
    for _ in range(3):
        publisher.publish(topic, b"x" * 1000).result(10)
    until(lambda: len(stream.messages) == 1)
    stream.say(ack_ids=[stream.messages[0].ack_id])
    until(lambda: len(stream.messages) == 2)
    stream.end()


def test_a_stream_extends_and_returns_leases(pubsub: Running) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publisher().publish(topic, b"x").result(10)
    client = pubsub.subscriber()
    stream = Stream(client, subscription=subscription)
    (first,) = until(lambda: stream.messages)
    stream.say(modify_deadline_ack_ids=[first.ack_id], modify_deadline_seconds=[0])
    until(lambda: len(stream.messages) == 2)
    stream.end()


def test_a_stream_that_ends_leaves_its_messages_to_others_after_their_deadline(pubsub: Running) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic)
    pubsub.publisher().publish(topic, b"x").result(10)
    client = pubsub.subscriber()
    stream = Stream(client, subscription=subscription)
    (message,) = until(lambda: stream.messages)
    stream.say(modify_deadline_ack_ids=[message.ack_id], modify_deadline_seconds=[1])
    stream.end()
    assert pulled(client, subscription, 1)[0].message.data == b"x"


def test_an_empty_request_is_answered_so_that_the_client_knows_that_the_stream_lives(pubsub: Running) -> None:
    subscription = pubsub.subscription(pubsub.topic())
    stream = Stream(pubsub.subscriber(), subscription=subscription, protocol_version=1)
    until(lambda: len(stream.answers) == 1)
    stream.say()
    until(lambda: len(stream.answers) == 2)
    stream.end()


def test_exactly_once_confirms_on_the_stream(pubsub: Running) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic, enable_exactly_once_delivery=True)
    pubsub.publisher().publish(topic, b"x").result(10)
    stream = Stream(pubsub.subscriber(), subscription=subscription)
    (message,) = until(lambda: stream.messages)
    assert stream.answers[0].subscription_properties.exactly_once_delivery_enabled
    for _ in range(2):
        stream.say(ack_ids=[message.ack_id])
    confirmed = until(
        lambda: (
            [a.acknowledge_confirmation for a in stream.answers if a.acknowledge_confirmation][1:]
            and [a.acknowledge_confirmation for a in stream.answers if a.acknowledge_confirmation]
        )
    )
    assert [list(each.ack_ids) for each in confirmed] == [[message.ack_id], []]
    assert [list(each.invalid_ack_ids) for each in confirmed] == [[], [message.ack_id]]
    stream.end()


def test_googles_client_knows_whether_an_exactly_once_acknowledgement_counted(pubsub: Running) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic, enable_exactly_once_delivery=True)
    outcomes: list[Any] = []

    def take(message: Any) -> None:
        outcomes.append(message.ack_with_response())

    following = pubsub.subscriber().subscribe(subscription, take)
    pubsub.publisher().publish(topic, b"x").result(10)
    assert until(lambda: outcomes)[0].result(10).name == "SUCCESS"
    following.cancel()
    following.result(10)
    assert AcknowledgeError  # what a failure would be
    assert pull(pubsub.subscriber(), subscription) == []


@pytest.mark.parametrize(
    ("first", "words"),
    [
        ({"stream_ack_deadline_seconds": 5}, "Invalid stream ack deadline given"),
        ({"modify_deadline_ack_ids": ["x"]}, "must have the same length"),
        ({"ack_ids": ["nonsense"]}, "invalid ack ID"),
        ({"subscription": "nonsense"}, r"Invalid \[subscriptions\] name"),
    ],
)
def test_a_stream_that_begins_wrong_is_refused(pubsub: Running, first: dict[str, Any], words: str) -> None:
    stream = Stream(pubsub.subscriber(), **{"subscription": pubsub.subscription(pubsub.topic()), **first})
    assert words.strip("r") in str(until(lambda: stream.failure)).replace("[", r"\[").replace("]", r"\]")


def test_a_stream_of_a_subscription_that_is_removed_ends(pubsub: Running) -> None:
    subscription = pubsub.subscription(pubsub.topic())
    client = pubsub.subscriber()
    stream = Stream(client, subscription=subscription)
    until(lambda: stream.answers)
    client.delete_subscription(subscription=subscription)
    assert isinstance(until(lambda: stream.failure), exceptions.NotFound)
