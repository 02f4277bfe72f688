"""Credentials for Google's client libraries, of who holds the key: the command's own, and Google's agents."""

from datetime import UTC, datetime, timedelta
from typing import Any

from google.auth.credentials import Credentials

from omnipipe.laptop.iam.tokens import CLOUD_PLATFORM, TOKEN_LIFETIME_S, Tokens


class LocalCredentials(Credentials):
    """Credentials of an account that need no metadata server."""

    def __init__(self, tokens: Tokens, email: str) -> None:
        super().__init__()
        self._tokens = tokens
        self._email = email

    def refresh(self, request: Any) -> None:
        """Take a new token."""
        self.token = self._tokens.issue(self._email, CLOUD_PLATFORM)
        # google-auth compares with a time without zone.
        self.expiry = (datetime.now(UTC) + timedelta(seconds=TOKEN_LIFETIME_S)).replace(tzinfo=None)
