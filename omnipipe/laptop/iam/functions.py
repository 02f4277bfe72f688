"""The front door of functions: who has no identity token for a function, or may not call it, does not reach it.

https://cloud.google.com/run/docs/authenticating/service-to-service
"""

from __future__ import annotations

import logging
from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

import requests
from flask import Blueprint, Response, request

from omnipipe.laptop.iam.gate import Gate, bearer
from omnipipe.laptop.iam.tokens import InvalidToken, Tokens
from omnipipe.laptop.ports import HOST
from omnipipe.laptop.services.functions import FUNCTION, address

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud

log = logging.getLogger("iam")
# https://cloud.google.com/functions/docs/configuring/timeout
_DEFAULT_TIMEOUT_S = 60
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
# They are of one connection, not of the message (RFC 9110, 7.6.1). The body is passed on decoded, with a new length.
_OF_THE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "host"}
_OF_THE_ENCODING = {"content-length", "content-encoding"}


def blueprint(cloud: Cloud, gate: Gate, tokens: Tokens) -> Blueprint:
    """The route of every function: ``/functions/NAME``, and what is below it."""
    routes = Blueprint("functions", __name__, url_prefix="/functions/<name>")

    @routes.route("/", defaults={"path": ""}, methods=_METHODS, strict_slashes=False)
    @routes.route("/<path:path>", methods=_METHODS)
    def call(name: str, path: str) -> Response:
        bindings = gate.bindings()
        found = [each for each in cloud.registry.of_type(FUNCTION) if each.inputs["name"] == name]
        if not found:
            return _page(404, f"The requested URL {request.path} was not found on this server.")
        service = found[0].id.replace("/functions/", "/services/")
        token, caller = bearer(request.headers.get("Authorization")), None
        if token is not None:
            try:
                caller = tokens.of_identity(token, address(cloud, name))
            except InvalidToken as error:
                log.warning("the function %s refuses a token: %s", name, error)
                if not bindings.allow(None, "run.routes.invoke", service):
                    page = _page(401, f"Your client does not have permission to the requested URL {request.path}.")
                    # As RFC 6750 has it, and as Cloud Run says why.
                    page.headers["WWW-Authenticate"] = (
                        f'Bearer error="invalid_token" error_description="The access token could not be verified: '
                        f'{error}"'
                    )
                    return page
        if not bindings.allow(caller, "run.routes.invoke", service):
            log.warning("%s may not call the function %s", caller or "somebody without a token", name)
            return _page(403, f"Your client does not have permission to get URL {request.path} from this server.")
        seconds = found[0].inputs["serviceConfig"].get("timeoutSeconds") or _DEFAULT_TIMEOUT_S
        return _forward(f"http://{HOST}:{cloud.ports.of(name)}/{quote(path)}", token, float(seconds))

    return routes


def _forward(url: str, token: str | None, timeout_s: float) -> Response:
    headers = {key: value for key, value in request.headers if key.lower() not in _OF_THE_CONNECTION}
    if token is not None:
        # As Cloud Run does it: the function may read who asks, and cannot use the token.
        headers["Authorization"] = f"Bearer {token.rpartition('.')[0]}.SIGNATURE_REMOVED_BY_GOOGLE"
    try:
        with requests.Session() as session:
            session.trust_env = False  # neither a proxy of the user's nor ~/.netrc is asked about this machine
            answer = session.request(
                request.method,
                url,
                params=request.query_string,
                headers=headers,
                data=request.get_data(),
                timeout=(5, timeout_s),
                allow_redirects=False,
            )
    except requests.Timeout:
        return Response("upstream request timeout", 504, content_type="text/plain")
    except requests.RequestException:
        return Response("Service Unavailable", 503, content_type="text/plain")
    dropped = _OF_THE_CONNECTION | _OF_THE_ENCODING
    return Response(
        answer.content,
        answer.status_code,
        [(key, value) for key, value in answer.headers.items() if key.lower() not in dropped],
    )


def _page(code: int, text: str) -> Response:
    phrase = HTTPStatus(code).phrase
    page = (
        f"<html><head>\n<title>{code} {phrase}</title>\n</head>\n"
        f"<body><h1>Error: {phrase}</h1>\n<h2>{escape(text)}</h2>\n</body></html>\n"
    )
    return Response(page, code, content_type="text/html; charset=UTF-8")
