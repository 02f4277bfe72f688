"""Follows the log: hands each change to its table, writes in batches, and confirms what is written."""

import logging
import threading
import time
from collections.abc import Callable, Iterable

import psycopg

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.iam.bindings import DATASTREAM_AGENT
from omnipipe.laptop.iam.credentials import LocalCredentials
from omnipipe.laptop.iam.tokens import Tokens
from omnipipe.laptop.services.datastream import pgoutput
from omnipipe.laptop.services.datastream.backfill import Backfill, Backfills
from omnipipe.laptop.services.datastream.config import Config, Layout, TableName
from omnipipe.laptop.services.datastream.deadletters import DeadLetters
from omnipipe.laptop.services.datastream.destination import Destination, Stopping
from omnipipe.laptop.services.datastream.pgoutput import UNCHANGED, Value
from omnipipe.laptop.services.datastream.source import ChangeStream, Source, epoch_ms, is_permanent
from omnipipe.laptop.services.datastream.status import Status, format_lsn, parse_lsn
from omnipipe.laptop.services.datastream.table import EVENT_LIMIT_BYTES, Change, Position, TargetTable
from omnipipe.laptop.services.datastream.types import ColumnType, PgType, column_type

logger = logging.getLogger(__name__)

# A batch is written when it is this large, or this old and the log is quiet, or much older and it is not.
_BATCH_ROWS = 50_000
_BATCH_BYTES = 32 * 1024 * 1024
_QUIET_S = 0.3
_BUSY_S = 2.0
_IDLE_S = 0.5
_LONGEST_PAUSE_S = 5.0


