"""Push: each message is a request to an endpoint, whose answer acknowledges it or does not.

https://cloud.google.com/pubsub/docs/push, https://cloud.google.com/pubsub/docs/payload-unwrapping
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from typing import TYPE_CHECKING, Any

import requests

from omnipipe.laptop.services.pubsub.delivery import Item, Taker

if TYPE_CHECKING:
    from omnipipe.laptop.services.pubsub.broker import Followed
    from omnipipe.laptop.services.pubsub.workers import Workers

logger = logging.getLogger(__name__)
ACKNOWLEDGING = frozenset({102, 200, 201, 202, 204})
# How many requests are under way at once: one more with each success, half as many after a failure.
_LEAST, _MOST = 1, 16
_AGENT = "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)"


async def run(workers: Workers, subscription: Followed) -> None:
    """Push what a subscription has, until cancelled."""
    delivery, event = subscription.delivery, asyncio.Event()
    under_way: set[asyncio.Task[bool]] = set()
    window = 3.0
    delivery.listen(event)
    try:
        while True:
            event.clear()
            while len(under_way) < int(window):
                # A taker for each, so that of an ordering key there is one request at a time.
                items = delivery.take(Taker(), 1, 0, subscription.body.ack_deadline_seconds + 1)
                if not items:
                    break
                under_way.add(asyncio.create_task(_push(workers, subscription, items[0])))
            waits = asyncio.create_task(event.wait())
            done, _ = await asyncio.wait({waits, *under_way}, return_when=asyncio.FIRST_COMPLETED)
            waits.cancel()
            for task in done & under_way:
                under_way.discard(task)
                window = min(_MOST, window + 1) if task.result() else max(_LEAST, window / 2)
    finally:
        delivery.unlisten(event)
        for task in under_way:
            task.cancel()


async def _push(workers: Workers, subscription: Followed, item: Item) -> bool:
    """Push one message; whether it was acknowledged."""
    config = subscription.body.push_config
    body, headers = request(subscription, item)
    if token := config.oidc_token.service_account_email:
        audience = config.oidc_token.audience or config.push_endpoint
        headers["Authorization"] = f"Bearer {workers.outside.identity_token(token, audience)}"
    timeout_s = float(subscription.body.ack_deadline_seconds)
    failure = ""
    try:
        code = await workers.in_thread(workers.outside.post, config.push_endpoint, body, headers, timeout_s)
        failure = "" if code in ACKNOWLEDGING else f"HTTP status {code}"
    except requests.RequestException as error:
        failure = f"no answer: {type(error).__name__}"
    subscription.use()
    if not failure:
        subscription.delivery.done([item])
        return True
    logger.warning("%s: %s: %s", subscription.name, config.push_endpoint, failure)
    subscription.errors[item.number] = failure
    subscription.delivery.failed([item])
    return False


def request(subscription: Followed, item: Item) -> tuple[bytes, dict[str, str]]:
    """The body of a push, and its headers."""
    config, message = subscription.body.push_config, item.message
    published = message.publish_time.ToJsonString()
    headers = {"User-Agent": _AGENT, "From": "noreply@google.com"}
    if config.HasField("no_wrapper"):
        if config.no_wrapper.write_metadata:
            metadata = {
                **message.attributes,
                "x-goog-pubsub-subscription-name": subscription.name,
                "x-goog-pubsub-message-id": message.message_id,
                "x-goog-pubsub-publish-time": published,
            }
            headers |= {key: value for key, value in metadata.items() if value.isprintable() and key.isascii()}
            if message.ordering_key:
                headers["x-goog-pubsub-ordering-key"] = message.ordering_key
        return message.data, headers
    told: dict[str, Any] = {"messageId": message.message_id, "message_id": message.message_id}
    told |= {"publishTime": published, "publish_time": published}
    if message.data:
        told["data"] = base64.b64encode(message.data).decode()
    if message.attributes:
        told["attributes"] = dict(message.attributes)
    if message.ordering_key:
        told["orderingKey"] = message.ordering_key
    body: dict[str, Any] = {"message": told, "subscription": subscription.name}
    if subscription.delivery.rules.attempts:
        body["deliveryAttempt"] = item.attempt
    return json.dumps(body).encode(), headers | {"Content-Type": "application/json"}
