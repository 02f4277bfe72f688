"""Logging in to Cloud SQL as an IAM user: the password is an access token of the workload's own account.

https://cloud.google.com/sql/docs/postgres/iam-logins. The token travels in clear within the connection, so ask libpq
for an encrypted one (``sslmode=require``; on a Unix socket it means nothing).
"""

import google.auth
from google.auth.transport.requests import Request

LOGIN_SCOPE = "https://www.googleapis.com/auth/sqlservice.login"


def login_token() -> str:
    """A token that is good for logging in to Cloud SQL and for nothing else. Raises google.auth's GoogleAuthError."""
    credentials, _ = google.auth.default(scopes=[LOGIN_SCOPE])
    credentials.refresh(Request())
    return credentials.token
