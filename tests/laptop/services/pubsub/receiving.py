"""What tests of subscriptions share: to pull, and to wait for messages."""

import time
import warnings
from collections.abc import Callable
from typing import Any

from google.cloud import pubsub_v1

Client = pubsub_v1.SubscriberClient


def pull(client: Client, subscription: str, count: int = 100) -> list[Any]:
    """What there is at once, of so many messages."""
    request = {"subscription": subscription, "max_messages": count, "return_immediately": True}
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # of return_immediately
        return list(client.pull(request=request).received_messages)


def until(condition: Callable[[], Any], timeout_s: float = 20) -> Any:
    """Wait for a condition; what it answered."""
    deadline = time.monotonic() + timeout_s
    while not (answer := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return answer


def pulled(client: Client, subscription: str, count: int, timeout_s: float = 20) -> list[Any]:
    """So many messages, in the order in which they came; they are not acknowledged."""
    found: list[Any] = []

    def enough() -> bool:
        found.extend(pull(client, subscription, count - len(found)))
        return len(found) >= count

    until(enough, timeout_s)
    return found


def data(messages: list[Any]) -> list[bytes]:
    """Their data."""
    return [each.message.data for each in messages]


def ids(messages: list[Any]) -> list[str]:
    """Their ack ids."""
    return [each.ack_id for each in messages]
