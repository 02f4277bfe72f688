"""What BigQuery knows of a destination: how far it was told everything, and what became of each message.

Both tables are append-only. Which rows a destination lacks is told by omnipipe.runtime.deliveries.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from destination import Answer, Outcome
from google.cloud import bigquery

from omnipipe.contracts.tables import (
    DEAD_LETTERS,
    REVERSE_SYNC_DELIVERIES,
    REVERSE_SYNC_STATE,
    DeadLetter,
    Kpi,
    ReverseSyncDelivery,
    ReverseSyncState,
)
from omnipipe.runtime import deliveries, warehouse

_PAGE = 500


@dataclass(frozen=True, order=True)
class Watermark:
    """A place in the order in which rows are sent: by time, then by key."""

    updated_at: datetime
    key: str


@dataclass(frozen=True)
class State:
    """How far a destination was told everything; ``disabled`` says why it is not asked, and at which address."""

    watermark: Watermark
    disabled: str | None = None
    disabled_address: str | None = None


@dataclass(frozen=True)
class Pending:
    """A row that a destination does not have, or may not have; ``refusals`` are the runs in which it refused it."""

    kpi: Kpi
    key: str
    delivery_id: str
    refusals: int

    @property
    def watermark(self) -> Watermark:
        """Its place in the order."""
        return Watermark(self.kpi.updated_at, self.key)

    def body(self) -> str:
        """The body of its message; the same for each try, so the time is that of the change."""
        # Money as text with its cents: a NUMERIC comes back with as many zeros as the server likes.
        data = warehouse.as_json(self.kpi) | {"revenue": f"{self.kpi.revenue:.2f}"}
        return json.dumps({"type": "kpi.updated", "timestamp": data["updated_at"], "data": data})


class Ledger:
    """What is known of one destination."""

    def __init__(self, client: bigquery.Client, destination: str, run_id: str) -> None:
        """Open the ledger of ``destination``; what is written is marked with ``run_id``."""
        self._client = client
        self._destination = destination
        self._run_id = run_id

    def state(self) -> State:
        """Return the newest state of the destination."""
        for row in self._query(deliveries.STATE):
            watermark = Watermark(row["watermark_updated_at"], row["watermark_key"])
            return State(watermark, row["disabled"], row["disabled_address"])
        return State(Watermark(deliveries.BEGINNING, ""))

    def pending(self, after: Watermark) -> Iterator[Pending]:
        """Yield the rows to send, oldest first, a page at a time: without those that were given up."""
        return self._pending("NOT dead", after)

    def given_up(self, after: Watermark) -> Iterator[Pending]:
        """Yield the rows that are dead letters and are still what the destination lacks, oldest first."""
        return self._pending("dead", after)

    def attempt(self, rows: Iterable[Pending]) -> None:
        """Append that rows are about to be sent: a crash leaves them known as perhaps received."""
        self._append((row, "attempting", Answer("unknown")) for row in rows)

    def record(self, answers: Iterable[tuple[Pending, Answer]]) -> None:
        """Append what became of rows that were attempted."""
        self._append((row, answer.outcome, answer) for row, answer in answers)

    def bury(self, letters: Sequence[tuple[Pending, Answer, str]]) -> None:
        """Keep rows that are given up in ops.dead_letters, with the answer and the reason; each once."""
        # After a crash, or a replay that is refused, the same comes again.
        found = self._query(
            f"""
            SELECT dead_letter_id
            FROM {DEAD_LETTERS.id}
            WHERE origin = @destination AND dead_letter_id IN UNNEST(SPLIT(@ids, ','))
            """,  # noqa: S608 - the table's name is a constant of contracts
            bigquery.ScalarQueryParameter("ids", "STRING", ",".join(row.delivery_id for row, _, _ in letters)),
        )
        there = {row["dead_letter_id"] for row in found}
        now = datetime.now(UTC)
        kept = (
            DeadLetter(
                dead_letter_id=row.delivery_id,
                origin=self._destination,
                payload=json.dumps(
                    {
                        "key": row.key,
                        "webhook-id": row.delivery_id,
                        "http_status": answer.http_status,
                        "answer": answer.error,
                        "message": json.loads(row.body()),
                    }
                ),
                reason=reason,
                run_id=self._run_id,
                recorded_at=now,
            )
            for row, answer, reason in letters
            if row.delivery_id not in there
        )
        warehouse.insert(self._client, DEAD_LETTERS, kept)

    def advance(
        self, watermark: Watermark, disabled: str | None = None, disabled_address: str | None = None
    ) -> None:
        """Record that the ledger knows of everything up to ``watermark``, and whether the destination is asked on."""
        state = ReverseSyncState(
            destination=self._destination,
            watermark_updated_at=watermark.updated_at,
            watermark_key=watermark.key,
            run_id=self._run_id,
            recorded_at=datetime.now(UTC),
            disabled=disabled,
            disabled_address=disabled_address,
        )
        warehouse.insert(self._client, REVERSE_SYNC_STATE, [state])

    def _append(self, rows: Iterable[tuple[Pending, Outcome | str, Answer]]) -> None:
        now = datetime.now(UTC)
        warehouse.insert(
            self._client,
            REVERSE_SYNC_DELIVERIES,
            (
                ReverseSyncDelivery(
                    delivery_id=row.delivery_id,
                    destination=self._destination,
                    key=row.key,
                    content_hash=row.kpi.content_hash,
                    status=status,
                    http_status=answer.http_status,
                    error=answer.error,
                    run_id=self._run_id,
                    recorded_at=now,
                )
                for row, status, answer in rows
            ),
        )

    def _pending(self, condition: str, after: Watermark) -> Iterator[Pending]:
        found = self._query(
            f"SELECT * FROM ({deliveries.PENDING}) WHERE {condition} ORDER BY updated_at, key",  # noqa: S608 - constants
            bigquery.ScalarQueryParameter("since", "TIMESTAMP", deliveries.since(after.updated_at)),
        )
        columns = [field.name for field in fields(Kpi)]
        for row in found:
            kpi = Kpi(**{name: row[name] for name in columns})
            yield Pending(kpi, row["key"], row["delivery_id"], row["refusals"])

    def _query(self, sql: str, *parameters: bigquery.ScalarQueryParameter) -> Iterable[bigquery.Row]:
        destination = bigquery.ScalarQueryParameter("destination", "STRING", self._destination)
        return warehouse.query(self._client, sql, destination, *parameters, page_size=_PAGE)
