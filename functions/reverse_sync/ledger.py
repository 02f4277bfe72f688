"""What BigQuery knows of a destination: how far it has everything, and what was sent to it.

Both tables are append-only. A row of analysis.kpis is pending for a destination as long as the last content that was
sent of its key is not its content.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta

from destination import Answer
from google.cloud import bigquery

from omnipipe.contracts.tables import (
    KPIS,
    REVERSE_SYNC_DELIVERIES,
    REVERSE_SYNC_STATE,
    Kpi,
    ReverseSyncDelivery,
    ReverseSyncState,
)
from omnipipe.runtime import warehouse

# A row may become visible after a later one was sent: this far behind the watermark is looked at again.
_LAG = timedelta(hours=1)
_PAGE = 500
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, order=True)
class Watermark:
    """A place in the order in which rows are sent: by time, then by key."""

    updated_at: datetime
    key: str


@dataclass(frozen=True)
class Pending:
    """A row that a destination does not have yet."""

    kpi: Kpi
    key: str
    delivery_id: str

    @property
    def watermark(self) -> Watermark:
        """Its place in the order."""
        return Watermark(self.kpi.updated_at, self.key)


def delivery_id(destination: str, key: str, content_hash: str, follows: str | None) -> str:
    """Return the webhook-id of a content of a key, stable over retries and runs.

    ``follows`` is the id of the key's delivery before it. Without it, figures that go back to what they were would
    get the id of their first delivery, and a receiver would drop them as a repeat.
    """
    return hashlib.sha256("\n".join((destination, key, content_hash, follows or "")).encode()).hexdigest()


class Ledger:
    """The state of one destination."""

    def __init__(self, client: bigquery.Client, destination: str, run_id: str) -> None:
        """Open the ledger of ``destination``; what is written is marked with ``run_id``."""
        self._client = client
        self._destination = destination
        self._run_id = run_id

    def watermark(self) -> Watermark:
        """Return the last row up to which the destination has everything."""
        found = self._query(
            f"""
            SELECT watermark_updated_at, watermark_key
            FROM {REVERSE_SYNC_STATE.id}
            WHERE destination = @destination
            ORDER BY watermark_updated_at DESC, watermark_key DESC
            LIMIT 1
            """  # noqa: S608 - the tables' names are constants of contracts
        )
        for row in found:
            return Watermark(row["watermark_updated_at"], row["watermark_key"])
        return Watermark(_BEGINNING, "")

    def pending(self, after: Watermark) -> Iterator[Pending]:
        """Yield the rows that the destination lacks, oldest first, a page at a time."""
        since = max(after.updated_at - _LAG, _BEGINNING)
        found = self._query(
            f"""
            WITH last_sent AS (
                SELECT key, content_hash, delivery_id
                FROM {REVERSE_SYNC_DELIVERIES.id}
                WHERE destination = @destination AND status = 'sent'
                QUALIFY ROW_NUMBER() OVER (PARTITION BY key ORDER BY recorded_at DESC) = 1
            ),
            changed AS (
                SELECT *, CONCAT(city, '/', CAST(day AS STRING)) AS key
                FROM {KPIS.id}
                WHERE updated_at >= @since
            )
            SELECT changed.*, last_sent.delivery_id AS follows
            FROM changed
            LEFT JOIN last_sent ON last_sent.key = changed.key
            WHERE last_sent.content_hash IS NULL OR last_sent.content_hash != changed.content_hash
            ORDER BY changed.updated_at, changed.key
            """,  # noqa: S608 - the tables' names are constants of contracts
            bigquery.ScalarQueryParameter("since", "TIMESTAMP", since),
        )
        columns = [field.name for field in fields(Kpi)]
        for row in found:
            kpi = Kpi(**{name: row[name] for name in columns})
            chained = delivery_id(self._destination, row["key"], kpi.content_hash, row["follows"])
            yield Pending(kpi, row["key"], chained)

    def record(self, answers: Iterable[tuple[Pending, Answer]]) -> None:
        """Append what the destination answered to each row that was sent."""
        now = datetime.now(UTC)
        deliveries = (
            ReverseSyncDelivery(
                delivery_id=pending.delivery_id,
                destination=self._destination,
                key=pending.key,
                content_hash=pending.kpi.content_hash,
                status="failed" if answer.error else "sent",
                http_status=answer.http_status,
                error=answer.error,
                run_id=self._run_id,
                recorded_at=now,
            )
            for pending, answer in answers
        )
        warehouse.insert(self._client, REVERSE_SYNC_DELIVERIES, deliveries)

    def advance(self, watermark: Watermark) -> None:
        """Record that the destination has everything up to ``watermark``."""
        state = ReverseSyncState(
            destination=self._destination,
            watermark_updated_at=watermark.updated_at,
            watermark_key=watermark.key,
            run_id=self._run_id,
            recorded_at=datetime.now(UTC),
        )
        warehouse.insert(self._client, REVERSE_SYNC_STATE, [state])

    def _query(self, sql: str, *parameters: bigquery.ScalarQueryParameter) -> Iterable[bigquery.Row]:
        destination = bigquery.ScalarQueryParameter("destination", "STRING", self._destination)
        return warehouse.query(self._client, sql, destination, *parameters, page_size=_PAGE)
