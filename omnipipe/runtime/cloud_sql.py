"""Logging in to Cloud SQL as an IAM user: the password is an access token of the workload's own account.

https://cloud.google.com/sql/docs/postgres/iam-logins. The token travels in clear within the connection, so ask libpq
for an encrypted one (``sslmode=require``; on a Unix socket it means nothing).
"""

import time

import google.auth
import psycopg
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request

LOGIN_SCOPE = "https://www.googleapis.com/auth/sqlservice.login"
_CONNECT_TIMEOUT_S = 10
# Before a further attempt: a failover of the instance is over by then, or takes a person.
_PAUSES_S = (1, 2, 4)


class NoToken(RuntimeError):
    """Google gives no access token; the text says why."""


def login_token() -> str:
    """A token that is good for logging in to Cloud SQL and for nothing else. Raises NoToken."""
    try:
        credentials, _ = google.auth.default(scopes=[LOGIN_SCOPE])
        credentials.refresh(Request())
    except GoogleAuthError as error:
        raise NoToken(f"Google gives no access token to log in with: {error}") from error
    return credentials.token


def connect(*, autocommit: bool = False) -> psycopg.Connection:
    """Connect to the database that libpq's variables name, as the IAM user PGUSER; four attempts within seconds.

    Raises NoToken, and psycopg.OperationalError for the last attempt.
    """
    for pause_s in _PAUSES_S:
        try:
            return _connect(autocommit)
        except psycopg.OperationalError:
            time.sleep(pause_s)
    return _connect(autocommit)


def _connect(autocommit: bool) -> psycopg.Connection:
    return psycopg.connect(
        "",
        password=login_token(),
        sslmode="require",  # libpq ignores it on a Unix socket
        connect_timeout=_CONNECT_TIMEOUT_S,
        autocommit=autocommit,
    )
