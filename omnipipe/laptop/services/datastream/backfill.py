"""The rows that a table already has, written before its changes.

The replication slot is older than the stream, so no snapshot fits it exactly. Instead the rows are read in one
transaction whose snapshot is kept: a transaction of the log that the snapshot shows is in the rows already, and its
changes are left out; any other one comes after them. So the latest version of each key is right, whatever was
written meanwhile. A backfill that did not come to its end is removed and done again: its snapshot is gone.
"""

import json
import logging
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.csv as pa_csv
from psycopg import sql

from omnipipe.laptop.home import write_json
from omnipipe.laptop.services.datastream.source import PublishedTable, Source
from omnipipe.laptop.services.datastream.status import parse_lsn
from omnipipe.laptop.services.datastream.table import Block, Position, TargetTable, metadata

logger = logging.getLogger(__name__)

_CHUNK_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Backfill:
    """One backfill of a table: which transactions its rows show."""

    uuid: str
    snapshot: str  # pg_current_snapshot(): xmin:xmax:running
    until_lsn: str  # all transactions that it shows were committed before
    done: bool

    def shows(self, xid: int) -> bool:
        """Whether the rows have the changes of a transaction that was committed before ``until_lsn``."""
        oldest, next_one, running = self.snapshot.split(":")
        # The snapshot counts in 64 bits, the log in 32. They are less than half the circle apart.
        if _before(xid, int(oldest)):
            return True
        return _before(xid, int(next_one)) and xid not in {int(x) & 0xFFFFFFFF for x in running.split(",") if x}


def _before(xid: int, other: int) -> bool:
    return (xid - other) & 0xFFFFFFFF > 0x7FFFFFFF


class Backfills:
    """The backfills of a stream, remembered in a file."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "backfills.json"
        self._known: dict[str, Backfill] = {}
        if self._path.exists():
            self._known = {name: Backfill(**raw) for name, raw in json.loads(self._path.read_text()).items()}

    def of(self, target: str) -> Backfill | None:
        """The backfill of a table, done or not, or None."""
        return self._known.get(target)

    def forget(self, target: str) -> None:
        """The table is gone, and its rows with it."""
        self._known.pop(target, None)

    def run(self, source: Source, published: PublishedTable, table: TargetTable, slot: str) -> Iterator[None]:
        """Write all rows of a table, yielding after each load."""
        destination = table.destination
        if unfinished := self._known.get(table.target):
            destination.delete_event(table.target, unfinished.uuid)
        with source.connect() as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            # All that comes from the slot is later than what it has confirmed.
            row = connection.execute(
                "SELECT confirmed_flush_lsn::text, pg_current_snapshot()::text, pg_current_wal_insert_lsn()::text,"
                " (extract(epoch FROM clock_timestamp()) * 1000)::bigint"
                " FROM pg_replication_slots WHERE slot_name = %s",
                [slot],
            ).fetchone()
            if row is None:
                raise psycopg.OperationalError(f"the replication slot {slot} is gone")
            confirmed, snapshot, until_lsn, now_ms = row
            backfill = Backfill(str(uuid.uuid4()), snapshot, until_lsn, done=False)
            self._remember(table.target, backfill)
            number = str(Position(parse_lsn(confirmed), 0))
            table.rows_written = 0

            def arrived(rows: pa.Table) -> bool:
                expected = table.rows_written + len(rows)
                return destination.count_event(table.target, backfill.uuid) >= expected

            for texts in _rows(connection, published, table.source_names):
                count = len(texts[0])
                uuids = pa.array([backfill.uuid] * count)
                marks = metadata(uuids, [now_ms] * count, [number] * count, ["INSERT"] * count)
                table.write(Block(texts, marks), arrived)
                yield
        self._remember(table.target, Backfill(backfill.uuid, snapshot, until_lsn, done=True))
        logger.info("backfilled %s: %d rows", table.target, table.rows_written)

    def _remember(self, target: str, backfill: Backfill) -> None:
        self._known[target] = backfill
        write_json(self._path, {name: asdict(known) for name, known in self._known.items()})


def _rows(
    connection: psycopg.Connection, published: PublishedTable, names: tuple[str, ...]
) -> Iterator[list[pa.Array]]:
    """The rows of a table as columns of text, a chunk at a time."""
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    table = sql.Identifier(published.name.schema, published.name.table)
    query = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT csv)").format(columns, table)
    with connection.cursor().copy(query) as copy:
        parts: list[bytes] = []
        size = 0
        for part in copy:  # a row each
            parts.append(bytes(part))
            size += len(part)
            if size >= _CHUNK_BYTES:
                yield _columns(parts, len(names))
                parts, size = [], 0
        if parts:
            yield _columns(parts, len(names))


def _columns(rows: list[bytes], count: int) -> list[pa.Array]:
    body = b"".join(rows)
    names = [str(i) for i in range(count)]
    table = pa_csv.read_csv(
        pa.BufferReader(body),
        pa_csv.ReadOptions(column_names=names, block_size=len(body) + 1),
        pa_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        # PostgreSQL writes NULL as nothing, and an empty text as "".
        pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    return [column.combine_chunks() for column in table.columns]
