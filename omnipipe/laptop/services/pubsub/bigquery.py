"""BigQuery subscriptions: each message is a row, written as Pub/Sub's own account.

https://cloud.google.com/pubsub/docs/bigquery. What rows are made of is in ``rows``.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import grpc
import requests

from omnipipe.laptop.services.pubsub.delivery import Item, Taker
from omnipipe.laptop.services.pubsub.failures import Failure, invalid
from omnipipe.laptop.services.pubsub.messages import BigQueryConfig, Message, Subscription
from omnipipe.laptop.services.pubsub.rows import Misfit, Rows

if TYPE_CHECKING:
    from omnipipe.laptop.services.pubsub.broker import Broker, Followed
    from omnipipe.laptop.services.pubsub.outside import Outside
    from omnipipe.laptop.services.pubsub.workers import Workers

logger = logging.getLogger(__name__)
_BATCH, _BATCH_BYTES = 1000, 5_000_000
_LEASE_S = 600.0
_PAUSES_S = (0.2, 30.0)
_SCHEMA_FOR_S = 30.0
_TABLE = re.compile(r"(?:projects/)?([^./:]+)(?:[.:]|/datasets/)([^./:]+)(?:\.|/tables/)([^./:]+)")
_STATES = {403: "PERMISSION_DENIED", 404: "NOT_FOUND", 400: "SCHEMA_MISMATCH"}


def table_path(table: str) -> str:
    """The path of a table in BigQuery's API, from PROJECT.DATASET.TABLE. Raises Failure."""
    found = _TABLE.fullmatch(table)
    if not found:
        raise invalid(f"The BigQuery table must be project.dataset.table: {table}")
    return "projects/{}/datasets/{}/tables/{}".format(*found.groups())


async def check(broker: Broker, outside: Outside, body: Message) -> None:
    """Raise Failure unless the table of a subscription is there, may be written to, and takes its rows.

    https://cloud.google.com/pubsub/docs/create-bigquery-subscription#troubleshoot_common_issues
    """
    config = body.bigquery_config
    if config.use_topic_schema and config.use_table_schema:
        raise invalid("Only one of use_topic_schema and use_table_schema can be set.")
    path = table_path(config.table)
    writer = config.service_account_email or broker.access.agent.email
    needed = {"bigquery.tables.get": path, "bigquery.tables.updateData": path}
    broker.access.need_to_write(writer, needed, "BigQuery table")
    try:
        answer = await asyncio.to_thread(outside.bigquery, "GET", path, writer)
    except requests.RequestException as error:
        raise Failure(grpc.StatusCode.UNAVAILABLE, f"BigQuery does not answer: {type(error).__name__}") from error
    if answer.status_code == 404:
        _, project, _, dataset, _, table = path.split("/")
        raise Failure(grpc.StatusCode.NOT_FOUND, f"Not found: Table {project}:{dataset}.{table}")
    if not answer.ok:
        raise invalid(f"BigQuery refused the table: {answer.text[:500]}")
    try:
        Rows(broker, body, _fields(answer)).require_columns()
    except Misfit as error:
        raise invalid(str(error)) from error


async def run(workers: Workers, subscription: Followed) -> None:
    """Write what a subscription has, until cancelled."""
    await _Writer(workers, subscription).run()


class _Writer:
    def __init__(self, workers: Workers, subscription: Followed) -> None:
        self._workers = workers
        self._subscription = subscription
        config = subscription.body.bigquery_config
        self._path = table_path(config.table)
        self._account = config.service_account_email
        self._rows: Rows | None = None
        self._read_at = 0.0

    async def run(self) -> None:
        delivery, event, taker = self._subscription.delivery, asyncio.Event(), Taker()
        delivery.listen(event)
        items: list[Item] = []
        try:
            while True:
                event.clear()
                items = delivery.take(taker, _BATCH, _BATCH_BYTES, _LEASE_S)
                if items:
                    await self._write(items)
                else:
                    await event.wait()
        finally:
            delivery.unlisten(event)
            delivery.release(items)  # what is under way when the settings change is written again

    async def _write(self, items: Sequence[Item]) -> None:
        """Write messages: again and again while the table is not to be written to, which is no fault of theirs."""
        pause_s = _PAUSES_S[0]
        while True:
            problem, state = await self._attempt(items)
            self._say(state)
            if not problem:
                return
            logger.warning("%s: %s is not written to: %s", self._subscription.name, self._path, problem)
            self._subscription.delivery.extend(items, _LEASE_S)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _PAUSES_S[1])

    async def _attempt(self, items: Sequence[Item]) -> tuple[str, str]:
        """Write messages once; why the table takes none, and the subscription's state then."""
        call = self._workers.outside.bigquery
        try:
            if self._rows is None or time.monotonic() - self._read_at > _SCHEMA_FOR_S:
                answer = await self._workers.in_thread(call, "GET", self._path, self._account)
                if not answer.ok:
                    return _told(answer)
                self._rows = Rows(self._workers.broker, self._subscription.body, _fields(answer))
                self._read_at = time.monotonic()
            made, bad = _made(self._rows, items)
            body = {"rows": [row for _, row in made], "skipInvalidRows": True}
            if made:
                answer = await self._workers.in_thread(
                    call, "POST", f"{self._path}/insertAll", self._account, body
                )
                if not answer.ok:
                    self._rows = None
                    return _told(answer)
                for error in answer.json().get("insertErrors") or []:
                    bad[made[error["index"]][0]] = error["errors"][0].get("message") or "invalid"
        except requests.RequestException as error:
            return f"no answer: {type(error).__name__}", "ACTIVE"
        self._subscription.use()
        self._subscription.delivery.done([item for item, _ in made if item not in bad])
        for item, reason in bad.items():
            # On Google, too, it is tried again, and goes to the dead letters after so many attempts.
            self._subscription.errors[item.number] = reason
            if item.attempt == 1:
                logger.warning("%s: message %s is no row: %s", self._subscription.name, item.number, reason)
        self._subscription.delivery.failed(bad)
        return "", "ACTIVE"

    def _say(self, state: str) -> None:
        body = self._subscription.body
        body.bigquery_config.state = BigQueryConfig.State.Value(state)
        body.state = Subscription.State.Value("ACTIVE" if state == "ACTIVE" else "RESOURCE_ERROR")


def _made(rows: Rows, items: Sequence[Item]) -> tuple[list[tuple[Item, dict[str, Any]]], dict[Item, str]]:
    """The rows of messages, and those that make none, with the reason."""
    made, bad = [], {}
    for item in items:
        try:
            made.append((item, {"insertId": item.message.message_id, "json": rows.row(item.message)}))
        except Misfit as error:
            bad[item] = str(error)
    return made, bad


def _fields(answer: requests.Response) -> list[dict[str, Any]]:
    return answer.json().get("schema", {}).get("fields", [])


def _told(answer: requests.Response) -> tuple[str, str]:
    try:
        words = answer.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        words = answer.text[:500]
    return f"{answer.status_code} {words}", _STATES.get(answer.status_code, "ACTIVE")
