"""Before the control services, Cloud Run's jobs to Datastream: each of their routes says which permission it needs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from flask import Flask, Response, g, jsonify, request

from omnipipe.laptop.iam.gate import Gate, Refused

log = logging.getLogger("iam")
PROJECT = "projects/{project}"
_NEED = "need"

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class Need:
    """A permission, and on what; ``with_overrides`` takes its place when the body has overrides."""

    permission: str
    resource: str
    with_overrides: str | None = None


def needs(
    permission: str, resource: str = PROJECT, *, with_overrides: str | None = None
) -> Callable[[View], View]:
    """Say what a request of a route needs: a permission on a resource, in which the route's parts stand in braces."""

    def declare(view: View) -> View:
        setattr(view, _NEED, Need(permission, resource, with_overrides))
        return view

    return declare


def asks_itself(view: View) -> View:
    """Say that a route knows by other means who asks, or is for everybody."""
    setattr(view, _NEED, None)
    return view


def guard(app: Flask, gate: Gate) -> None:
    """Let an application answer only requests whose need the bindings meet; a route that says none, to nobody."""

    @app.before_request
    def check() -> None:
        if request.endpoint is None:  # 404, for everybody
            return
        view = app.view_functions[request.endpoint]
        known, need = hasattr(view, _NEED), cast("Need | None", getattr(view, _NEED, None))
        if known and need is None:
            return
        g.caller = gate.caller(request.headers.get("Authorization"))
        if need is None:
            raise Refused(
                403, f"The laptop does not know what {request.endpoint} needs: see {__name__}.needs", "forbidden"
            )
        permission = need.permission
        if need.with_overrides and _overrides(request.get_json(silent=True)):
            permission = need.with_overrides
        gate.require(g.caller, permission, need.resource.format_map(request.view_args or {}))

    @app.errorhandler(Refused)
    def as_google_says_it(error: Refused) -> tuple[Response, int]:
        log.warning("%s: %s %s: %s", g.get("caller"), request.method, request.path, error.message)
        return jsonify(error.body()), error.code


def _overrides(body: Any) -> bool:
    return isinstance(body, dict) and bool(body.get("overrides"))
