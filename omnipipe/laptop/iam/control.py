"""Before the control services, Cloud Run's jobs to Datastream: each of their routes needs a permission."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, g, jsonify, request

from omnipipe.laptop.iam.gate import Gate, Refused

log = logging.getLogger("iam")


@dataclass(frozen=True)
class Need:
    """A permission, and on what; ``with_overrides`` takes its place when the body has overrides."""

    permission: str
    resource: str
    with_overrides: str | None = None


_PROJECT = "projects/{project}"
_JOB = _PROJECT + "/locations/{location}/jobs/{job}"
_SECRET = _PROJECT + "/secrets/{secret}"
# Flask's endpoint -> what it needs. Workflows takes no grant on a single workflow.
# https://cloud.google.com/run/docs/reference/iam/permissions
# https://cloud.google.com/workflows/docs/access-control
# https://cloud.google.com/secret-manager/docs/access-control
# https://cloud.google.com/datastream/docs/access-control
REQUESTS: dict[str, Need] = {
    "run.run": Need("run.jobs.run", _JOB, with_overrides="run.jobs.runWithOverrides"),
    "run.job": Need("run.jobs.get", _JOB),
    "run.operation": Need("run.operations.get", _PROJECT),
    "executions.start": Need("workflows.executions.create", _PROJECT),
    "executions.get": Need("workflows.executions.get", _PROJECT),
    "run_v1.run": Need("run.jobs.run", _JOB, with_overrides="run.jobs.runWithOverrides"),
    "run_v1.get": Need("run.jobs.get", _JOB),
    "run_v1.list_": Need("run.jobs.list", _PROJECT),
    "run_v1.execution": Need("run.executions.get", _PROJECT),
    "executions.cancel": Need("workflows.executions.cancel", _PROJECT),
    "executions.callback": Need("workflows.callbacks.send", _PROJECT),
    "datastream.objects": Need("datastream.objects.list", _PROJECT),
    "secrets.access": Need("secretmanager.versions.access", _SECRET + "/versions/{version}"),
    "secrets.add_version": Need("secretmanager.versions.add", _SECRET),
}
# The metadata server knows by the address who asks; a function's front door, Cloud Storage and the exchange of the
# owner's refresh token ask for themselves.
_OPEN = ("healthz", "oauth2.", "metadata.", "functions.", "storage.")


def guard(app: Flask, gate: Gate) -> None:
    """Let an application answer only requests that the table allows; a route that is not in it, to nobody."""

    @app.before_request
    def check() -> None:
        endpoint = request.endpoint
        if endpoint is None or endpoint.startswith(_OPEN):  # no endpoint: 404, for everybody
            return
        g.caller = gate.caller(request.headers.get("Authorization"))
        need = REQUESTS.get(endpoint)
        if need is None:
            raise Refused(403, f"The laptop does not know what {endpoint} needs: see {__name__}", "forbidden")
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
