"""Streaming pull: messages come as they are published, as many as the client wants to have at a time.

https://cloud.google.com/pubsub/docs/pull#streamingpull_api
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from omnipipe.laptop.services.pubsub.delivery import Item, Taker
from omnipipe.laptop.services.pubsub.failures import invalid
from omnipipe.laptop.services.pubsub.messages import Message, StreamingPullResponse
from omnipipe.laptop.services.pubsub.pulling import check_deadline, consumed, received
from omnipipe.laptop.services.pubsub.subscriptions import require_pull

if TYPE_CHECKING:
    from omnipipe.laptop.services.pubsub.access import Caller
    from omnipipe.laptop.services.pubsub.broker import Broker, Followed

_BATCH, _BATCH_BYTES = 500, 1_000_000
_NO_LIMIT = 1 << 60
_LEAST_DEADLINE = 10
_LOOK_AGAIN_S = 30.0


class Stream(Taker):
    """One stream: what it has outstanding, and what is still to be said to it."""

    def __init__(self, subscription: Followed, first: Message) -> None:
        self.subscription = subscription
        self.answers: list[Message] = []
        self.event = asyncio.Event()
        self.ended_by_client = False
        self._deadline = self._checked(first.stream_ack_deadline_seconds)
        self._keepalive = first.protocol_version >= 1
        # https://cloud.google.com/pubsub/docs/reference/rpc/google.pubsub.v1#streamingpullrequest: none is no limit
        self._messages = first.max_outstanding_messages if first.max_outstanding_messages > 0 else _NO_LIMIT
        self._bytes = first.max_outstanding_bytes if first.max_outstanding_bytes > 0 else _NO_LIMIT
        self._outstanding: dict[int, int] = {}
        self._outstanding_bytes = 0

    def ended(self, item: Item) -> None:
        self._outstanding_bytes -= self._outstanding.pop(item.number, 0)
        self.event.set()

    def take(self) -> list[Item]:
        """The next messages that the client has room for."""
        count = min(_BATCH, self._messages - len(self._outstanding))
        size = min(_BATCH_BYTES, self._bytes - self._outstanding_bytes)
        if count <= 0 or size <= 0:
            return []
        items = self.subscription.delivery.take(self, count, size, self._deadline)
        for item in items:
            self._outstanding[item.number] = item.size
            self._outstanding_bytes += item.size
        return items

    async def heard(self, broker: Broker, request: Message) -> None:
        """Do what a request of the stream says. Raises Failure."""
        delivery, answer = self.subscription.delivery, StreamingPullResponse()
        if request.stream_ack_deadline_seconds:
            self._deadline = self._checked(request.stream_ack_deadline_seconds)
        if len(request.modify_deadline_seconds) != len(request.modify_deadline_ack_ids):
            raise invalid("modify_deadline_seconds and modify_deadline_ack_ids must have the same length.")
        if request.ack_ids:
            refused = delivery.acknowledge(request.ack_ids)
            confirmed = answer.acknowledge_confirmation
            confirmed.ack_ids.extend(each for each in request.ack_ids if each not in refused)
            confirmed.invalid_ack_ids.extend(refused)
            await broker.store.committed()
        if request.modify_deadline_ack_ids:
            seconds = [check_deadline(each) for each in request.modify_deadline_seconds]
            refused = delivery.modify(request.modify_deadline_ack_ids, seconds)
            modified = answer.modify_ack_deadline_confirmation
            modified.ack_ids.extend(each for each in request.modify_deadline_ack_ids if each not in refused)
            modified.invalid_ack_ids.extend(refused)
        # Confirmations are for exactly-once delivery; an empty request asks whether the stream still lives.
        spoke = request.ack_ids or request.modify_deadline_ack_ids
        if delivery.rules.exactly_once if spoke else self._keepalive:
            self.answers.append(answer)
            self.event.set()

    def _checked(self, seconds: int) -> int:
        if check_deadline(seconds) < _LEAST_DEADLINE:
            raise invalid(f"Invalid stream ack deadline given: (stream_ack_deadline_seconds={seconds}).")
        return seconds

    def stamp(self, answer: Message) -> Message:
        """Each answer says what kind of subscription this is."""
        rules = self.subscription.delivery.rules
        answer.subscription_properties.exactly_once_delivery_enabled = rules.exactly_once
        answer.subscription_properties.message_ordering_enabled = rules.ordered
        return answer


async def streaming_pull(
    broker: Broker, caller: Caller, requests: AsyncIterator[Message]
) -> AsyncIterator[Message]:
    """Answer a stream until its client ends it. Raises Failure."""
    first = await anext(requests, None)
    if first is None:
        return
    subscription = consumed(broker, caller, first.subscription)
    require_pull(subscription.body)
    stream = Stream(subscription, first)
    reader = asyncio.create_task(_read(broker, stream, first, requests))
    subscription.delivery.listen(stream.event)
    try:
        yield stream.stamp(StreamingPullResponse())
        while not reader.done():
            stream.event.clear()
            while stream.answers:
                yield stream.stamp(stream.answers.pop(0))
            if broker.subscriptions.get(subscription.name) is not subscription:
                broker.subscription(subscription.name)  # NOT_FOUND, or it was made anew
                return
            require_pull(subscription.body)
            caller.need("pubsub.subscriptions.consume", subscription.name)  # a grant may go
            if items := stream.take():
                yield stream.stamp(StreamingPullResponse(received_messages=received(subscription, items)))
                continue
            waits = asyncio.create_task(stream.event.wait())
            await asyncio.wait({waits, reader}, timeout=_LOOK_AGAIN_S, return_when=asyncio.FIRST_COMPLETED)
            waits.cancel()
            subscription.use()
        await reader  # raises what the client did wrong
        while stream.answers:
            yield stream.stamp(stream.answers.pop(0))
    finally:
        subscription.delivery.unlisten(stream.event)
        reader.cancel()


async def _read(broker: Broker, stream: Stream, first: Message, requests: AsyncIterator[Message]) -> None:
    if first.ack_ids or first.modify_deadline_ack_ids:
        await stream.heard(broker, first)
    async for request in requests:
        await stream.heard(broker, request)
