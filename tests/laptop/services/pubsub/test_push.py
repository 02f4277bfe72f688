"""Push subscriptions: what an endpoint is sent, as whom, and what its answer does."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from google.api_core import exceptions

from omnipipe.laptop.iam.bindings import PUBSUB_AGENT
from tests.laptop.conftest import grant
from tests.laptop.services.pubsub.conftest import Running
from tests.laptop.services.pubsub.receiving import pulled, until
from tests.laptop.services.pubsub.test_ordering import published


class Endpoint:
    """A server that keeps what it is sent; ``answers`` says with what it answers next, and 204 after that."""

    def __init__(self) -> None:
        self.seen: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.at_once = 0
        own = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                own.seen.append((dict(self.headers.items()), body))
                self.send_response(own.answers.pop(0) if own.answers else 204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Not on the output."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/push"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, body in self.seen]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.server.shutdown()


def test_a_push_has_the_message_and_its_sender_says_who_it_is(pubsub: Running, endpoint: Endpoint) -> None:
    topic, who = pubsub.topic(), "pusher@omnipipe-test.iam.gserviceaccount.com"
    token = {"service_account_email": who}
    subscription = pubsub.subscription(topic, push_config={"push_endpoint": endpoint.url, "oidc_token": token})
    id_ = pubsub.publisher().publish(topic, b"hello", a="b").result(10)
    until(lambda: endpoint.seen)
    (body,) = endpoint.bodies()
    assert body["subscription"] == subscription
    message = body["message"]
    assert message.pop("publishTime") == message.pop("publish_time")
    data = base64.b64encode(b"hello").decode()
    assert message == {"messageId": id_, "message_id": id_, "data": data, "attributes": {"a": "b"}}
    sent = endpoint.seen[0][0]["Authorization"].removeprefix("Bearer ")
    assert pubsub.cloud.tokens.of_identity(sent, endpoint.url) == who
    time.sleep(0.3)
    assert len(endpoint.seen) == 1


def test_without_a_wrapper_the_data_is_the_body(pubsub: Running, endpoint: Endpoint) -> None:
    topic = pubsub.topic()
    config = {"push_endpoint": endpoint.url, "no_wrapper": {"write_metadata": True}}
    subscription = pubsub.subscription(topic, push_config=config)
    id_ = pubsub.publisher().publish(topic, b"raw\x00", colour="red").result(10)
    until(lambda: endpoint.seen)
    headers, body = endpoint.seen[0]
    assert body == b"raw\x00"
    assert headers["x-goog-pubsub-subscription-name"] == subscription
    assert (headers["x-goog-pubsub-message-id"], headers["colour"]) == (id_, "red")


def test_an_answer_that_is_no_success_brings_it_again_with_growing_pauses(
    pubsub: Running, endpoint: Endpoint
) -> None:
    endpoint.answers = [500, 404, 302]
    topic = pubsub.topic()
    pubsub.subscription(topic, push_config={"push_endpoint": endpoint.url})
    began = time.monotonic()
    pubsub.publisher().publish(topic, b"x").result(10)
    until(lambda: len(endpoint.seen) == 4)
    assert 0.6 < time.monotonic() - began < 4  # 0.1 + 0.2 + 0.4
    assert len({body["message"]["messageId"] for body in endpoint.bodies()}) == 1


def test_what_an_endpoint_never_takes_is_a_dead_letter_with_the_reason(
    pubsub: Running, endpoint: Endpoint
) -> None:
    endpoint.answers = [503] * 5
    topic, dead = pubsub.topic(), pubsub.topic()
    of_dead = pubsub.subscription(dead)
    policy = {"dead_letter_topic": dead, "max_delivery_attempts": 5}
    subscription = pubsub.subscription(
        topic, push_config={"push_endpoint": endpoint.url}, dead_letter_policy=policy
    )
    type_ = "gcp:pubsub/{}IAMMember:{}IAMMember"
    grant(pubsub.cloud, type_.format("topic", "Topic"), "roles/pubsub.publisher", PUBSUB_AGENT, topic=dead)
    of = type_.format("subscription", "Subscription")
    grant(pubsub.cloud, of, "roles/pubsub.subscriber", PUBSUB_AGENT, subscription=subscription)
    pubsub.publisher().publish(topic, b"x").result(10)
    (letter,) = pulled(pubsub.subscriber(), of_dead, 1)
    assert [body["deliveryAttempt"] for body in endpoint.bodies()] == [1, 2, 3, 4, 5]
    attributes = letter.message.attributes
    assert attributes["CloudPubSubDeadLetterSourceDeliveryErrorMessage"] == "HTTP status 503"


def test_a_key_is_pushed_in_order_one_request_at_a_time(pubsub: Running, endpoint: Endpoint) -> None:
    topic = pubsub.topic()
    endpoint.answers = [204, 500]
    pubsub.subscription(topic, push_config={"push_endpoint": endpoint.url}, enable_message_ordering=True)
    published(pubsub, topic, *(f"a{n}" for n in range(5)))
    until(lambda: len(endpoint.seen) == 6)
    data = [base64.b64decode(body["message"]["data"]) for body in endpoint.bodies()]
    assert data == [b"a0", b"a1", b"a1", b"a2", b"a3", b"a4"]


def test_an_endpoint_that_goes_makes_it_a_pull_subscription(pubsub: Running, endpoint: Endpoint) -> None:
    topic = pubsub.topic()
    subscription = pubsub.subscription(topic, push_config={"push_endpoint": endpoint.url})
    client = pubsub.subscriber()
    with pytest.raises(exceptions.FailedPrecondition, match="it is not a pull subscription"):
        client.pull(subscription=subscription, max_messages=1)
    client.modify_push_config(request={"subscription": subscription, "push_config": {}})
    pubsub.publisher().publish(topic, b"x").result(10)
    assert len(pulled(client, subscription, 1)) == 1
    assert endpoint.seen == []


def test_an_endpoint_that_does_not_answer_gets_it_when_it_does(pubsub: Running) -> None:
    topic, first = pubsub.topic(), Endpoint()
    pubsub.subscription(topic, push_config={"push_endpoint": first.url})
    first.server.shutdown()
    first.server.server_close()
    pubsub.publisher().publish(topic, b"x").result(10)
    until(lambda: f"{first.url}: no answer: ConnectionError" in pubsub.log.read_text())
