"""One table on its way: changes of the source become rows of BigQuery."""

import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from google.api_core.exceptions import NotFound
from psycopg import sql

from omnipipe.contracts.datastream import DELETES, METADATA, METADATA_SCHEMA, DatastreamMetadata
from omnipipe.laptop.services.datastream.config import Layout, TableName
from omnipipe.laptop.services.datastream.deadletters import DeadLetters
from omnipipe.laptop.services.datastream.destination import Column, Destination, Refused
from omnipipe.laptop.services.datastream.pgoutput import UNCHANGED, Value
from omnipipe.laptop.services.datastream.source import Source
from omnipipe.laptop.services.datastream.types import ColumnType, convert, of_bigquery

logger = logging.getLogger(__name__)

# Datastream's limit for one event.
EVENT_LIMIT_BYTES = 20 * 1024 * 1024


class Fetched(NamedTuple):
    """A value that the log did not hold, as it is in BigQuery."""

    value: Any


class Position(NamedTuple):
    """Where a change is in the order of all changes."""

    commit_lsn: int
    ordinal: int  # in the transaction, from 1; 0 for a backfill

    def __str__(self) -> str:
        """The change sequence number: sorts as text as the positions do."""
        return f"{self.commit_lsn >> 32:08X}/{self.commit_lsn & 0xFFFFFFFF:08X}/{self.ordinal:010d}"

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Read a change sequence number."""
        high, low, ordinal = text.split("/")
        return cls(int(high, 16) << 32 | int(low, 16), int(ordinal))


BEGINNING = Position(0, 0)


class Change(NamedTuple):
    """A row to be written, its values in the order of the source's columns.

    ``previous_key`` finds the row's last version when the log left values out.
    """

    values: list[Any]  # Value, or Fetched once it is known
    change_type: str
    position: Position
    timestamp_ms: int
    previous_key: tuple[Value, ...] | None = None
    completed: bool = False  # some values are Fetched, or copies of an earlier row's


class Block(NamedTuple):
    """Rows on their way, by column: the source's texts, Datastream's column, and values by column and row that are
    BigQuery's already."""

    texts: list[pa.Array]
    metadata: pa.Array
    fetched: Mapping[str, Mapping[int, Any]] = MappingProxyType({})

    def take(self, rows: Sequence[int]) -> "Block":
        """Some of the rows; without the fetched values, which are in place once the rows are assembled."""
        indexes = pa.array(rows, pa.int64())
        return Block([column.take(indexes) for column in self.texts], self.metadata.take(indexes))


