"""The metadata server: it tells a workload its project and gives it tokens of its own service account.

A workload reaches it below its service account's name, so the server knows who asks without a registration:
``http://HOST/metadata/EMAIL/computeMetadata/v1/…``. Tokens are JSON Web Tokens signed with this home's own key.
"""

import secrets
import time
from pathlib import Path
from typing import Any

import jwt
from flask import Blueprint, Response, abort, jsonify, request

from omnipipe.laptop.home import write_text
from omnipipe.laptop.registry import Registry
from omnipipe.laptop.services.iam import ACCOUNT

TOKEN_LIFETIME_S = 3600


class Tokens:
    """Issues tokens. The key is made once and kept in a file of mode 0600."""

    def __init__(self, key_file: Path) -> None:
        if not key_file.exists():
            write_text(key_file, secrets.token_hex(32), mode=0o600)
        self._key = key_file.read_text()

    def issue(self, email: str, audience: str) -> str:
        """A token of a service account for an audience: a service's address, or scopes."""
        now = int(time.time())
        claims = {"iss": "omnipipe-laptop", "sub": email, "email": email, "aud": audience}
        return jwt.encode(claims | {"iat": now, "exp": now + TOKEN_LIFETIME_S}, self._key, "HS256")


def blueprint(project: str, tokens: Tokens, registry: Registry) -> Blueprint:
    """The server's routes, for the service accounts of a registry."""
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
    def root(email: str) -> str:
        return "computeMetadata/\n"

    @routes.get("/computeMetadata/v1/project/project-id")
    def project_id(email: str) -> str:
        return project

    @routes.get("/computeMetadata/v1/universe/universe-domain")
    def universe(email: str) -> str:
        return "googleapis.com"

    @routes.get("/computeMetadata/v1/instance/service-accounts/default/")
    def account(email: str) -> Response:
        scopes = ["https://www.googleapis.com/auth/cloud-platform"]
        # Not the address: google-auth would ask Google about it in the background (allowedLocations). The token has it.
        return jsonify({"aliases": ["default"], "email": "default", "scopes": scopes})

    @routes.get("/computeMetadata/v1/instance/service-accounts/<string:_>/token")
    def access_token(email: str, _: str) -> Response:
        token = tokens.issue(email, request.args.get("scopes", "https://www.googleapis.com/auth/cloud-platform"))
        return jsonify({"access_token": token, "expires_in": TOKEN_LIFETIME_S, "token_type": "Bearer"})

    @routes.get("/computeMetadata/v1/instance/service-accounts/<string:_>/identity")
    def identity_token(email: str, _: str) -> str:
        return tokens.issue(email, request.args["audience"])

    return routes
