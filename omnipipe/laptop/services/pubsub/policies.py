"""IAM's own methods: a policy is what the program granted, and changes with the program only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnipipe.laptop.services.pubsub.failures import not_found, not_here
from omnipipe.laptop.services.pubsub.messages import Message, TestIamPermissionsResponse

if TYPE_CHECKING:
    from omnipipe.laptop.services.pubsub.access import Caller
    from omnipipe.laptop.services.pubsub.broker import Broker


async def test_permissions(broker: Broker, caller: Caller, request: Message) -> Message:
    """Which of some permissions the caller has."""
    _require(broker, request.resource)
    held = [each for each in request.permissions if caller.may(each, request.resource)]
    return TestIamPermissionsResponse(permissions=held)


async def change(broker: Broker, caller: Caller, request: Message) -> Message:
    """Refused: the grants of a laptop cloud are those of its program."""
    _require(broker, request.resource)
    raise not_here("policies of its own: who may what says the program, by its IAM members")


def _require(broker: Broker, resource: str) -> None:
    known = broker.topics.keys() | broker.subscriptions.keys() | broker.snapshots.keys() | broker.schemas.keys()
    if resource not in known:
        raise not_found(resource)
