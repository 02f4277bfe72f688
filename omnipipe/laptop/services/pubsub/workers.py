"""Subscriptions that bring their messages somewhere themselves: a task for each, as its settings are now."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from omnipipe.laptop.services.pubsub import bigquery, push, storage
from omnipipe.laptop.services.pubsub.broker import Broker, Followed

if TYPE_CHECKING:
    from omnipipe.laptop.services.pubsub.outside import Outside

logger = logging.getLogger(__name__)
T = TypeVar("T")
_THREADS = 32
_AFTER_A_DEFECT_S = 5.0
Work = Callable[["Workers", Followed], Awaitable[None]]


class Workers:
    """The tasks. What waits for others runs in threads, and touches nothing of the broker's."""

    def __init__(self, broker: Broker, outside: Outside) -> None:
        self.broker = broker
        self.outside = outside
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="pubsub")
        self._tasks: dict[int, asyncio.Task[None]] = {}
        broker.started.append(self.restart)
        for subscription in broker.subscriptions.values():
            self.restart(subscription)

    async def in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """What a function answers that waits for others."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(function, *arguments))

    def restart(self, subscription: Followed) -> None:
        """Begin, or end, or begin anew, as a subscription is now."""
        if task := self._tasks.pop(subscription.number, None):
            task.cancel()
        work = _work(subscription)
        if work is None or self.broker.subscriptions.get(subscription.name) is not subscription:
            return
        self._tasks[subscription.number] = asyncio.create_task(self._run(work, subscription))

    async def close(self) -> None:
        """End all."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Work, subscription: Followed) -> None:
        while True:
            try:
                await work(self, subscription)
            except Exception:
                # A defect of one subscription's must not be the end of it, or of the others.
                logger.exception("%s begins anew", subscription.name)
                await asyncio.sleep(_AFTER_A_DEFECT_S)


def _work(subscription: Followed) -> Work | None:
    body = subscription.body
    if body.detached:
        return None
    if body.push_config.push_endpoint:
        return push.run
    if body.bigquery_config.table:
        return bigquery.run
    return storage.run if body.cloud_storage_config.bucket else None
