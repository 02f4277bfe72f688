"""The process that answers for Google's services but BigQuery: metadata, Cloud Run, Workflows and others.

Run as ``python -m omnipipe.laptop.server HOME PROJECT STACK``.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException
from werkzeug.serving import WSGIRequestHandler, make_server

from omnipipe.laptop.api import Api, Control
from omnipipe.laptop.cloud import GOOGLE, Cloud
from omnipipe.laptop.emulators import configured_endpoints
from omnipipe.laptop.home import Home
from omnipipe.laptop.iam import metadata
from omnipipe.laptop.iam.control import asks_itself, guard
from omnipipe.laptop.iam.gate import Gate
from omnipipe.laptop.kinds import KINDS, SERVICES
from omnipipe.laptop.lookups import PROJECT_NUMBER
from omnipipe.laptop.ports import HOST
from omnipipe.laptop.services.pubsub import resources as pubsub


def endpoints(cloud: Cloud) -> dict[str, str]:
    """Google's hosts, and who answers for each here."""
    here = {host.format(region=cloud.region): cloud.google for kind in KINDS.values() for host in kind.hosts}
    if pubsub.is_used(cloud):  # else an emulator that the user runs, where there is one
        here["pubsub.googleapis.com"] = cloud.pubsub_url
    return {**configured_endpoints(os.environ), "bigquery.googleapis.com": cloud.bigquery_url, **here}


def apis(cloud: Cloud) -> list[Api]:
    """What the services add to the process: those that have an API, and those that work in it."""
    control = Control(cloud, _gate(cloud), partial(endpoints, cloud), partial(_inside, cloud))
    names = (f"{service.__package__}.api" for service in SERVICES)
    return [import_module(name).serve(control) for name in names if find_spec(name)]


def application(cloud: Cloud, served: Sequence[Api]) -> Flask:
    """All routes of the laptop's control services, behind the gate."""
    app = Flask("omnipipe")
    guard(app, _gate(cloud))
    heard = [api.on_access_token for api in served if api.on_access_token]

    def tell(account: str, scopes: str, token: str, expires: float) -> None:
        for each in heard:
            each(account, scopes, token, expires)

    app.register_blueprint(metadata.blueprint(cloud.project, cloud.tokens, cloud.registry, tell))
    app.register_blueprint(metadata.exchange(cloud.tokens))
    for api in served:
        for blueprint in api.blueprints:
            app.register_blueprint(blueprint)

    @app.url_value_preprocessor
    def project_by_its_number(endpoint: str | None, values: dict[str, Any] | None) -> None:
        if values and values.get("project") == PROJECT_NUMBER:  # Google takes the number in the id's place
            values["project"] = cloud.project

    @app.get("/healthz")
    @asks_itself
    def healthz() -> str:
        return "ok"

    @app.errorhandler(HTTPException)
    def as_google_says_it(error: HTTPException) -> tuple[Response, int]:
        code = error.code or 500
        status = {404: "NOT_FOUND", 400: "INVALID_ARGUMENT"}.get(code, "UNKNOWN")
        return jsonify({"error": {"code": code, "message": error.description, "status": status}}), code

    return app


def _gate(cloud: Cloud) -> Gate:
    return Gate(cloud.registry, cloud.tokens, cloud.project)


def _inside(cloud: Cloud) -> set[str]:
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
    served = apis(cloud)
    app = application(cloud, served)
    server = make_server(HOST, cloud.ports.of(GOOGLE), app, threaded=True, request_handler=_Quiet)
    stop = threading.Event()
    for work in filter(None, (api.work for api in served)):
        threading.Thread(target=work, args=(stop,), daemon=True).start()

    def end(*_: object) -> None:
        stop.set()
        # In a thread, because it waits for the loop that this handler interrupts.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, end)
    server.serve_forever()
    for close in filter(None, (api.close for api in served)):
        close()


if __name__ == "__main__":
    main()
