"""What a subscription that brings its messages somewhere itself must find there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnipipe.laptop.services.pubsub.failures import not_here

if TYPE_CHECKING:
    from omnipipe.laptop.services.pubsub.broker import Broker
    from omnipipe.laptop.services.pubsub.messages import Message


async def check(broker: Broker, body: Message) -> None:
    """Raise Failure unless a subscription can do its work."""
    if body.bigquery_config.table or body.cloud_storage_config.bucket:
        raise not_here("subscriptions of BigQuery and Cloud Storage")