@dataclass
class TargetTable:
    """A table of the source, its counterpart in BigQuery, and the changes that are not written yet."""

    name: TableName
    target: str
    layout: Layout
    source: Source
    destination: Destination
    dead_letters: DeadLetters
    written_to: Position = BEGINNING  # all changes up to here are in BigQuery
    newest_ms: int = 0
    rows_written: int = 0
    pending: list[Change] = field(default_factory=list)
    source_names: tuple[str, ...] = ()
    key: tuple[int, ...] = ()  # which of the source's columns are its key
    _types: dict[str, ColumnType] = field(default_factory=dict)
    _columns: list[Column] = field(default_factory=list)

    def describe(self, types: dict[str, ColumnType | None], key: Sequence[str]) -> bool:
        """Take over what the source's table looks like, and make its counterpart so. True if it was made now.

        ``types`` has the columns that are replicated, in their order, with None for types without a counterpart.
        """
        for column, found in types.items():
            if found is None:
                logger.warning("%s.%s has a type that Datastream does not support: left out", self.name, column)
        self._types = {column: found for column, found in types.items() if found}
        return self._ensure(key)

    def _ensure(self, key: Sequence[str]) -> bool:
        wanted = [Column(name, found.bigquery) for name, found in self._types.items()]
        self._columns, made = self.destination.ensure_table(self.target, wanted, self.layout)
        self.source_names = tuple(self._types)
        self.key = tuple(self.source_names.index(name) for name in key if name in self._types)
        self._key_names = tuple(key)
        for column in self._columns:
            mapped = self._types.get(column.name)
            if mapped and mapped.bigquery != column.bigquery:
                logger.warning(
                    "%s.%s is now %s, but was made as %s: what does not fit goes to the dead letters",
                    self.name,
                    column.name,
                    mapped.bigquery,
                    column.bigquery,
                )
                self._types[column.name] = of_bigquery(column.bigquery)
        return made

    def resume(self) -> None:
        """Find out from BigQuery how far the table is."""
        number, newest_ms = self.destination.newest(self.target)
        self.written_to = Position.parse(number) if number else BEGINNING
        self.newest_ms = newest_ms

    def add(self, change: Change) -> None:
        """Take a change, unless it is in BigQuery already."""
        if change.position > self.written_to:
            self.pending.append(change)

    def flush(self) -> None:
        """Write what is pending, in order."""
        changes = self.pending
        if not changes:
            return
        known, lost = self._complete(changes)
        for change, reason in lost:
            self.give_up([change], reason)
        if known:
            self.write(self._block(known), self._is_there)
        self.pending = []
        self.written_to = changes[-1].position
        self.newest_ms = max(self.newest_ms, changes[-1].timestamp_ms)

    def give_up(self, changes: Sequence[Change], reason: str) -> None:
        """Keep changes that cannot be written as dead letters."""
        plain = [
            change._replace(values=[None if value is UNCHANGED else value for value in change.values])
            for change in changes
        ]
        self._give_up(self._block(plain), dict.fromkeys(range(len(plain)), reason))

    def write(self, block: Block, arrived: Callable[[pa.Table], bool]) -> None:
        """Write rows; those without a counterpart in BigQuery become dead letters.

        ``arrived`` says of rows whose load has no clear outcome whether they are in the table.
        """
        rows, bad = self._assemble(block)
        if bad:
            self._give_up(block, bad)
            good = [row for row in range(len(rows)) if row not in bad]
            rows, block = rows.take(pa.array(good, pa.int64())), block.take(good)  # a list may be empty
        self._append(rows, block, arrived)

    def _append(self, rows: pa.Table, block: Block, arrived: Callable[[pa.Table], bool]) -> None:
        if not len(rows):
            return
        try:
            self.destination.load(self.target, rows, lambda: arrived(rows))
        except NotFound:
            logger.warning("%s was removed: making it again", self.target)
            self._ensure(self._key_names)
            self._append(rows, block, arrived)
        except Refused as refused:
            if len(rows) == 1:
                self._give_up(block, {0: f"BigQuery refuses it: {refused}"})
                return
            # Find the rows that it refuses. In order: what is loaded must have nothing missing before it.
            half = len(rows) // 2
            self._append(rows.slice(0, half), block.take(range(half)), arrived)
            self._append(rows.slice(half), block.take(range(half, len(rows))), arrived)
        else:
            self.rows_written += len(rows)

    def _is_there(self, rows: pa.Table) -> bool:
        number, _ = self.destination.newest(self.target)
        last = _mark(rows[METADATA][-1]).change_sequence_number
        return number is not None and last is not None and number >= last

    def _assemble(self, block: Block) -> tuple[pa.Table, dict[int, str]]:
        """Rows for BigQuery in its order of columns; and the rows that have no counterpart, with the reason."""
        by_name = dict(zip(self.source_names, block.texts, strict=True))
        arrays, names, bad = [], [], {}
        for column in self._columns:
            names.append(column.name)
            if column.name == METADATA:
                arrays.append(block.metadata)
            elif column.name in by_name:
                column_type = self._types[column.name]
                array, failures = convert(column_type, by_name[column.name])
                for row, reason in failures.items():
                    bad.setdefault(row, f"{column.name}: {reason}")
                if values := block.fetched.get(column.name):
                    kept = array.to_pylist()
                    array = pa.array([values.get(row, value) for row, value in enumerate(kept)], column_type.arrow)
                arrays.append(array)
            else:  # the source has it no longer
                arrays.append(pa.nulls(len(block.metadata), of_bigquery(column.bigquery).arrow))
        return pa.table(arrays, names=names), bad

    def _block(self, changes: Sequence[Change]) -> Block:
        columns = list(zip(*(change.values for change in changes), strict=True))
        fetched = _fetched(self.source_names, columns) if any(change.completed for change in changes) else {}
        marks = metadata(
            _uuids(len(changes)),
            [change.timestamp_ms for change in changes],
            [str(change.position) for change in changes],
            [change.change_type for change in changes],
        )
        return Block([_texts(column) for column in columns], marks, fetched)

    def _give_up(self, block: Block, reasons: Mapping[int, str]) -> None:
        letters = []
        for row, reason in sorted(reasons.items()):
            mark = _mark(block.metadata[row])
            texts = [column[row].as_py() for column in block.texts]
            event = {
                "table": self.target,
                "position": mark.change_sequence_number,
                "change_type": mark.change_type,
                "values": self._masked(texts),
            }
            # Of what is masked: an id made of clear values could be guessed back to them.
            identity = sha256(json.dumps(event).encode()).hexdigest()[:32]
            event["source_timestamp"] = mark.source_timestamp
            letters.append((identity, event, f"{reason}. {self._where_to_look(texts)}"))
        self.dead_letters.add(letters)

    def _masked(self, texts: Sequence[str | None]) -> dict[str, Any]:
        """The values of a row by column: the key's as they are, of any other its type and length.

        Which columns hold personal data the stream does not know, and who may read dead letters may not read those.
        """
        return {
            name: text
            if text is None or index in self.key
            else {"type": self._types[name].bigquery, "characters": len(text)}
            for index, (name, text) in enumerate(zip(self.source_names, texts, strict=True))
        }

    def _where_to_look(self, texts: Sequence[str | None]) -> str:
        if not self.key:
            return "Its values are masked, and the table has no key to find the row by"
        table = sql.Identifier(self.name.schema, self.name.table)
        key = [
            sql.SQL("{} = {}").format(sql.Identifier(self.source_names[i]), sql.Literal(texts[i]))
            for i in self.key
        ]
        row = sql.SQL("SELECT * FROM {} WHERE {}").format(table, sql.SQL(" AND ").join(key))
        return f"Its values are masked; at the source, {row.as_string()} shows what the row is now"

    def _complete(self, changes: list[Change]) -> tuple[list[Change], list[tuple[Change, str]]]:
        """Put in the values that the log left out, from the rows' last versions.

        Those are earlier in the batch, or in BigQuery, which has all changes before the batch. Only for a row that
        was never written (backfillNone) the source is asked; it may have gone on since.
        """
        if not any(UNCHANGED in change.values for change in changes):
            return changes, []
        stored = self._stored_versions([change for change in changes if UNCHANGED in change.values])
        latest: dict[tuple[Value, ...], list[Any]] = {}
        known, lost = [], []
        for change in changes:
            values = change.values
            if UNCHANGED in values:
                before = latest.get(change.previous_key or ()) or stored.get(change.previous_key or ())
                if before is None and change.previous_key is not None:
                    before = self._current_row(change.previous_key)
                if before is None:
                    name = self.source_names[values.index(UNCHANGED)]
                    lost.append(
                        (change, f"{name}: not in the log, and its row is neither in BigQuery nor in the source")
                    )
                    continue
                values = [old if value is UNCHANGED else value for value, old in zip(values, before, strict=True)]
                change = change._replace(values=values, completed=True)
            known.append(change)
            key = tuple(values[i] for i in self.key)
            if change.change_type not in DELETES:  # a row is looked up by the key that it had before
                latest[key] = values
        return known, lost

    def _current_row(self, key: tuple[Value, ...]) -> list[Any] | None:
        names = dict(zip([self.source_names[i] for i in self.key], key, strict=True))
        return self.source.row(self.name, names, self.source_names) if names else None

    def _stored_versions(self, changes: Sequence[Change]) -> dict[tuple[Value, ...], list[Any]]:
        texts = {change.previous_key for change in changes if change.previous_key}
        if not texts or not self.key:
            return {}
        by_name = {column.name: column for column in self._columns}
        key = [by_name[self.source_names[i]] for i in self.key]
        keys = sorted(texts)  # type: ignore[type-var] - a key has no null and no unchanged value
        typed = [
            convert(self._types[column.name], _texts([values[i] for values in keys]))[0].to_pylist()
            for i, column in enumerate(key)
        ]
        missing = {i for change in changes for i, value in enumerate(change.values) if value is UNCHANGED}
        columns = [by_name[self.source_names[i]] for i in sorted(missing)]
        rows = self.destination.latest(self.target, key, zip(*typed, strict=True), columns)
        found: dict[tuple[Value, ...], list[Any]] = {}
        for text, values in zip(keys, zip(*typed, strict=True), strict=True):
            if row := rows.get(values):
                found[text] = [Fetched(row[name]) if name in row else None for name in self.source_names]
        return found


