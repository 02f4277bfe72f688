"""Publish: what a topic takes. https://cloud.google.com/pubsub/quotas#resource_limits"""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnipipe.laptop.services.pubsub import names, schemas
from omnipipe.laptop.services.pubsub.failures import invalid, too_large
from omnipipe.laptop.services.pubsub.messages import Message, PublishResponse

if TYPE_CHECKING:
    from omnipipe.laptop.services.pubsub.access import Caller
    from omnipipe.laptop.services.pubsub.broker import Broker

MAX_MESSAGES = 1000
MAX_BYTES = 10_000_000
MAX_ATTRIBUTES, MAX_KEY_BYTES, MAX_VALUE_BYTES = 100, 256, 1024
MAX_ORDERING_KEY_BYTES = 1024
_MORE = "Refer to https://cloud.google.com/pubsub/quotas for more information."


async def publish(broker: Broker, caller: Caller, request: Message) -> Message:
    """Take messages: they are kept when this returns."""
    name = names.known("topics", request.topic)
    caller.need("pubsub.topics.publish", name)
    topic = broker.topic(name)
    check(request)
    schemas.check(broker, topic, request.messages)
    ids = broker.publish(topic, request.messages)
    await broker.store.committed()
    return PublishResponse(message_ids=ids)


def check(request: Message) -> None:
    """Raise Failure (INVALID_ARGUMENT) for what is over a limit, or empty."""
    count = len(request.messages)
    if not count:
        raise invalid(
            "The value for message_count is too small. You passed 0 in the request, but the minimum value is 1."
        )
    if count > MAX_MESSAGES:
        raise too_large("message_count", count, MAX_MESSAGES)
    if (size := request.ByteSize()) > MAX_BYTES:
        raise too_large("request_size", size, MAX_BYTES)
    for message in request.messages:
        if message.attributes or message.ordering_key:
            _check_attributes(message)
        if not message.data and not message.attributes:
            raise invalid(
                "One or more messages in the publish request is empty. Each message must contain either non-empty "
                "data, or at least one attribute."
            )


def _check_attributes(message: Message) -> None:
    if len(message.attributes) > MAX_ATTRIBUTES:
        raise too_large("attribute_count", len(message.attributes), MAX_ATTRIBUTES)
    for key, value in message.attributes.items():
        if not key:
            raise invalid("Message attribute keys must be non-empty.")
        if key.startswith("goog"):
            raise invalid(f'The attribute "{key}" in the request begins with "goog", which is reserved.')
        if (size := len(key.encode())) > MAX_KEY_BYTES:
            raise invalid(
                f'The attribute "{key}" in the request has a key that is too long. The length is {size} characters, '
                f"but the maximum allowed is {MAX_KEY_BYTES}. {_MORE}"
            )
        if (size := len(value.encode())) > MAX_VALUE_BYTES:
            raise invalid(
                f'The attribute "{key}" in the request has a value that is too long. The length is {size} '
                f"characters, but the maximum allowed is {MAX_VALUE_BYTES}. {_MORE}"
            )
    if (size := len(message.ordering_key.encode())) > MAX_ORDERING_KEY_BYTES:
        raise invalid(
            f"The ordering key is too long. The length is {size} bytes, but the maximum allowed is "
            f"{MAX_ORDERING_KEY_BYTES}. {_MORE}"
        )
