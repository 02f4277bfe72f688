"""One table on its way: changes of the source become rows of BigQuery."""

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from typing import Any, NamedTuple

import pyarrow as pa
from google.api_core.exceptions import NotFound

from omnipipe.laptop.datastream.config import Layout, TableName
from omnipipe.laptop.datastream.deadletters import DeadLetters
from omnipipe.laptop.datastream.destination import METADATA, Column, Destination, Refused
from omnipipe.laptop.datastream.pgoutput import UNCHANGED, Value
from omnipipe.laptop.datastream.types import ColumnType, convert, of_bigquery

logger = logging.getLogger(__name__)

# Datastream's limit for one event.
EVENT_LIMIT_BYTES = 20 * 1024 * 1024
_METADATA_TYPE = pa.struct(
    [
        ("uuid", pa.string()),
        ("source_timestamp", pa.int64()),
        ("change_sequence_number", pa.string()),
        ("change_type", pa.string()),
        ("sort_keys", pa.list_(pa.string())),
    ]
)


class Fetched(NamedTuple):
    """A value that the log did not hold, as it is in BigQuery."""

    value: Any


class Position(NamedTuple):
    """Where a change is in the order of all changes."""

    commit_lsn: int
    ordinal: int  # in the transaction, from 1; a backfill is 0

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


@dataclass
class TargetTable:
    """A table of the source, its counterpart in BigQuery, and the changes that are not written yet."""

    name: TableName
    target: str
    layout: Layout
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

    def flush(self) -> int:
        """Write what is pending, in order; how many rows that was."""
        changes = self.pending
        if not changes:
            return 0
        known, lost = self._complete(changes)
        self.give_up(lost)
        texts = [_texts([change.values[i] for change in known]) for i in range(len(self.source_names))]
        fetched = {
            name: {
                row: change.values[i].value for row, change in enumerate(known) if _is_fetched(change.values[i])
            }
            for i, name in enumerate(self.source_names)
        }
        table, bad = self.assemble(texts, _metadata(known), fetched)
        if bad:
            self.give_up([(known[row], reason) for row, reason in sorted(bad.items())])
            good = [row for row in range(len(known)) if row not in bad]
            table, known = table.take(good), [known[row] for row in good]
        self._load(table, known)
        self.pending = []
        self.written_to = changes[-1].position
        self.newest_ms = max(self.newest_ms, changes[-1].timestamp_ms)
        self.rows_written += len(known)
        return len(changes)

    def assemble(
        self, texts: Sequence[pa.Array], metadata: pa.Array, fetched: dict[str, dict[int, Any]] | None = None
    ) -> tuple[pa.Table, dict[int, str]]:
        """Rows for BigQuery in its order of columns; and the rows that have no counterpart, with the reason."""
        by_name = dict(zip(self.source_names, texts, strict=True))
        arrays, names, bad = [], [], {}
        for column in self._columns:
            names.append(column.name)
            if column.name == METADATA:
                arrays.append(metadata)
            elif column.name in by_name:
                column_type = self._types[column.name]
                array, failures = convert(column_type, by_name[column.name])
                for row, reason in failures.items():
                    bad.setdefault(row, f"{column.name}: {reason}")
                if values := (fetched or {}).get(column.name):
                    kept = array.to_pylist()
                    array = pa.array([values.get(row, value) for row, value in enumerate(kept)], column_type.arrow)
                arrays.append(array)
            else:  # the source has it no longer
                arrays.append(pa.nulls(len(metadata), of_bigquery(column.bigquery).arrow))
        return pa.table(arrays, names=names), bad

    def _load(self, table: pa.Table, changes: Sequence[Change]) -> None:
        if not changes:
            return
        last = changes[-1].position

        def arrived() -> bool:
            number, _ = self.destination.newest(self.target)
            return number is not None and Position.parse(number) >= last

        try:
            self.destination.load(self.target, table, arrived)
        except NotFound:
            logger.warning("%s was removed: making it again", self.target)
            self._ensure(self._key_names)
            self._load(table, changes)
        except Refused as refused:
            if len(changes) == 1:
                self.give_up([(changes[0], f"BigQuery refuses it: {refused}")])
                return
            # Find the rows that it refuses. In order: what is loaded must have nothing missing before it.
            half = len(changes) // 2
            for start, end in pairwise([0, half, len(changes)]):
                self._load(table.slice(start, end - start), changes[start:end])

    def _complete(self, changes: list[Change]) -> tuple[list[Change], list[tuple[Change, str]]]:
        """Put in the values that the log left out, from the rows' last versions.

        Those are earlier in the batch, or in BigQuery, which has all changes before the batch.
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
                if before is None:
                    missing = self.source_names[values.index(UNCHANGED)]
                    lost.append(
                        (change, f"{missing}: the log does not hold its value, and no earlier row is known")
                    )
                    continue
                values = [old if value is UNCHANGED else value for value, old in zip(values, before, strict=True)]
                change = change._replace(values=values)
            known.append(change)
            key = tuple(values[i] for i in self.key)
            if change.change_type.endswith("DELETE"):
                latest.pop(key, None)
            else:
                latest[key] = values
        return known, lost

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

    def give_up(self, changes: Sequence[tuple[Change, str]]) -> None:
        """Keep changes that cannot be written as dead letters, each with the reason."""
        self.dead_letters.add([self._letter(change, reason) for change, reason in changes])

    def _letter(self, change: Change, reason: str) -> tuple[str, dict[str, Any], str]:
        values = {
            name: value.decode(errors="replace") if isinstance(value, bytes) else getattr(value, "value", None)
            for name, value in zip(self.source_names, change.values, strict=True)
        }
        event: dict[str, Any] = {
            "table": self.target,
            "change_type": change.change_type,
            "position": str(change.position),
        }
        event["values"] = values
        identity = sha256(json.dumps(event).encode()).hexdigest()[:32]
        return identity, event | {"source_timestamp": change.timestamp_ms}, reason


def metadata(uuids: list[str], timestamps_ms: list[int], numbers: list[str], kinds: list[str]) -> pa.Array:
    """The column that Datastream adds."""
    sort_keys = [[str(timestamp), number] for timestamp, number in zip(timestamps_ms, numbers, strict=True)]
    columns = (uuids, timestamps_ms, numbers, kinds, sort_keys)
    arrays = [pa.array(values, part.type) for values, part in zip(columns, _METADATA_TYPE, strict=True)]
    return pa.StructArray.from_arrays(arrays, fields=list(_METADATA_TYPE))


def _metadata(changes: Sequence[Change]) -> pa.Array:
    return metadata(
        _uuids(len(changes)),
        [change.timestamp_ms for change in changes],
        [str(change.position) for change in changes],
        [change.change_type for change in changes],
    )


def _uuids(count: int) -> list[str]:
    # Random ones; the uuid module takes longer for them than everything else here together.
    digits = os.urandom(16 * count).hex()
    return [
        f"{digits[i : i + 8]}-{digits[i + 8 : i + 12]}-4{digits[i + 13 : i + 16]}-a{digits[i + 17 : i + 20]}"
        f"-{digits[i + 20 : i + 32]}"
        for i in range(0, 32 * count, 32)
    ]


def _texts(values: Sequence[Any]) -> pa.Array:
    return pa.array([value if isinstance(value, bytes) else None for value in values], pa.binary()).cast(
        pa.string()
    )


def _is_fetched(value: Any) -> bool:
    return isinstance(value, Fetched)