class Worker:
    """One stream."""

    def __init__(self, config: Config, stop: threading.Event) -> None:
        self._config = config
        self._stop = stop
        self._status = Status()
        self._source = Source(config)
        credentials = LocalCredentials(Tokens(config.token_key), DATASTREAM_AGENT)
        self._destination = Destination(
            config.bigquery_endpoint, config.project, credentials, stop, self._retrying
        )
        self._dead_letters = DeadLetters(self._destination, config)
        self._backfills = Backfills(config.state_dir)
        self._types: dict[int, PgType] = {}
        self._tables: dict[TableName, TargetTable] = {}
        # By the source's number of a table; None for one that is not of the stream.
        self._relations: dict[int, _Relation | None] = {}
        # The transaction that is being read, and the end of the last whole one.
        self._transaction: pgoutput.Begin | None = None
        self._index = 0
        self._received_lsn = 0
        self._confirmed_lsn = 0
        self._batch_rows = 0
        self._batch_bytes = 0
        self._batch_since = 0.0

    def run(self) -> None:
        """Replicate until ``stop`` is set.

        Raises LaptopError when the stream cannot run as it is configured; its lines say why.
        """
        if self._config.state != "RUNNING":
            self._report(self._config.state)
            logger.info("the stream is %s: nothing to do", self._config.state)
            return
        try:
            self._patiently(self._prepare)
            self._patiently(self._follow)
            self._report("STOPPED")
        except Stopping:
            self._report("STOPPED")
        except Exception as error:  # whatever it is, those who wait for the stream have to hear of it
            self._status.error = str(error)
            self._report("FAILED")
            raise

    def _patiently(self, operation: Callable[[], None]) -> None:
        """Do something that needs the source, again and again while that is away."""
        pause_s = 0.1
        while not self._stop.is_set():
            started = time.monotonic()
            try:
                operation()
                return
            except psycopg.OperationalError as error:
                reason = " ".join(str(error).split())
                if is_permanent(error):
                    raise LaptopError(f"PostgreSQL does not let the stream in: {reason}") from error
                self._retrying(f"PostgreSQL is not available: {reason}")
            if time.monotonic() - started > _LONGEST_PAUSE_S:
                pause_s = 0.1
            self._stop.wait(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def _prepare(self) -> None:
        if problems := self._source.problems():
            raise LaptopError("\n".join(problems))
        self._types = self._source.types()
        published = self._source.tables()
        for dataset in sorted({self._config.target_dataset(table.name) for table in published}):
            if self._config.dataset is None:
                self._destination.ensure_dataset(dataset, self._config.dataset_location)
            elif not self._destination.has_dataset(dataset):
                raise LaptopError(f"the target dataset {dataset} does not exist in {self._config.project}")
        self._report("BACKFILL")
        for found in published:
            table = self._table(found.name)
            columns = [(c.name, c.type_oid, c.type_modifier) for c in found.columns]
            if table.describe(self._column_types(columns), found.key):
                self._backfills.forget(table.target)
            backfill = self._backfills.of(table.target)
            if self._config.wants_backfill(found.name) and not (backfill and backfill.done):
                for _ in self._backfills.run(self._source, found, table, self._config.slot):
                    self._report("BACKFILL")
                    if self._stop.is_set():
                        raise Stopping
            table.resume()

    def _table(self, name: TableName) -> TargetTable:
        if name not in self._tables:
            target = self._config.target(name)
            layout = self._config.layouts.get(name, Layout())
            self._tables[name] = TargetTable(
                name, target, layout, self._source, self._destination, self._dead_letters
            )
        return self._tables[name]

    def _column_types(self, columns: Iterable[tuple[str, int, int]]) -> dict[str, ColumnType | None]:
        columns = list(columns)
        if any(oid not in self._types for _, oid, _ in columns):
            self._types = self._source.types()
        return {name: column_type(oid, modifier, self._types) for name, oid, modifier in columns}

    def _follow(self) -> None:
        # What was read and not written comes again.
        self._relations.clear()
        self._transaction = None
        self._batch_rows = self._batch_bytes = 0
        for table in self._tables.values():
            table.pending = []
        with self._source.stream() as stream:
            logger.info("following the slot %s", self._config.slot)
            self._received_lsn = self._confirmed_lsn = 0
            while not self._stop.is_set():
                for message in stream.available():
                    if isinstance(message, bytes):
                        self._take(message)
                    elif self._transaction is None:
                        self._received_lsn = max(self._received_lsn, message)
                    if self._must_flush(quiet=False):
                        self._flush(stream)
                    if self._stop.is_set():
                        break
                if self._must_flush(quiet=True) or (
                    not self._batch_rows and self._received_lsn > self._confirmed_lsn
                ):
                    self._flush(stream)
                if not stream.wait(_QUIET_S / 3 if self._batch_rows else _IDLE_S) and not self._batch_rows:
                    # Nothing of ours may come for long. Its position moves with what others write.
                    stream.confirm(self._confirmed_lsn, ask=True)
            self._flush(stream)

    def _must_flush(self, *, quiet: bool) -> bool:
        if self._batch_rows >= _BATCH_ROWS or self._batch_bytes >= _BATCH_BYTES:
            return True
        age_s = time.monotonic() - self._batch_since
        return bool(self._batch_rows) and age_s >= (_QUIET_S if quiet else _BUSY_S)

    def _flush(self, stream: ChangeStream) -> None:
        self._write()
        # Of a transaction that is half read, nothing is confirmed: it comes again as a whole.
        if self._received_lsn > self._confirmed_lsn:
            self._confirmed_lsn = self._received_lsn
            stream.confirm(self._confirmed_lsn)
            self._status.confirmed_lsn = format_lsn(self._confirmed_lsn)
        self._status.error = None
        self._report("RUNNING")

    def _write(self) -> None:
        """Write the batch, the table with the oldest change first.

        So whoever sees the only change of a table in a batch, such as a heartbeat, sees what other tables had before
        it. Google's Datastream does not promise as much.
        """
        waiting = [table for table in self._tables.values() if table.pending]
        for table in sorted(waiting, key=lambda table: table.pending[0].position):
            table.flush()
        self._batch_rows = self._batch_bytes = 0

    def _take(self, data: bytes) -> None:
        message = pgoutput.decode(data)
        if isinstance(message, (pgoutput.Insert, pgoutput.Update, pgoutput.Delete)):
            # Two numbers for each, also where one or none is used: the same change has the same number at each
            # reading, whatever was configured or backfilled in between.
            self._index += 2
            if relation := self._relations[message.oid]:
                self._change(relation, message, len(data))
        elif isinstance(message, pgoutput.Begin):
            self._transaction, self._index = message, 0
        elif isinstance(message, pgoutput.Commit):
            self._transaction = None
            self._received_lsn = message.end_lsn
        elif isinstance(message, pgoutput.Relation):
            self._relations[message.oid] = self._relation(message)
        elif isinstance(message, pgoutput.Truncate):
            for oid in message.oids:
                if relation := self._relations.get(oid):
                    logger.warning("%s was truncated: Datastream does not replicate that", relation.table.name)

    def _relation(self, message: pgoutput.Relation) -> "_Relation | None":
        name = TableName(message.schema, message.table)
        if not self._config.wants(name):
            return None
        self._write()
        is_new = name not in self._tables  # added to the publication since the start
        table = self._table(name)
        kept = [
            (i, column) for i, column in enumerate(message.columns) if self._config.wants_column(name, column.name)
        ]
        types = self._column_types([(c.name, c.type_oid, c.type_modifier) for _, c in kept])
        if message.identity == "f":  # then every column is of the identity
            key = next((found.key for found in self._source.tables() if found.name == name), ())
        else:
            key = tuple(column.name for _, column in kept if column.in_identity)
        table.describe(types, key)
        if is_new:
            table.resume()
        indexes = [i for i, column in kept if types[column.name] is not None]
        every = indexes == list(range(len(message.columns)))
        return _Relation(table, None if every else indexes, self._backfills.of(table.target))

    def _change(
        self, relation: "_Relation", message: pgoutput.Insert | pgoutput.Update | pgoutput.Delete, size: int
    ) -> None:
        transaction = self._transaction
        assert transaction is not None, "a change outside of a transaction"  # noqa: S101 - the protocol's promise
        table, backfill = relation.table, relation.backfill
        position = Position(transaction.commit_lsn, self._index)
        if transaction.commit_lsn < relation.backfill_lsn and backfill and backfill.shows(transaction.xid):
            return
        # Never older than what the table has, also when the source's clock was set back.
        timestamp = max(epoch_ms(transaction.committed_at_us), table.newest_ms)
        if isinstance(message, pgoutput.Insert):
            changes = [Change(relation.pick(message.new), "INSERT", position, timestamp)]
        elif isinstance(message, pgoutput.Delete):
            changes = [Change(relation.pick(message.old), "DELETE", position, timestamp)]
        else:
            changes = self._update(relation, message, position, timestamp)
        if size > EVENT_LIMIT_BYTES:
            reason = f"the event has {size} bytes, Datastream takes {EVENT_LIMIT_BYTES}"
            table.give_up(changes, reason)
            return
        if not self._batch_rows:
            self._batch_since = time.monotonic()
        for change in changes:
            table.add(change)
        self._batch_rows += len(changes)
        self._batch_bytes += size

    def _update(
        self, relation: "_Relation", message: pgoutput.Update, position: Position, timestamp: int
    ) -> list[Change]:
        table = relation.table
        new = relation.pick(message.new)
        old = relation.pick(message.old) if message.old else None
        if old:  # the log may hold a value there that it left out of the new row
            pairs = zip(new, old, strict=True)
            new = [before if value is UNCHANGED and before is not None else value for value, before in pairs]
        key = tuple(new[i] for i in table.key)
        old_key = tuple(old[i] for i in table.key) if old else key
        changes = []
        if old_key != key:
            before = position._replace(ordinal=position.ordinal - 1)
            changes.append(Change(old or [], "UPDATE-DELETE", before, timestamp))
        changes.append(Change(new, "UPDATE-INSERT", position, timestamp, old_key))
        return changes

    def _retrying(self, reason: str) -> None:
        logger.warning("%s: trying again", reason)
        self._status.error = reason
        self._report("RETRYING")

    def _report(self, state: str) -> None:
        self._status.state = state
        self._status.tables = {table.target: table.rows_written for table in self._tables.values()}
        self._status.write(self._config.state_dir)


class _Relation:
    """A table as the log describes it now."""

    def __init__(self, table: TargetTable, indexes: list[int] | None, backfill: Backfill | None) -> None:
        self.table = table
        self.backfill = backfill
        self.backfill_lsn = parse_lsn(backfill.until_lsn) if backfill and backfill.done else 0
        self._indexes = indexes  # of the columns that are replicated; None for all of them

    def pick(self, values: list[Value]) -> list[Value]:
        return values if self._indexes is None else [values[i] for i in self._indexes]
