"""The control plane on a loopback port: Google's host names become the first part of the path.

``https://run.googleapis.com/v2/…`` is ``http://127.0.0.1:PORT/run/v2/…``. ``POST /-/reset`` forgets everything. As a
proxy it is the way out of a rehearsal, which leads nowhere: each request to another host is refused, and names it.
"""

from __future__ import annotations

import json
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from email import message_from_bytes
from email.message import Message
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit
from wsgiref.types import StartResponse, WSGIEnvironment

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from omnipipe.rehearsal import operations
from omnipipe.rehearsal.control_plane import ControlPlane
from omnipipe.rehearsal.faults import FAILED_WORDS, Fault, Faults, refusal
from omnipipe.rehearsal.journal import Exchange, Journal

_RESET = "/-/reset"
_POLL_S = 0.02  # how long it takes at most to stop
_BYTES = "application/octet-stream"
_JSON = "application/json; charset=UTF-8"


class _Handler(WSGIRequestHandler):
    """Keeps connections open, and writes no line for each request."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


# By its method, host and path: how many seconds a request waits before it is done.
Lateness = Callable[[str, str, str], float]


class Site:
    """What a server answers for: a control plane, who writes down what was asked, and what goes wrong on the way."""

    def __init__(
        self,
        plane: ControlPlane,
        journal: Journal | None = None,
        faults: Faults | None = None,
        late: Lateness | None = None,
    ) -> None:
        self._plane, self._journal, self._faults, self._late = plane, journal, faults, late

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """Answer a request, as WSGI asks for it. Raises ConnectionError for an answer that gets lost."""
        try:
            return self._response(Request(environ))(environ, start)
        except ConnectionError:
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise

    def _response(self, request: Request) -> Response:
        raw = request.environ.get("REQUEST_URI", request.path)
        if request.method == "CONNECT" or not raw.startswith("/"):
            return self._outside(request.method, raw)
        path, _, query = raw.partition("?")
        if path == _RESET and request.method == "POST":
            self._plane.reset()
            return Response("{}", content_type=_JSON)
        host, _, rest = path.lstrip("/").partition("/")
        if host == "upload":  # Google's Go client leaves out what is before it: the path is that of Google's host
            host, rest = "storage", path.lstrip("/")
        try:
            body, media = _body(request)
        except ValueError as error:
            message = f"Invalid JSON payload received. {error}"
            wrong = {"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}
            return Response(json.dumps(wrong), 400, content_type=_JSON)
        sent = deepcopy(body) if self._journal is not None else None  # the rules fill what they are given
        if self._late is not None:
            time.sleep(self._late(request.method, host, f"/{rest}?{query}".rstrip("?")))
        fault = self._faults.of(request.method, raw) if self._faults else None
        began = time.thread_time()
        if fault and fault.before:
            status, answer = refusal(fault)
        else:
            query_values, headers = parse_qs(query, keep_blank_values=True), dict(request.headers)
            try:
                status, answer = self._plane.answer(
                    request.method, host, f"/{rest}", query_values, body, headers, media
                )
            except Exception as error:  # noqa: BLE001 - a mistake of a rule must not be taken for Google's answer
                traceback.print_exc()
                message = f"The rehearsal has a mistake of its own here: {type(error).__name__}: {error}"
                # Not 500, which the provider asks again and again.
                status, answer = 501, {"error": {"code": 501, "message": message, "status": "UNIMPLEMENTED"}}
        if fault is Fault.FAILED and isinstance(answer, dict):
            answer = operations.fail(self._plane.store, host, answer, FAILED_WORDS)
        self._write(
            request.method,
            host,
            f"/{rest}?{query}".rstrip("?"),
            sent,
            status,
            answer,
            time.thread_time() - began,
            fault,
        )
        if fault in (Fault.REFUSED, Fault.LOST):
            raise ConnectionAbortedError(fault.name)
        if isinstance(answer, bytes):
            return Response(answer, status, content_type=_BYTES)
        text = "" if answer is None else json.dumps(answer)
        return Response(text, status, content_type=_JSON)

    def _outside(self, method: str, address: str) -> Response:
        """Refuse a request that wants to leave this machine, in the status line, which clients show."""
        host = address if method == "CONNECT" else urlsplit(address).netloc
        message = f"the rehearsal has no way to {host}"
        self._write(method, host, "", None, 403, {"error": {"message": message}}, 0.0, None)
        return Response(message, f"403 {message}")

    def _write(self, *exchange: Any) -> None:
        if self._journal is not None:
            self._journal.write(Exchange(*exchange))


def _body(request: Request) -> tuple[Any, bytes]:
    """The JSON of a request, and the bytes that an upload brings beside it. Raises ValueError for what is no JSON."""
    data = request.get_data()
    kind = request.content_type or ""
    if kind.startswith("multipart/"):
        # https://cloud.google.com/storage/docs/uploading-objects#rest-upload-objects
        parts = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + data).get_payload()
        described, content = (cast(Message, part) for part in parts)
        given = json.loads(cast(bytes, described.get_payload(decode=True)))
        return {"contentType": content.get_content_type()} | given, cast(bytes, content.get_payload(decode=True))
    if "/upload/" in request.path:
        return {"contentType": kind} if kind else {}, data
    if not data:
        return None, b""
    return json.loads(data), b""


@contextmanager
def running(
    plane: ControlPlane,
    port: int = 0,
    *,
    journal: Journal | None = None,
    faults: Faults | None = None,
    late: Lateness | None = None,
) -> Iterator[str]:
    """Serve a control plane in a thread; gives its address (``http://127.0.0.1:PORT``).

    Port 0 is any free one; ``journal`` gets each exchange; ``faults`` decide which requests go wrong, ``late`` which
    wait.
    """
    site = Site(plane, journal, faults, late)
    server = make_server("127.0.0.1", port, site, threaded=True, request_handler=_Handler)
    thread = threading.Thread(target=server.serve_forever, args=(_POLL_S,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
