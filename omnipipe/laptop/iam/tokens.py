"""Tokens: JSON Web Tokens signed with this home's own key. Whoever has the key is who they say."""

import hmac
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

import jwt

from omnipipe.laptop.home import write_text

TOKEN_LIFETIME_S = 3600
CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
# The person at the keyboard: who deploys, queries and starts runs by the command.
OWNER = "owner@laptop.invalid"
_SCOPE = "https://www.googleapis.com/auth/"


class InvalidToken(Exception):
    """A token that is not ours, over, or for something else. The text says which."""


class Tokens:
    """Issues tokens, and says whose one is. The key is made once and kept in a file of mode 0600."""

    def __init__(self, key_file: Path) -> None:
        if not key_file.exists():
            draft = key_file.with_name(f".{key_file.name}.{secrets.token_hex(8)}")
            write_text(draft, secrets.token_hex(32), mode=0o600)
            with suppress(FileExistsError):  # the processes of a cloud start at once: the first one's key counts
                os.link(draft, key_file)
            draft.unlink()
        self._key = key_file.read_text()

    def issue(self, email: str, audience: str) -> str:
        """A token of an account for an audience: a service's address, or scopes."""
        now = int(time.time())
        claims = {"iss": "omnipipe-laptop", "sub": email, "email": email, "aud": audience}
        return jwt.encode(claims | {"iat": now, "exp": now + TOKEN_LIFETIME_S}, self._key, "HS256")

    def owner(self) -> str:
        """An access token of the person at the keyboard."""
        return self.issue(OWNER, CLOUD_PLATFORM)

    def refresh_token(self) -> str:
        """What the owner's credentials file holds, for new access tokens; the same as long as the key is."""
        return hmac.new(self._key.encode(), OWNER.encode(), "sha256").hexdigest()

    def of_access(self, token: str) -> str:
        """Whose access token this is, by e-mail address. Raises InvalidToken, also for an identity token."""
        claims = self._claims(token)
        if not claims["aud"].startswith(_SCOPE):
            raise InvalidToken("it is an identity token: Google's APIs take an access token")
        return claims["email"]

    def of_identity(self, token: str, audience: str) -> str:
        """Whose identity token for an audience this is. Raises InvalidToken, also for one for another audience."""
        claims = self._claims(token)
        if claims["aud"].rstrip("/") != audience.rstrip("/"):
            raise InvalidToken(f"its audience is {claims['aud']}, not {audience}")
        return claims["email"]

    def _claims(self, token: str) -> dict[str, str]:
        try:
            # The audience is compared by the callers: an access token's is not one that they know beforehand.
            return jwt.decode(
                token, self._key, ["HS256"], options={"require": ["aud", "email", "exp"], "verify_aud": False}
            )
        except jwt.InvalidTokenError as error:
            raise InvalidToken(str(error)) from error
