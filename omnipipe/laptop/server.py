"""The process that answers for Google's services but BigQuery: metadata, Cloud Run, Workflows and others.

Run as ``python -m omnipipe.laptop.server HOME PROJECT STACK``.
"""

import logging
import signal
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException
from werkzeug.serving import WSGIRequestHandler, make_server

from omnipipe.laptop.cloud import GOOGLE, Cloud
from omnipipe.laptop.home import Home
from omnipipe.laptop.iam import control, metadata
from omnipipe.laptop.iam.gate import Gate
from omnipipe.laptop.kinds import KINDS
from omnipipe.laptop.lookups import PROJECT_NUMBER
from omnipipe.laptop.ports import HOST
from omnipipe.laptop.services.datastream import api as streams
from omnipipe.laptop.services.functions import front_door as functions
from omnipipe.laptop.services.run import jobs, jobs_v1
from omnipipe.laptop.services.scheduler import clock as scheduler
from omnipipe.laptop.services.secretmanager import versions as secret_versions
from omnipipe.laptop.services.sql.resources import login_with_token
from omnipipe.laptop.services.storage import objects
from omnipipe.laptop.services.workflows import executions


def application(cloud: Cloud, running: jobs.Jobs) -> Flask:
    """All routes of the laptop's control services, behind the gate."""
    app = Flask("omnipipe")
    gate = Gate(cloud.registry, cloud.tokens, cloud.project)
    control.guard(app, gate)
    login = partial(login_with_token, cloud)
    app.register_blueprint(metadata.blueprint(cloud.project, cloud.tokens, cloud.registry, login))
    app.register_blueprint(metadata.exchange(cloud.tokens))
    app.register_blueprint(functions.blueprint(cloud, gate, cloud.tokens, partial(_calling_accounts, cloud)))
    app.register_blueprint(jobs.blueprint(running, cloud))
    app.register_blueprint(jobs_v1.blueprint(running, cloud))
    app.register_blueprint(objects.blueprint(cloud, gate))
    app.register_blueprint(secret_versions.blueprint(cloud))
    app.register_blueprint(streams.blueprint(cloud))
    app.register_blueprint(executions.blueprint(executions.Executions(cloud, gate), cloud))

    @app.url_value_preprocessor
    def project_by_its_number(endpoint: str | None, values: dict[str, Any] | None) -> None:
        if values and values.get("project") == PROJECT_NUMBER:  # Google takes the number in the id's place
            values["project"] = cloud.project

    @app.get("/healthz")
    @control.asks_itself
    def healthz() -> str:
        return "ok"

    @app.errorhandler(HTTPException)
    def as_google_says_it(error: HTTPException) -> tuple[Response, int]:
        code = error.code or 500
        status = {404: "NOT_FOUND", 400: "INVALID_ARGUMENT"}.get(code, "UNKNOWN")
        return jsonify({"error": {"code": code, "message": error.description, "status": status}}), code

    return app


def _calling_accounts(cloud: Cloud) -> set[str]:
    """The accounts as which services of the program call functions."""
    accounts = (KINDS[resource.type].calls_as(resource) for resource in cloud.registry)
    return set(filter(None, accounts))


class _Quiet(WSGIRequestHandler):
    """A request is not worth a log line; an error is."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def main() -> None:
    """Serve until SIGTERM."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stdout
    )
    home = Home(Path(sys.argv[1]), *sys.argv[2:])
    cloud = Cloud.open(home)
    running = jobs.Jobs(cloud)
    app = application(cloud, running)
    server = make_server(HOST, cloud.ports.of(GOOGLE), app, threaded=True, request_handler=_Quiet)
    stop = threading.Event()
    threading.Thread(target=scheduler.run, args=(cloud, cloud.tokens, stop), daemon=True).start()

    def end(*_: object) -> None:
        stop.set()
        # In a thread, because it waits for the loop that this handler interrupts.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, end)
    server.serve_forever()
    running.close()


if __name__ == "__main__":
    main()
