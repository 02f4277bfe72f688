"""The front door of functions: who has no identity token for a function, or may not call it, does not reach it.

https://cloud.google.com/run/docs/authenticating/service-to-service

One that takes calls from inside only is not found by anybody else. Inside are the workflows and schedules of the
project, at the function's own address. Jobs and functions are not: their calls leave by the internet.
https://cloud.google.com/run/docs/securing/ingress
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Container
from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

import requests
from flask import Blueprint, Response, request

from omnipipe.laptop.forwarding import forward
from omnipipe.laptop.iam.control import asks_itself
from omnipipe.laptop.iam.gate import Gate, bearer
from omnipipe.laptop.iam.tokens import InvalidToken, Tokens
from omnipipe.laptop.ports import HOST
from omnipipe.laptop.services.functions.resources import FUNCTION, INTERNAL_ONLY, address, public_address

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud

log = logging.getLogger("iam")
# https://cloud.google.com/functions/docs/configuring/timeout
_DEFAULT_TIMEOUT_S = 60
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def blueprint(cloud: Cloud, gate: Gate, tokens: Tokens, inside: Callable[[], Container[str]]) -> Blueprint:
    """The routes of every function, and what is below them: ``/functions/NAME``, and ``/cloudfunctions/NAME``.

    ``inside`` says as which accounts the program's own services call, which Google counts as inside the project.
    """
    routes = Blueprint("functions", __name__)

    @asks_itself  # a function takes identity tokens, and may be for everybody
    def call(name: str, path: str) -> Response:
        bindings = gate.bindings()
        found = [each for each in cloud.registry.of_type(FUNCTION) if each.inputs["name"] == name]
        if not found:
            return _page(404, f"The requested URL {request.path} was not found on this server.")
        service = found[0].id.replace("/functions/", "/services/")
        own = request.url_rule is not None and request.url_rule.rule.startswith("/functions/")
        token, caller, invalid = bearer(request.headers.get("Authorization")), None, None
        if token is not None:
            try:
                caller = tokens.of_identity(token, (address if own else public_address)(cloud, name))
            except InvalidToken as error:
                invalid = error
        settings = found[0].inputs["serviceConfig"]
        if settings.get("ingressSettings") == INTERNAL_ONLY and not (
            own and caller is not None and caller in inside()
        ):
            log.warning(
                "%s comes from outside, and the function %s takes calls from inside only",
                caller or "somebody",
                name,
            )
            return _page(404, f"The requested URL {request.path} was not found on this server.")
        if invalid is not None:
            log.warning("the function %s refuses a token: %s", name, invalid)
            if not bindings.allow(None, "run.routes.invoke", service):
                page = _page(401, f"Your client does not have permission to the requested URL {request.path}.")
                # As RFC 6750 has it, and as Cloud Run says why.
                page.headers["WWW-Authenticate"] = (
                    f'Bearer error="invalid_token" error_description="The access token could not be verified: '
                    f'{invalid}"'
                )
                return page
        if not bindings.allow(caller, "run.routes.invoke", service):
            log.warning("%s may not call the function %s", caller or "somebody without a token", name)
            return _page(403, f"Your client does not have permission to get URL {request.path} from this server.")
        seconds = settings.get("timeoutSeconds") or _DEFAULT_TIMEOUT_S
        return _forward(f"http://{HOST}:{cloud.ports.of(name)}/{quote(path)}", token, float(seconds))

    for door in ("functions", "cloudfunctions"):
        top = {"defaults": {"path": ""}, "strict_slashes": False}
        routes.add_url_rule(f"/{door}/<name>/", door, call, methods=_METHODS, **top)
        routes.add_url_rule(f"/{door}/<name>/<path:path>", door, call, methods=_METHODS)
    return routes


def _forward(url: str, token: str | None, timeout_s: float) -> Response:
    # As Cloud Run does it: the function may read who asks, and cannot use the token.
    unsigned = (
        {"Authorization": f"Bearer {token.rpartition('.')[0]}.SIGNATURE_REMOVED_BY_GOOGLE"}
        if token is not None
        else {}
    )
    try:
        return forward(url, unsigned, timeout_s)
    except requests.Timeout:
        return Response("upstream request timeout", 504, content_type="text/plain")
    except requests.RequestException:
        return Response("Service Unavailable", 503, content_type="text/plain")


def _page(code: int, text: str) -> Response:
    phrase = HTTPStatus(code).phrase
    page = (
        f"<html><head>\n<title>{code} {phrase}</title>\n</head>\n"
        f"<body><h1>Error: {phrase}</h1>\n<h2>{escape(text)}</h2>\n</body></html>\n"
    )
    return Response(page, code, content_type="text/html; charset=UTF-8")
