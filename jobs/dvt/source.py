"""The operational database as one moment shows it: a snapshot that goes on being the same while it is compared."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
from canonical import Column, postgres_checksum, postgres_hash
from psycopg import sql
from ranges import Bounds, Sum, Sums

from omnipipe.runtime import cloud_sql

_COLUMNS = """
    SELECT attname, CASE WHEN base.typtype = 'e' THEN 'enum' ELSE base.typname END,
      EXISTS (SELECT FROM pg_index WHERE indrelid = attrelid AND indisprimary AND attnum = ANY (indkey))
    FROM pg_attribute
    JOIN pg_type AS declared ON declared.oid = atttypid
    JOIN pg_type AS base ON base.oid = CASE declared.typtype WHEN 'd' THEN declared.typbasetype ELSE declared.oid END
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
    ORDER BY attnum
"""


class SourceUnreadable(RuntimeError):
    """The source cannot be compared with; the text says why and what to do."""


class Snapshot:
    """What a transaction sees, and where it is: ``position_ms`` by the source's clock, and in its log."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        # The snapshot is taken before the clock is read: what was committed later is not in it.
        ((self.position_ms, self._lsn),) = connection.execute(
            "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint, pg_current_wal_lsn()::text"
        ).fetchall()
        self._known: dict[Any, dict[int, Sum]] = {}
        self._read_at: float | None = None

    def columns(self, table: str) -> tuple[list[Column], str]:
        """The columns of a table, and its key. Raises SourceUnreadable for a table without a key of whole numbers."""
        found = self._connection.execute(_COLUMNS, [table]).fetchall()
        if not found:
            raise SourceUnreadable(f"{table} is not there any more, or its name is another one")
        key = [(name, type_) for name, type_, in_key in found if in_key]
        if len(key) != 1 or key[0][1] not in ("int2", "int4", "int8"):
            raise SourceUnreadable(
                f"{table} has the key ({', '.join(name for name, _ in key)}): only a key of one column of whole "
                "numbers can be compared by ranges"
            )
        return [Column(name, type_) for name, type_, _ in found], key[0][0]

    def has_values(self, table: str, column: str) -> bool:
        """Whether a row has a value in a column."""
        query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {} IS NOT NULL)").format(
            sql.Identifier(*table.split(".")), sql.Identifier(column)
        )
        return bool(self._connection.execute(query).fetchall()[0][0])

    def sums(self, table: str, key: str, columns: Sequence[Column], width: int, within: Bounds | None) -> Sums:
        """What each range of keys of this width holds; ``within`` are the keys that are looked at, or all."""
        asked = (table, width, within)
        if asked not in self._known:
            query = sql.SQL("SELECT {key} / {width}, count(*), sum({checksum})::bigint FROM {table} WHERE ")
            query = query.format(
                key=sql.Identifier(key),
                width=sql.Literal(width),
                checksum=postgres_checksum(columns),
                table=sql.Identifier(*table.split(".")),
            )
            found = self._connection.execute(query + _among(key, within) + sql.SQL(" GROUP BY 1"))
            self._known[asked] = {number: Sum(rows, checksum) for number, rows, checksum in found}
        return self._known[asked]

    def rows(
        self, table: str, key: str, columns: Sequence[Column], keys: Sequence[int]
    ) -> dict[int, tuple[str | None, ...]]:
        """Of some keys, the hash of each column's value; keys that are not there are left out."""
        hashes = sql.SQL(", ").join(postgres_hash(column) for column in columns)
        query = sql.SQL("SELECT {key}, {hashes} FROM {table} WHERE {key} = ANY (%s)").format(
            key=sql.Identifier(key), hashes=hashes, table=sql.Identifier(*table.split("."))
        )
        return {row[0]: row[1:] for row in self._connection.execute(query, [list(keys)])}

    def read_for_s(self, slot: str) -> float | None:
        """For how long the stream is known to have read all that the snapshot shows; None when it has not.

        Postgres shows slots as they are now, also to a snapshot.
        """
        if self._read_at is None:
            found = self._connection.execute(
                "SELECT confirmed_flush_lsn >= %s::pg_lsn FROM pg_replication_slots WHERE slot_name = %s",
                [self._lsn, slot],
            ).fetchone()
            self._read_at = time.monotonic() if found and found[0] else None
        return None if self._read_at is None else time.monotonic() - self._read_at


class Source:
    """The database that libpq's variables name, by a login that may read and no more: one snapshot for all checks."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._snapshot: Snapshot | None = None

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """The snapshot, taken when it is first asked for.

        Raises SourceUnreadable when there is no connection, or Postgres refuses a statement.
        """
        try:
            if self._snapshot is None:
                connection = self._open.enter_context(cloud_sql.connect())
                connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                connection.read_only = True
                self._snapshot = Snapshot(connection)
            yield self._snapshot
        except cloud_sql.NoToken as error:
            raise SourceUnreadable(str(error)) from error
        except psycopg.Error as error:
            self._snapshot = None  # the next check begins with another one
            raise SourceUnreadable(
                f"{' '.join(str(error).split())}. The job migrate lets this job's IAM user "
                f"{os.environ.get('PGUSER')} read"
            ) from error


def _among(key: str, within: Bounds | None) -> sql.Composable:
    if within is None:
        return sql.SQL("TRUE")
    parts = [
        sql.SQL("{} BETWEEN {} AND {}").format(sql.Identifier(key), sql.Literal(first), sql.Literal(last))
        for first, last in within
    ]
    return sql.SQL(" OR ").join(parts)
