"""The gate: who asks, whether they may, and Google's words when they may not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omnipipe.laptop.iam.bindings import Bindings
from omnipipe.laptop.iam.tokens import OWNER, InvalidToken, Tokens
from omnipipe.laptop.registry import Registry

# As Google's APIs answer; the texts end with a reference to the sign-in of web pages there.
_MISSING = (
    "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other "
    "valid authentication credential."
)
_INVALID = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential."
)


class Refused(Exception):
    """A request that is not answered. ``code`` is HTTP's; ``reason`` is that of the older APIs, such as BigQuery's."""

    def __init__(self, code: int, message: str, reason: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason

    @property
    def status(self) -> str:
        """The error's name in Google's APIs."""
        return {
            400: "INVALID_ARGUMENT",
            401: "UNAUTHENTICATED",
            403: "PERMISSION_DENIED",
            404: "NOT_FOUND",
            503: "UNAVAILABLE",
        }[self.code]

    def body(self, *, reasons: bool = False) -> dict[str, Any]:
        """The answer's JSON; ``reasons`` as the older APIs have them."""
        error: dict[str, Any] = {"code": self.code, "message": self.message, "status": self.status}
        if reasons:
            error["errors"] = [{"message": self.message, "domain": "global", "reason": self.reason}]
        return {"error": error}


@dataclass(frozen=True)
class Identity:
    """What a gate in another process reads: the registry's file, with the grants, and the file of the tokens' key."""

    registry: Path
    token_key: Path


class Gate:
    """Asks the bindings of a registry, which it reads again when they change."""

    def __init__(self, registry: Registry, tokens: Tokens, project: str) -> None:
        self._registry = registry
        self._tokens = tokens
        self._project = project
        self._known: tuple[tuple[int, ...] | None, Bindings] | None = None

    def caller(self, authorization: str | None) -> str:
        """Whose access token a request's Authorization header has. Raises Refused (401)."""
        token = bearer(authorization)
        if token is None:
            raise Refused(401, _MISSING, "required")
        try:
            return self._tokens.of_access(token)
        except InvalidToken as error:
            raise Refused(401, f"{_INVALID} ({error})", "authError") from error

    def bindings(self) -> Bindings:
        """The bindings as they are now. To make them takes a millisecond, so they are kept until something changes."""
        self._registry.refresh()
        stamp = self._registry.stamp  # before the bindings: what another thread reads meanwhile is asked again
        known = self._known
        if known is None or known[0] != stamp:
            self._known = known = stamp, Bindings(self._registry, self._project)
        return known[1]

    def require(self, email: str, permission: str, resource: str) -> None:
        """Raise Refused (403) if an account may not do something to a resource."""
        if email != OWNER and not self.bindings().allow(email, permission, resource):
            message = f"Permission '{permission}' denied on resource '{resource}' (or resource may not exist)."
            raise Refused(403, message, "forbidden")


def bearer(authorization: str | None) -> str | None:
    """The token of an Authorization header, if it has one."""
    kind, _, token = (authorization or "").partition(" ")
    return token.strip() if kind.lower() == "bearer" and token.strip() else None
