"""Cloud Run job: bring the operational Postgres to the state that the platform needs.

Applies schema.sql and platform.sql, makes the logins of the application and of the replication user, lets them do their
work and no more, makes the publication and the slot that change data capture reads, and drops those of ours that
nothing reads any more. It may be run at any time, and again after it was killed anywhere: logins, tables, grants and
the publication are one transaction, and the slots come after it.

It connects to PGHOST, PGPORT, PGDATABASE (libpq's variables) as the IAM user PGUSER. The others are APP_USER,
APP_PASSWORD, REPLICATION_USER, REPLICATION_PASSWORD, PUBLICATION and SLOT, and two IAM users who are there already:
HEARTBEAT_USER writes the heartbeat, READING_USER reads what is captured. The exit code is the result.
"""

import logging
import sys
from pathlib import Path
from typing import LiteralString

import psycopg
from database import WAIT_S, MigrationFailed, connect_as_iam_user, connect_with_password, environment, row, words
from ownership import become_administrator, become_owner, ensure_owner, require_ownership
from psycopg import sql
from slots import drop_orphan_publications, drop_orphan_slots, ensure_slot

from omnipipe.runtime import log

SCHEMA_FILES = [Path(__file__).resolve().parent / name for name in ("schema.sql", "platform.sql")]
HEARTBEAT = "heartbeat"
# Any number, the same for every migrate of a database: two at once would trip over each other.
_LOCK_ID = 7205759403792794

_log = logging.getLogger("migrate")


def main() -> int:
    """Run the job and return its exit code."""
    log.configure("migrate")
    try:
        migrate()
    except psycopg.errors.LockNotAvailable as error:
        _log.error(
            "migrate failed: another migrate or a writer kept it waiting for %s s: %s", WAIT_S, words(error)
        )
        return 1
    except psycopg.Error as error:
        _log.error("migrate failed: %s", words(error))
        return 1
    except MigrationFailed as error:
        _log.error("migrate failed: %s", " ".join(str(error).split()))
        return 1
    return 0


def migrate() -> None:
    """Do the whole of it. Raises MigrationFailed, or psycopg.Error for what Postgres itself refuses."""
    app_user, replication_user = environment("APP_USER"), environment("REPLICATION_USER")
    app_password, replication_password = environment("APP_PASSWORD"), environment("REPLICATION_PASSWORD")
    publication, slot = environment("PUBLICATION"), environment("SLOT")
    heartbeat_user, reading_user = environment("HEARTBEAT_USER"), environment("READING_USER")
    with connect_as_iam_user() as admin:
        _require_logical_decoding(admin)
        admin.execute("SELECT pg_advisory_lock(%s)", [_LOCK_ID])  # until this connection ends
        become_administrator(admin)
        ensure_owner(admin)
        require_ownership(admin, replication_user)
        with admin.transaction():
            _ensure_login(admin, app_user, app_password)
            _ensure_login(admin, replication_user, replication_password, "REPLICATION")
            become_owner(admin)
            for file in SCHEMA_FILES:
                admin.execute(file.read_bytes())
            tables = _tables(admin)
            _grant(admin, app_user, replication_user, heartbeat_user, reading_user)
            _ensure_publication(admin, publication, tables)
        _log.info("schema, grants and the publication of %s are in place", ", ".join(tables))
        # Datastream reads the slot as the replication user, so that user makes it: a wrong grant shows here.
        with connect_with_password(replication_user, replication_password) as replication:
            ensure_slot(replication, slot)
            if drop_orphan_slots(replication, slot):
                drop_orphan_publications(admin, publication)


def _require_logical_decoding(admin: psycopg.Connection) -> None:
    (level,) = row(admin, "SHOW wal_level")
    if level != "logical":
        raise MigrationFailed(
            f"wal_level is {level}, so changes cannot be captured: set the flag cloudsql.logical_decoding=on on "
            "the instance (elsewhere wal_level=logical), which restarts it"
        )


def _tables(owner: psycopg.Connection) -> list[str]:
    """Return the names of the tables of schema public, all of which are captured."""
    found = owner.execute(
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


def _grant(
    owner: psycopg.Connection, app_user: str, replication_user: str, heartbeat_user: str, reading_user: str
) -> None:
    """Let the application read and write its rows, two users read all of them, and one write the heartbeat.

    UPDATE on a sequence is for setval, after a load with given keys. An upsert reads the key.
    """
    heartbeat: LiteralString = f"public.{HEARTBEAT}"
    statements: list[tuple[LiteralString, str]] = [
        *(
            ("GRANT USAGE ON SCHEMA public TO {}", user)
            for user in (app_user, replication_user, heartbeat_user, reading_user)
        ),
        ("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {}", app_user),
        (f"REVOKE ALL ON {heartbeat} FROM {{}}", app_user),
        ("GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO {}", app_user),
        ("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}", replication_user),
        (f"GRANT SELECT, INSERT, UPDATE ON {heartbeat} TO {{}}", heartbeat_user),
        ("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}", reading_user),
    ]
    for statement, user in statements:
        owner.execute(sql.SQL(statement).format(sql.Identifier(user)))


def _ensure_login(admin: psycopg.Connection, user: str, password: str, attribute: LiteralString = "") -> None:
    """Make a user with a password, a member of nothing, or give it this password.

    Not by Cloud SQL's API, which makes each a member of cloudsqlsuperuser, who may become the owner of the tables.
    """
    role = sql.Identifier(user)
    if not row(admin, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", user)[0]:
        admin.execute(sql.SQL("CREATE ROLE {}").format(role))
    # Only its hash travels: statements end up in logs.
    verifier = admin.pgconn.encrypt_password(password.encode(), user.encode(), b"scram-sha-256").decode()
    try:
        admin.execute(
            sql.SQL("ALTER ROLE {} LOGIN PASSWORD {} ").format(role, sql.Literal(verifier)) + sql.SQL(attribute)
        )
    except psycopg.errors.InsufficientPrivilege as error:
        raise MigrationFailed(
            f"the role {user} is somebody else's, such as a user that Cloud SQL's API made ({error}). Delete it, after "
            f'`DROP OWNED BY "{user}"` as its maker if it has rights, and migrate again'
        ) from error


def _ensure_publication(owner: psycopg.Connection, publication: str, tables: list[str]) -> None:
    name = sql.Identifier(publication)
    listed = sql.SQL(", ").join(sql.Identifier("public", table) for table in tables)
    found = owner.execute("SELECT puballtables FROM pg_publication WHERE pubname = %s", [publication]).fetchone()
    if found is None:
        owner.execute(sql.SQL("CREATE PUBLICATION {} FOR TABLE {}").format(name, listed))
        return
    published = owner.execute(
        "SELECT schemaname, tablename FROM pg_publication_tables WHERE pubname = %s", [publication]
    )
    # Only when it differs: it takes a lock on each table.
    if set(published) != {("public", table) for table in tables}:
        owner.execute(sql.SQL("ALTER PUBLICATION {} SET TABLE {}").format(name, listed))


if __name__ == "__main__":
    sys.exit(main())
