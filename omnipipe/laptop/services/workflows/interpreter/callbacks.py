"""Callback endpoints: a step makes one, somebody calls it, and a step waits for the call.

https://cloud.google.com/workflows/docs/creating-callback-endpoints
"""

from __future__ import annotations

import json
import queue
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from omnipipe.laptop.services.workflows.interpreter.errors import WorkflowError
from omnipipe.laptop.services.workflows.interpreter.transport import METHODS, decode

_LOOK_S = 0.1


class NoSuchCallback(Exception):
    """Nobody made a callback endpoint of that id."""


class WrongMethod(Exception):
    """The callback endpoint expects another method of HTTP; the text says which."""


class Callbacks:
    """The callback endpoints of one execution.

    ``address`` gives what their URLs begin with; whoever serves it hands each request to ``receive``. A call is kept
    until a step waits for it, also one that came before.
    """

    def __init__(self, address: Callable[[], str]) -> None:
        self._address = address
        self._expected: dict[str, str] = {}
        self._received: dict[str, queue.Queue[dict[str, Any]]] = {}

    def create(self, method: str) -> str:
        """Make an endpoint that expects a method of HTTP, and return its URL."""
        id_ = str(uuid.uuid4())
        url = f"{self._address().rstrip('/')}/{id_}"
        self._received[id_] = queue.Queue()
        self._expected[id_] = method
        return url

    def receive(self, method: str, url: str, headers: Mapping[str, str], content: bytes) -> None:
        """Take a call. ``url`` is the path with its query.

        Raises: NoSuchCallback, WrongMethod, and the language's ResponseTypeError for a body that is not the JSON it
        claims to be.
        """
        parts = urlsplit(url)
        id_ = parts.path.rpartition("/")[2]
        if id_ not in self._expected:
            raise NoSuchCallback
        if method != self._expected[id_]:
            raise WrongMethod(self._expected[id_])
        titled = {"-".join(map(str.capitalize, name.split("-"))): value for name, value in headers.items()}
        request = {
            "body": decode(content, titled) if content else None,
            "headers": titled,
            "method": method,
            "query": dict(parse_qsl(parts.query, keep_blank_values=True)),
            "url": url,
        }
        received = {"http_request": request, "received_time": str(datetime.now(UTC)), "type": "HTTP"}
        self._received[id_].put(received)

    def wait(self, url: str, seconds: float, cancelled: Event) -> dict[str, Any] | None:
        """The next call of an endpoint; None when the seconds are over, or the execution is cancelled.

        Raises: NoSuchCallback for a URL of another execution.
        """
        received = self._received.get(url.rpartition("/")[2])
        if received is None:
            raise NoSuchCallback
        deadline = time.monotonic() + seconds
        while not cancelled.is_set():
            left = deadline - time.monotonic()
            try:
                return received.get(timeout=max(0, min(left, _LOOK_S)))
            except queue.Empty:
                if left <= 0:
                    return None
        return None


class Listener:
    """Callback endpoints on a port of their own on this machine, which it opens when the first one is made."""

    def __init__(self) -> None:
        self.callbacks = Callbacks(lambda: f"http://127.0.0.1:{self._server.server_port}/callbacks")

    @cached_property
    def _server(self) -> ThreadingHTTPServer:
        callbacks = self.callbacks

        class Handler(BaseHTTPRequestHandler):
            timeout = 10  # seconds that a silent caller is waited for

            def take(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = dict(self.headers.items())
                code, answer = answer_call(callbacks, self.command, self.path, headers, content)
                body = json.dumps(answer).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json; charset=UTF-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """A call is not worth a line: the workflow logs what it wants to."""

        for method in METHODS:
            setattr(Handler, f"do_{method}", Handler.take)
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = False  # closing waits for them: a caller gets the whole answer
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return server

    def close(self) -> None:
        """Close the port, if it was opened, when every call has its answer."""
        if "_server" in self.__dict__:
            self._server.shutdown()
            self._server.server_close()


def answer_call(
    callbacks: Callbacks | None, method: str, url: str, headers: Mapping[str, str], content: bytes
) -> tuple[int, dict[str, Any]]:
    """Hand a call to the endpoints of an execution, None for one that is over: the status and JSON to answer with."""

    def refused(code: int, message: str, status: str) -> tuple[int, dict[str, Any]]:
        return code, {"error": {"code": code, "message": message, "status": status}}

    try:
        if callbacks is None:
            raise NoSuchCallback
        callbacks.receive(method, url, headers, content)
    except NoSuchCallback:
        return refused(404, "there is no such callback endpoint, or its execution is over", "NOT_FOUND")
    except WrongMethod as error:
        return refused(405, f"this callback endpoint expects {error}, not {method}", "INVALID_ARGUMENT")
    except WorkflowError as error:
        return refused(400, error.error["message"], "INVALID_ARGUMENT")
    return 200, {}