def metadata(
    uuids: pa.Array, timestamps_ms: Sequence[int], numbers: Sequence[str], kinds: Sequence[str]
) -> pa.Array:
    """The column that Datastream adds."""
    count = len(numbers)
    timestamps = pa.array(timestamps_ms, pa.int64())
    pairs = chain.from_iterable(zip(timestamps.cast(pa.string()).to_pylist(), numbers, strict=True))
    sort_keys = pa.ListArray.from_arrays(
        pa.array(range(0, 2 * count + 1, 2), pa.int32()), pa.array(pairs, pa.string())
    )
    arrays = {
        "uuid": uuids,
        "source_timestamp": timestamps,
        "change_sequence_number": pa.array(numbers, pa.string()),
        "change_type": pa.array(kinds, pa.string()),
        "sort_keys": sort_keys,
    }
    columns = [_arrow_field(column) for column in METADATA_SCHEMA["fields"]]
    return pa.StructArray.from_arrays([arrays[column.name] for column in columns], fields=columns)


def _arrow_field(column: dict[str, Any]) -> pa.Field:
    arrow = of_bigquery(column["type"]).arrow
    return pa.field(column["name"], pa.list_(arrow) if column["mode"] == "REPEATED" else arrow)


def _mark(metadata: pa.StructScalar) -> DatastreamMetadata:
    """The column's value in one row."""
    return DatastreamMetadata(**metadata.as_py())


