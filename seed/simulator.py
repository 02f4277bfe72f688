"""What the simulators of the outside world share: serving on loopback, saying that they simulate, and faults."""

import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

from flask import Flask, Response, jsonify, request
from werkzeug.serving import make_server

_HANG_S = 60.0


class Faults:
    """The fault that a simulator shows until it is used up or taken away.

    PUT /_faults {"mode": "status", "status": 500, "retry_after": 1, "times": 3}   (both numbers may be left out)
    PUT /_faults {"mode": "hang", "seconds": 60}
    PUT /_faults {"mode": MODE}   with one of the simulator's own modes
    PUT /_faults {…, "times": 1, "then": {…}}      and after that another fault
    PUT /_faults {…, "containing": "Berlin"}   for requests with this text in their body alone
    DELETE /_faults
    """

    def __init__(self, *modes: str) -> None:
        self._modes = ("status", "hang", *modes)
        self._fault: dict[str, Any] = {}
        self._lock = threading.Lock()

    def put(self, fault: dict[str, Any]) -> None:
        """Show ``fault`` from now on. Raises ValueError for one that this simulator does not know."""
        self._check(fault)
        with self._lock:
            self._fault = fault

    def _check(self, fault: dict[str, Any]) -> None:
        if fault.get("mode") not in self._modes:
            raise ValueError(f"mode must be one of {', '.join(self._modes)}, not {fault.get('mode')!r}")
        if fault["mode"] == "status" and not isinstance(fault.get("status"), int):
            raise ValueError('mode "status" needs the "status" to answer with, a number')
        if "then" in fault:
            self._check(fault["then"])

    def clear(self) -> None:
        """Show no fault."""
        with self._lock:
            self._fault = {}

    def take(self, body: str = "") -> dict[str, Any]:
        """Return the fault that a request with this body is to show, or nothing, and count it."""
        with self._lock:
            fault = self._fault
            if fault.get("containing", "") not in body:
                return {}
            if "times" in fault:
                if fault["times"] <= 1:
                    self._fault = fault.get("then", {})
                else:
                    self._fault = fault | {"times": fault["times"] - 1}
            return fault

    def answer(self, fault: dict[str, Any]) -> Response | None:
        """Return the answer of a fault that every simulator knows; hang for one that hangs."""
        if fault.get("mode") == "hang":
            time.sleep(fault.get("seconds", _HANG_S))
        if fault.get("mode") != "status":
            return None
        response = jsonify(error=True, reason=f"simulated fault {fault['status']}")
        response.status_code = fault["status"]
        if "retry_after" in fault:
            response.headers["Retry-After"] = str(fault["retry_after"])
        return response


def create_app(name: str, faults: Faults) -> Flask:
    """Return a Flask app that marks each answer as simulated and has the routes of ``faults``."""
    app = Flask(name)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of Flask's default provider

    @app.after_request
    def mark(response: Response) -> Response:
        response.headers["X-Simulated"] = "true"
        return response

    @app.put("/_faults")
    def put_fault() -> tuple[Response, int]:
        try:
            faults.put(request.get_json())
        except ValueError as error:
            return jsonify(simulated=True, error=str(error)), 400
        return jsonify(simulated=True, fault=request.get_json()), 200

    @app.delete("/_faults")
    def delete_fault() -> Response:
        faults.clear()
        return jsonify(simulated=True, fault=None)

    return app


def serve(app: Flask, port: int, started: Callable[[str], str]) -> NoReturn:
    """Serve ``app`` on 127.0.0.1 until SIGTERM or Ctrl-C, which end the process with 0.

    ``port`` 0 takes a free one. Prints one JSON line with the address and ``started(address)``.
    """
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # no line for each request
    server = make_server("127.0.0.1", port, app, threaded=True)
    address = f"http://127.0.0.1:{server.server_port}"
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda *_: sys.exit(0))
    line = {"severity": "INFO", "message": started(address), "address": address, "simulated": True}
    print(json.dumps(line), flush=True)  # noqa: T201 - the start line is for whoever started this
    server.serve_forever()
    sys.exit(0)
