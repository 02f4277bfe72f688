"""Connections to the database: as the IAM user who administers it, and with a password as the replication user."""

import logging
import os
import time
from collections.abc import Callable
from typing import LiteralString

import psycopg

from omnipipe.runtime import cloud_sql

# A new instance, a new address of it, or a new grant to log in takes a while until it works.
_CONNECT_WITHIN_S = 60
_CONNECT_TIMEOUT_S = 5
# Waiting for others: another migrate, a writer that holds a table, a transaction that a new slot has to outlast.
WAIT_S = 60

_log = logging.getLogger("migrate")


class MigrationFailed(RuntimeError):
    """The database cannot be brought to its state; the text says why and what to do."""


def environment(name: str) -> str:
    """A variable that the job's component gives. Raises MigrationFailed when it is missing."""
    value = os.environ.get(name)
    if not value:
        raise MigrationFailed(f"the environment variable {name} is not set: the job's component must give it")
    return value


def connect_as_iam_user() -> psycopg.Connection:
    """Connect as the IAM user PGUSER. Raises MigrationFailed when there is no token, or the login is refused."""
    user = environment("PGUSER")
    return _connect(user, _access_token)


def connect_with_password(user: str, password: str) -> psycopg.Connection:
    """Connect as a user of the database's own. Raises MigrationFailed when that does not work."""
    return _connect(user, lambda: password)


def row(connection: psycopg.Connection, query: LiteralString, *parameters: str) -> tuple:
    """The one row of a query."""
    found = connection.execute(query, parameters).fetchone()
    if found is None:
        raise MigrationFailed(f"Postgres answered nothing to: {query}")
    return found


def words(error: psycopg.Error) -> str:
    """What Postgres says of an error, for the log: without what quotes rows, which may be of persons.

    Its details do ("Key (email)=(…) is duplicated"), and so does the message itself of data that it cannot take.
    """
    message = error.diag.message_primary
    if message is None:  # not from the server: a connection's
        return " ".join(str(error).split())
    if (error.sqlstate or "").startswith(("22", "23")):
        place = [f"{name} {value}" for name, value in _places(error) if value]
        return (
            f"{type(error).__name__} ({error.sqlstate}): {', '.join(place) or 'the data in a table'} does not fit"
        )
    return " ".join(filter(None, (message, error.diag.message_hint)))


def _places(error: psycopg.Error) -> list[tuple[str, str | None]]:
    diag = error.diag
    return [("table", diag.table_name), ("column", diag.column_name), ("constraint", diag.constraint_name)]


def _connect(user: str, password: Callable[[], str]) -> psycopg.Connection:
    deadline = time.monotonic() + _CONNECT_WITHIN_S
    while True:
        try:
            connection = psycopg.connect(
                "",
                user=user,
                password=password(),
                sslmode="require",  # libpq ignores it on a Unix socket
                connect_timeout=_CONNECT_TIMEOUT_S,
                autocommit=True,
            )
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise MigrationFailed(_refusal(user, error)) from error
            _log.warning("no connection yet: %s", " ".join(str(error).split()))
            time.sleep(1)
        else:
            connection.execute("SELECT set_config('lock_timeout', %s, false)", [f"{WAIT_S}s"])
            return connection


def _access_token() -> str:
    try:
        return cloud_sql.login_token()
    except cloud_sql.NoToken as error:
        raise MigrationFailed(str(error)) from error


def _refusal(user: str, error: psycopg.OperationalError) -> str:
    text = f"no connection within {_CONNECT_WITHIN_S} s: {error}"
    # Cloud SQL says "Cloud SQL IAM service account authentication failed", and "password authentication failed" for a
    # name that no IAM user of the instance has.
    if "authentication failed" in str(error) and user == os.environ.get("PGUSER"):
        text += (
            f". PGUSER is {user}: it must be the job's service account without .gserviceaccount.com and an IAM user "
            "of the instance (sql.User of type CLOUD_IAM_SERVICE_ACCOUNT), the account needs "
            "roles/cloudsql.instanceUser, and the instance the flag cloudsql.iam_authentication=on"
        )
    return text
