"""A port for BigQuery on which one key counts, for SQL clients that take an address and a token, and nothing else.

An access token is over after an hour, and a client that was given one cannot take the next. So who has the key of this
proxy asks BigQuery as one account, with a fresh token each time; who has not, a page in a browser for instance, asks
nothing.
"""

import hmac
from collections.abc import Callable
from urllib.parse import quote

import requests
from flask import Flask, Response, jsonify, request

from omnipipe.laptop.forwarding import forward
from omnipipe.laptop.iam.gate import Refused, bearer

# BigQuery answers a statement at its end.
_TIMEOUT_S = 3600
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


def application(bigquery: str, key: str, token: Callable[[], str], why_not: Callable[[], str]) -> Flask:
    """Pass requests that have the key on to BigQuery's address, with an access token in its place.

    ``why_not`` is asked what a client is told when BigQuery does not answer.
    """
    app = Flask("omnipipe-proxy")

    @app.route("/", defaults={"path": ""}, methods=_METHODS)
    @app.route("/<path:path>", methods=_METHODS)
    def pass_on(path: str) -> Response:
        if not hmac.compare_digest((bearer(request.headers.get("Authorization")) or "").encode(), key.encode()):
            raise Refused(
                401, "This port takes the token that `omnipipe proxy bigquery` has printed.", "authError"
            )
        # The address of a resumable upload is made of the host that the client knows.
        changed = {"Authorization": f"Bearer {token()}", "Host": request.host}
        try:
            return forward(f"{bigquery}/{quote(path)}", changed, _TIMEOUT_S)
        except requests.RequestException:
            raise Refused(503, why_not(), "notRunning") from None

    @app.errorhandler(Refused)
    def as_google_says_it(error: Refused) -> tuple[Response, int]:
        return jsonify(error.body(reasons=True)), error.code

    return app
