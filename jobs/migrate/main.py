"""Cloud Run job: bring the operational Postgres to the state that the platform needs.

Applies schema.sql, lets the application and the replication user do their work and no more, and makes the
publication and the slot that change data capture reads. It may be run at any time, and again after it was killed
anywhere: all but the slot is one transaction, and the slot comes last, in one step.

It connects as an administrator by libpq's own variables (PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD). The others
are APP_USER, REPLICATION_USER, REPLICATION_PASSWORD, PUBLICATION and SLOT. The exit code is the result.
"""

import logging
import os
import sys
import time
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from omnipipe.runtime import log

SCHEMA_FILE = Path(__file__).resolve().parent / "schema.sql"
# A new instance, or a new address of it, takes a while until it answers.
_CONNECT_WITHIN_S = 60
_CONNECT_TIMEOUT_S = 5
# Waiting for others: another migrate, a writer that holds a table, a transaction that a new slot has to outlast.
_WAIT_S = 60
# Any number, the same for every migrate of a database: two at once would trip over each other.
_LOCK_ID = 7205759403792794

_log = logging.getLogger("migrate")


class MigrationFailed(RuntimeError):
    """The database cannot be brought to its state; the text says why and what to do."""


def main() -> int:
    """Run the job and return its exit code."""
    log.configure("migrate")
    try:
        migrate()
    except psycopg.errors.LockNotAvailable as error:
        _log.error("migrate failed: another migrate or a writer kept it waiting for %s s: %s", _WAIT_S, error)
        return 1
    except (MigrationFailed, psycopg.Error) as error:
        _log.error("migrate failed: %s", " ".join(str(error).split()))
        return 1
    return 0


def migrate() -> None:
    """Do the whole of it. Raises MigrationFailed, or psycopg.Error for what Postgres itself refuses."""
    app_user, replication_user = _environment("APP_USER"), _environment("REPLICATION_USER")
    password = _environment("REPLICATION_PASSWORD")
    publication, slot = _environment("PUBLICATION"), _environment("SLOT")
    with _connect() as admin:
        admin.autocommit = True
        _require_logical_decoding(admin)
        _set_timeouts(admin)
        admin.execute("SELECT pg_advisory_lock(%s)", [_LOCK_ID])  # until this connection ends
        with admin.transaction():
            admin.execute(SCHEMA_FILE.read_bytes())
            tables = _tables(admin)
            _grant_application(admin, app_user)
            _ensure_replication_user(admin, replication_user, password)
            _ensure_publication(admin, publication, tables)
        _log.info("schema, grants and the publication of %s are in place", ", ".join(tables))
        # Datastream reads the slot as the replication user, so that user makes it: a wrong grant shows here.
        with _connect(user=replication_user, password=password) as replication:
            replication.autocommit = True
            _set_timeouts(replication)
            _ensure_slot(replication, slot)


def _environment(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise MigrationFailed(f"the environment variable {name} is not set: the job's component must give it")
    return value


def _connect(**parameters: Any) -> psycopg.Connection:
    """Connect, waiting for a server that is not there yet. ``parameters`` go before libpq's variables."""
    deadline = time.monotonic() + _CONNECT_WITHIN_S
    while True:
        try:
            return psycopg.connect("", connect_timeout=_CONNECT_TIMEOUT_S, **parameters)
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise MigrationFailed(f"no connection within {_CONNECT_WITHIN_S} s: {error}") from error
            _log.warning("no connection yet: %s", " ".join(str(error).split()))
            time.sleep(1)


def _set_timeouts(connection: psycopg.Connection) -> None:
    connection.execute("SELECT set_config('lock_timeout', %s, false)", [f"{_WAIT_S}s"])


def _require_logical_decoding(admin: psycopg.Connection) -> None:
    (level,) = _row(admin, "SHOW wal_level")
    if level != "logical":
        raise MigrationFailed(
            f"wal_level is {level}, so changes cannot be captured: set the flag cloudsql.logical_decoding=on on "
            "the instance (elsewhere wal_level=logical), which restarts it"
        )


def _tables(admin: psycopg.Connection) -> list[str]:
    """Return the names of the tables of schema public, all of which are captured."""
    found = admin.execute(
        """
        SELECT relname, EXISTS (SELECT FROM pg_index WHERE indrelid = pg_class.oid AND indisprimary)
        FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
        ORDER BY relname
        """
    ).fetchall()
    for name, has_key in found:
        if not has_key:  # once published, Postgres would refuse every update and delete of it
            raise MigrationFailed(f"public.{name} has no primary key and cannot be captured: give it one")
    return [name for name, _ in found]


def _grant_application(admin: psycopg.Connection, user: str) -> None:
    """Let the application read and write rows; UPDATE on a sequence is for setval, after a load with given keys."""
    for statement in (
        "GRANT USAGE ON SCHEMA public TO {}",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {}",
        "GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO {}",
    ):
        admin.execute(sql.SQL(statement).format(sql.Identifier(user)))


def _ensure_replication_user(admin: psycopg.Connection, user: str, password: str) -> None:
    role = sql.Identifier(user)
    if not _row(admin, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", user)[0]:
        admin.execute(sql.SQL("CREATE ROLE {}").format(role))
    # Only its hash travels: statements end up in logs.
    verifier = admin.pgconn.encrypt_password(password.encode(), user.encode(), b"scram-sha-256").decode()
    admin.execute(sql.SQL("ALTER ROLE {} LOGIN REPLICATION PASSWORD {}").format(role, sql.Literal(verifier)))
    admin.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(role))
    admin.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}").format(role))


def _ensure_publication(admin: psycopg.Connection, publication: str, tables: list[str]) -> None:
    name = sql.Identifier(publication)
    listed = sql.SQL(", ").join(sql.Identifier("public", table) for table in tables)
    found = admin.execute("SELECT puballtables FROM pg_publication WHERE pubname = %s", [publication]).fetchone()
    if found is None:
        admin.execute(sql.SQL("CREATE PUBLICATION {} FOR TABLE {}").format(name, listed))
        return
    published = admin.execute(
        "SELECT schemaname, tablename FROM pg_publication_tables WHERE pubname = %s", [publication]
    )
    # Only when it differs: it takes a lock on each table.
    if set(published) != {("public", table) for table in tables}:
        admin.execute(sql.SQL("ALTER PUBLICATION {} SET TABLE {}").format(name, listed))


def _ensure_slot(replication: psycopg.Connection, slot: str) -> None:
    found = replication.execute(
        "SELECT plugin, database, database = current_database(), wal_status FROM pg_replication_slots"
        " WHERE slot_name = %s",
        [slot],
    ).fetchone()
    if found is None:
        replication.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [slot])
        _log.info("the replication slot %s is made: from here on, changes are kept for it", slot)
        return
    plugin, database, is_here, wal_status = found
    if plugin != "pgoutput" or not is_here:
        raise MigrationFailed(
            f"there is another slot {slot}, with the plugin {plugin} on the database {database}: drop it, or choose "
            "another name"
        )
    if wal_status == "lost":
        raise MigrationFailed(
            f"the slot {slot} is lost: it fell behind by more than max_slot_wal_keep_size. Drop it, run migrate "
            "again and backfill the stream's tables"
        )


def _row(connection: psycopg.Connection, query: LiteralString, *parameters: str) -> tuple:
    found = connection.execute(query, parameters).fetchone()
    if found is None:
        raise MigrationFailed(f"Postgres answered nothing to: {query}")
    return found


if __name__ == "__main__":
    sys.exit(main())
