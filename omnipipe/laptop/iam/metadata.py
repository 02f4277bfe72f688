"""The metadata server: it tells a workload its project and gives it tokens of its own service account.

A workload reaches it below its service account's name, so the server knows who asks without a registration:
``http://HOST/metadata/EMAIL/computeMetadata/v1/…``.
"""

import hmac
import threading
import time
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, abort, jsonify, request

from omnipipe.laptop.iam.bindings import ACCOUNT
from omnipipe.laptop.iam.control import asks_itself
from omnipipe.laptop.iam.tokens import CLOUD_PLATFORM, TOKEN_LIFETIME_S, Tokens
from omnipipe.laptop.registry import Registry

_RENEW_S = 300


class HeldTokens:
    """Access tokens that are given out again until five minutes before their end, as Google's metadata server does."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._held: dict[tuple[str, str], tuple[str, float]] = {}
        self._lock = threading.Lock()

    def get(self, email: str, scopes: str) -> tuple[str, float]:
        """A token, and when it ends, in seconds since 1970."""
        with self._lock:
            token, expires = self._held.get((email, scopes), ("", 0.0))
            if expires - time.time() < _RENEW_S:
                expires = time.time() + TOKEN_LIFETIME_S
                token = self._tokens.issue(email, scopes)
                self._held[email, scopes] = token, expires
            return token, expires


def blueprint(
    project: str,
    tokens: Tokens,
    registry: Registry,
    on_access_token: Callable[[str, str, str, float], None],
) -> Blueprint:
    """The server's routes, for the service accounts of a registry.

    ``on_access_token`` is told of each access token that is given out: the account, the scopes, the token, its end.
    """
    held = HeldTokens(tokens)
    routes = Blueprint("metadata", __name__, url_prefix="/metadata/<email>")

    @routes.url_value_preprocessor
    def known_account(endpoint: str | None, values: dict[str, Any] | None) -> None:
        registry.refresh()
        known = {account.outputs["email"] for account in registry.of_type(ACCOUNT)}
        if values is None or values["email"] not in known:
            abort(404, "no such service account")

    @routes.after_request
    def flavor(response: Response) -> Response:
        response.headers["Metadata-Flavor"] = "Google"
        return response

    @routes.get("/")
    @asks_itself
    def root(email: str) -> str:
        return "computeMetadata/\n"

    @routes.get("/computeMetadata/v1/project/project-id")
    @asks_itself
    def project_id(email: str) -> str:
        return project

    @routes.get("/computeMetadata/v1/universe/universe-domain")
    @asks_itself
    def universe(email: str) -> str:
        return "googleapis.com"

    @routes.get("/computeMetadata/v1/instance/service-accounts/default/")
    @asks_itself
    def account(email: str) -> Response:
        scopes = [CLOUD_PLATFORM]
        # Not the address: google-auth would ask Google about it in the background (allowedLocations). The token has it.
        return jsonify({"aliases": ["default"], "email": "default", "scopes": scopes})

    @routes.get("/computeMetadata/v1/instance/service-accounts/<string:_>/token")
    @asks_itself
    def access_token(email: str, _: str) -> Response:
        scopes = request.args.get("scopes", CLOUD_PLATFORM)
        token, expires = held.get(email, scopes)
        on_access_token(email, scopes, token, expires)
        return jsonify({"access_token": token, "expires_in": round(expires - time.time()), "token_type": "Bearer"})

    @routes.get("/computeMetadata/v1/instance/service-accounts/<string:_>/identity")
    @asks_itself
    def identity_token(email: str, _: str) -> str:
        return tokens.issue(email, request.args["audience"])

    return routes


def exchange(tokens: Tokens) -> Blueprint:
    """OAuth's token endpoint, for the credentials file of who is at the keyboard (RFC 6749, section 6)."""
    routes = Blueprint("oauth2", __name__)

    @routes.post("/oauth2/token")
    @asks_itself
    def token() -> tuple[Response, int] | Response:
        refresh_token = request.form.get("refresh_token", "")
        if not hmac.compare_digest(refresh_token, tokens.refresh_token()):
            words = "the refresh token is of another home: `omnipipe env` writes the file anew"
            return jsonify({"error": "invalid_grant", "error_description": words}), 400
        return jsonify({"access_token": tokens.owner(), "expires_in": TOKEN_LIFETIME_S, "token_type": "Bearer"})

    return routes
