"""What is done from time to time: addresses for new workloads, and the end of what is over."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from omnipipe.laptop.services.pubsub.addresses import Addresses
from omnipipe.laptop.services.pubsub.broker import Broker, seconds

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud

logger = logging.getLogger(__name__)
_LOOK_S = 0.2
_SWEEP_S = 60.0


async def look_after(cloud: Cloud, addresses: Addresses) -> None:
    """Let in each account that has been given a port, for good. A workload starts after it was given one."""
    file = cloud.home.directory / "ports.json"
    seen, tried = 0, 0.0
    while True:
        # None before there is any port; the process has one, so the file is there.
        stamp = file.stat().st_mtime_ns
        if stamp != seen or (addresses.problems and time.monotonic() - tried > 1):
            seen, tried = stamp, time.monotonic()
            for port, account in cloud.pubsub_accounts().items():
                await addresses.listen(port, account)
        await asyncio.sleep(_LOOK_S)


async def sweep(broker: Broker) -> None:
    """Each minute remove what is over: messages, snapshots, and subscriptions that nobody uses."""
    while True:
        broker.sweep()
        now = time.time()
        for snapshot in list(broker.snapshots.values()):
            if snapshot.body.expire_time.ToMicroseconds() / 1e6 < now:
                broker.remove(snapshot)
        for subscription in list(broker.subscriptions.values()):
            broker.store.write(
                "UPDATE resources SET used = ? WHERE number = ?", subscription.used, subscription.number
            )
            policy = subscription.body.expiration_policy
            if policy.HasField("ttl") and subscription.used + seconds(policy.ttl) < now:
                logger.warning("%s is removed: nobody has used it for %s", subscription.name, policy.ttl)
                broker.remove(subscription)
                broker.restart(subscription)
        await asyncio.sleep(_SWEEP_S)
