"""The PostgreSQL side: what is published, whether it may be read, and the changes from the replication slot."""

import select
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import pq, sql
from psycopg.conninfo import make_conninfo
from psycopg.pq.abc import PGconn

from omnipipe.laptop.services.datastream.config import Config, TableName
from omnipipe.laptop.services.datastream.pgoutput import Value
from omnipipe.laptop.services.datastream.types import SESSION_SETTINGS, PgType

_EPOCH_OFFSET_US = 946_684_800_000_000  # 2000-01-01, where PostgreSQL counts from
_DATA_HEADER_BYTES = 25
_KEEPALIVE = struct.Struct(">xQq?").unpack
# Without it a slow destination would cost the connection; on a Unix socket a dead peer is noticed anyway.
_STREAM_SETTINGS = {"wal_sender_timeout": "0"}


@dataclass(frozen=True)
class PublishedColumn:
    """A published column as it is now."""

    name: str
    type_oid: int
    type_modifier: int


@dataclass(frozen=True)
class PublishedTable:
    """A published table as it is now. ``key`` is its primary key, empty without one."""

    name: TableName
    columns: tuple[PublishedColumn, ...]
    key: tuple[str, ...]


class Source:
    """The database of a stream."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def connect(self) -> psycopg.Connection:
        """An ordinary connection, whose values come as the type mapping expects them."""
        return psycopg.connect(self._conninfo(SESSION_SETTINGS), autocommit=True)

    def problems(self) -> list[str]:
        """What Datastream would refuse to start with, one sentence each; empty when the stream can run."""
        config = self._config
        with self.connect() as connection:
            found = []
            (level,) = _row(connection, "SHOW wal_level")
            if level != "logical":
                found.append(
                    f"wal_level is {level}, Datastream needs logical: "
                    "set the database flag cloudsql.logical_decoding=on"
                )
            (replicates,) = _row(connection, "SELECT rolreplication FROM pg_roles WHERE rolname = current_user")
            if not replicates:
                found.append(f"the user {config.user} may not replicate: ALTER USER {config.user} REPLICATION")
            found += self._publication_problems(connection)
            slot = connection.execute(
                "SELECT plugin, database, wal_status FROM pg_replication_slots WHERE slot_name = %s", [config.slot]
            ).fetchone()
            if slot is None:
                found.append(
                    f"the replication slot {config.slot} does not exist: "
                    f"SELECT pg_create_logical_replication_slot('{config.slot}', 'pgoutput')"
                )
            else:
                plugin, database, wal_status = slot
                if plugin != "pgoutput":
                    found.append(f"the replication slot {config.slot} uses the plugin {plugin}, not pgoutput")
                if database != config.database:
                    found.append(f"the replication slot {config.slot} is of the database {database}")
                if wal_status == "lost":
                    found.append(f"the replication slot {config.slot} has lost its log: drop it and make it again")
            return found

    def _publication_problems(self, connection: psycopg.Connection) -> Iterator[str]:
        config = self._config
        publication = config.publication
        if not _row(connection, "SELECT EXISTS (SELECT FROM pg_publication WHERE pubname = %s)", publication)[0]:
            yield f"the publication {publication} does not exist: CREATE PUBLICATION {publication} FOR TABLE ..."
            return
        published = {table.name for table in self._published(connection)}
        for schema, table in config.include.tables if config.include else ():
            if table and TableName(schema, table) not in published:
                yield f"the table {schema}.{table} is not in the publication {publication}"
        wanted = [name for name in published if config.wants(name)]
        if not wanted:
            yield f"the publication {publication} holds none of the stream's tables"
        for name in sorted(wanted, key=str):
            table = sql.Identifier(name.schema, name.table).as_string(connection)
            (allowed,) = _row(connection, "SELECT has_table_privilege(%s, 'SELECT')", table)
            if config.wants_backfill(name) and not allowed:
                yield f"the user {config.user} may not read {name}: GRANT SELECT ON {name} TO {config.user}"

    def tables(self) -> list[PublishedTable]:
        """The tables of the stream, with the columns that it replicates."""
        with self.connect() as connection:
            return [table for table in self._published(connection) if self._config.wants(table.name)]

    def _published(self, connection: psycopg.Connection) -> list[PublishedTable]:
        rows = connection.execute(
            """
            SELECT p.schemaname, p.tablename,
                array_agg(a.attname::text ORDER BY a.attnum), array_agg(a.atttypid ORDER BY a.attnum),
                array_agg(a.atttypmod ORDER BY a.attnum),
                (SELECT array_agg(k.attname::text ORDER BY array_position(i.indkey::int2[], k.attnum))
                   FROM pg_index i JOIN pg_attribute k ON k.attrelid = c.oid AND k.attnum = ANY (i.indkey)
                  WHERE i.indrelid = c.oid AND i.indisprimary)
            FROM pg_publication_tables p
            JOIN pg_namespace n ON n.nspname = p.schemaname
            JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = ANY (p.attnames)
            WHERE p.pubname = %s
            GROUP BY p.schemaname, p.tablename, c.oid
            ORDER BY p.schemaname, p.tablename
            """,
            [self._config.publication],
        )
        tables = []
        for schema, table, names, types, modifiers, key in rows:
            name = TableName(schema, table)
            columns = (
                PublishedColumn(*column)
                for column in zip(names, types, modifiers, strict=True)
                if self._config.wants_column(name, column[0])
            )
            tables.append(PublishedTable(name, tuple(columns), tuple(key or ())))
        return tables

    def row(self, name: TableName, key: Mapping[str, Value], columns: Sequence[str]) -> list[bytes | None] | None:
        """The current values of a row as text, by its key; None when it is gone."""
        where = sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(column)) for column in key)
        query = sql.SQL("SELECT {} FROM {} WHERE {}").format(
            sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(name.schema, name.table), where
        )
        # Text without a type: PostgreSQL reads it as the column's.
        values = [value.decode() for value in key.values() if isinstance(value, bytes)]
        with self.connect() as connection:
            try:
                found = connection.execute(query, values).pgresult
            except psycopg.ProgrammingError:  # the table or a column of it is gone, or may not be read
                return None
            if found is None or found.ntuples == 0:
                return None
            return [found.get_value(0, i) for i in range(found.nfields)]

    def types(self) -> dict[int, PgType]:
        """The types of the database by their number."""
        with self.connect() as connection:
            rows = connection.execute(
                "SELECT oid, typname, typtype, typbasetype, typtypmod,"
                " CASE WHEN typcategory = 'A' AND typlen = -1 THEN typelem ELSE 0 END FROM pg_type"
            )
            return {row[0]: PgType(*row) for row in rows}

    @contextmanager
    def stream(self) -> Iterator["ChangeStream"]:
        """Read the slot from where PostgreSQL was last told that all is done.

        Raises psycopg.OperationalError when the server or the slot is not available now.
        """
        connection = pq.PGconn.connect(
            self._conninfo(SESSION_SETTINGS | _STREAM_SETTINGS, replication=True).encode()
        )
        try:
            if connection.status != pq.ConnStatus.OK:
                raise psycopg.OperationalError(connection.get_error_message())
            command = (
                f'START_REPLICATION SLOT "{self._config.slot}" LOGICAL 0/0 '
                f"(proto_version '1', publication_names {_quoted_name(self._config.publication)})"
            )
            result = connection.exec_(command.encode())
            if result.status != pq.ExecStatus.COPY_BOTH:
                raise psycopg.OperationalError(result.get_error_message())
            connection.nonblocking = 1
            yield ChangeStream(connection)
        finally:
            connection.finish()

    def _conninfo(self, settings: dict[str, str], *, replication: bool = False) -> str:
        config = self._config
        return make_conninfo(
            host=config.host,
            port=config.port,
            user=config.user,
            password=config.password,
            dbname=config.database,
            connect_timeout=10,
            application_name="datastream",
            options=" ".join(f"-c {name}={value}" for name, value in settings.items()),
            **({"replication": "database"} if replication else {}),
        )


class ChangeStream:
    """The slot's messages, without ever blocking on a read."""

    def __init__(self, connection: PGconn) -> None:
        self._connection = connection

    def available(self) -> Iterator[bytes | int]:
        """What has arrived: a message (bytes), or the position up to which there is nothing more (int).

        Ends when nothing is left to read now. Raises psycopg.OperationalError when the connection is gone.
        """
        connection = self._connection
        while True:
            length, data = connection.get_copy_data(1)
            if length == 0:
                connection.consume_input()
                length, data = connection.get_copy_data(1)
                if length == 0:
                    return
            if length < 0:
                raise psycopg.OperationalError(connection.get_error_message() or "the server ended the stream")
            raw = bytes(data)
            if raw[0] == 0x77:  # w
                yield raw[_DATA_HEADER_BYTES:]
            elif raw[0] == 0x6B:  # k
                yield _KEEPALIVE(raw)[0]

    def wait(self, timeout_s: float) -> bool:
        """Wait until something arrives, at most ``timeout_s`` seconds; whether it did."""
        return self._ready(select.POLLIN, timeout_s)

    def confirm(self, lsn: int, *, ask: bool = False) -> None:
        """Tell the server that all before a position is done, and, to ``ask``, have it say how far it is itself."""
        now_us = time.time_ns() // 1000 - _EPOCH_OFFSET_US
        self._connection.put_copy_data(struct.pack(">cQQQq?", b"r", lsn, lsn, lsn, now_us, ask))
        while self._connection.flush():
            self._ready(select.POLLOUT, 1)

    def _ready(self, event: int, timeout_s: float) -> bool:
        """Whether the connection's socket can be read or written within ``timeout_s`` seconds.

        ``poll`` and not ``select``, which takes no descriptor above 1023.
        """
        waiting = select.poll()
        waiting.register(self._connection.socket, event)
        return bool(waiting.poll(timeout_s * 1000))


def epoch_ms(microseconds: int) -> int:
    """Milliseconds since 1970 from PostgreSQL's microseconds since 2000."""
    return (microseconds + _EPOCH_OFFSET_US) // 1000


def is_permanent(error: psycopg.Error) -> bool:
    """Whether it will fail again: the server has answered, and does not let us in or has no changes for us."""
    text = str(error)
    if "does not exist" in text:
        return any(what in text for what in ("FATAL", "replication slot", "publication"))
    return any(what in text for what in ("password", "is not permitted to log in", "can no longer"))


def _row(connection: psycopg.Connection, query: str, *parameters: object) -> tuple:
    row = connection.execute(query.encode(), parameters or None).fetchone()
    assert row is not None, query  # noqa: S101 - these queries have a row always
    return row


def _quoted_name(name: str) -> str:
    return "'" + '"{}"'.format(name.replace('"', '""')).replace("'", "''") + "'"
