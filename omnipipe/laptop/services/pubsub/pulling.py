"""Pull, acknowledge and other deadlines, a request at a time. Streams are in ``streams``.

https://cloud.google.com/pubsub/docs/pull, https://cloud.google.com/pubsub/docs/exactly-once-delivery
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc

from omnipipe.laptop.services.pubsub import names
from omnipipe.laptop.services.pubsub.delivery import Delivery, Item, Taker
from omnipipe.laptop.services.pubsub.failures import Failure, invalid
from omnipipe.laptop.services.pubsub.messages import Empty, Message, PullResponse, ReceivedMessage
from omnipipe.laptop.services.pubsub.subscriptions import require_pull

if TYPE_CHECKING:
    from omnipipe.laptop.services.pubsub.access import Caller
    from omnipipe.laptop.services.pubsub.broker import Broker, Followed

# Google says "a bounded amount of time"; clients give up after a minute or ask again.
WAIT_S = 5.0
MAX_PULLED = 1000
MAX_PULLED_BYTES = 10_000_000
MAX_DEADLINE = 600
# More is a request that is over the size that Google takes: https://cloud.google.com/pubsub/quotas
MAX_REQUEST_BYTES = 524_288
_INVALID_IDS = (
    "Some acknowledgement ids in the request were invalid. This could be because the acknowledgement ids have expired "
    "or the acknowledgement ids were malformed."
)


async def pull(broker: Broker, caller: Caller, request: Message) -> Message:
    """Messages, as soon as there are any; none after a while."""
    subscription = consumed(broker, caller, request.subscription)
    require_pull(subscription.body)
    if request.max_messages <= 0:
        raise invalid(
            "The value for max_messages is too small. You passed "
            f"{request.max_messages} in the request, but the minimum value is 1."
        )
    taker, count = Taker(), min(request.max_messages, MAX_PULLED)
    delivery, event = subscription.delivery, asyncio.Event()
    until = asyncio.get_running_loop().time() + (0 if request.return_immediately else WAIT_S)
    delivery.listen(event)
    try:
        while True:
            event.clear()
            items = delivery.take(taker, count, MAX_PULLED_BYTES, subscription.body.ack_deadline_seconds)
            left = until - asyncio.get_running_loop().time()
            if items or left <= 0:
                return PullResponse(received_messages=received(subscription, items))
            try:
                await asyncio.wait_for(event.wait(), left)
            except TimeoutError:
                return PullResponse()
    finally:
        delivery.unlisten(event)


async def acknowledge(broker: Broker, caller: Caller, request: Message) -> Message:
    """Messages are done with: on disk when this returns."""
    subscription = consumed(broker, caller, request.subscription)
    _require_ids(request)
    refused = subscription.delivery.acknowledge(request.ack_ids)
    await broker.store.committed()
    _refuse(refused)
    return Empty()


async def modify(broker: Broker, caller: Caller, request: Message) -> Message:
    """Other deadlines, from now on; 0 is a negative acknowledgement."""
    subscription = consumed(broker, caller, request.subscription)
    _require_ids(request)
    seconds = check_deadline(request.ack_deadline_seconds)
    _refuse(subscription.delivery.modify(request.ack_ids, [seconds] * len(request.ack_ids)))
    return Empty()


def consumed(broker: Broker, caller: Caller, name: str) -> Followed:
    """The subscription that somebody wants to consume. Raises Failure."""
    names.known("subscriptions", name)
    caller.need("pubsub.subscriptions.consume", name)
    subscription = broker.subscription(name)
    subscription.use()
    return subscription


def check_deadline(seconds: int) -> int:
    """A deadline of a request. Raises Failure for one that Google does not take."""
    if not 0 <= seconds <= MAX_DEADLINE:
        raise invalid(f"Invalid ack deadline given: (ack_deadline_seconds={seconds}).")
    return seconds


def received(subscription: Followed, items: list[Item]) -> list[Message]:
    """Items as Pub/Sub shows them to subscribers."""
    delivery: Delivery = subscription.delivery
    counted = bool(delivery.rules.attempts)
    return [
        ReceivedMessage(
            ack_id=delivery.ack_id(item), message=item.message, delivery_attempt=item.attempt if counted else 0
        )
        for item in items
    ]


def _require_ids(request: Message) -> None:
    if not request.ack_ids:
        raise invalid("You have not specified an ack ID in the request.")
    if request.ByteSize() > MAX_REQUEST_BYTES:
        raise invalid(f"Request payload size exceeds the limit: {MAX_REQUEST_BYTES} bytes.")


def _refuse(refused: dict[str, str]) -> None:
    if refused:
        raise Failure(grpc.StatusCode.INVALID_ARGUMENT, _INVALID_IDS, "EXACTLY_ONCE_ACKID_FAILURE", refused)