def _uuids(count: int) -> pa.Array:
    """Random ones of version 4, as a column: one by one they would take longer than all else here together."""
    digits = np.frombuffer(os.urandom(16 * count).hex().encode(), np.uint8).reshape(count, 32)
    letters = np.full((count, 36), ord("-"), np.uint8)
    for start, end, offset in ((0, 8, 0), (8, 12, 1), (12, 16, 2), (16, 20, 3), (20, 32, 4)):
        letters[:, start + offset : end + offset] = digits[:, start:end]
    letters[:, 14], letters[:, 19] = ord("4"), ord("a")
    offsets = np.arange(0, 36 * count + 1, 36, dtype=np.int32)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(letters))


def _fetched(names: Sequence[str], columns: list[tuple[Any, ...]]) -> dict[str, dict[int, Any]]:
    """Take the values that are BigQuery's already out of the columns, by column and row."""
    taken: dict[str, dict[int, Any]] = {}
    for i, (name, column) in enumerate(zip(names, columns, strict=True)):
        taken[name] = {row: value.value for row, value in enumerate(column) if isinstance(value, Fetched)}
        if taken[name]:
            columns[i] = tuple(None if isinstance(value, Fetched) else value for value in column)
    return taken


def _texts(values: Sequence[Value]) -> pa.Array:
    return pa.array(values, pa.binary()).cast(pa.string())
