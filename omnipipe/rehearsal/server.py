"""The control plane on a loopback port: Google's host names become the first part of the path.

``https://run.googleapis.com/v2/…`` is ``http://127.0.0.1:PORT/run/v2/…``. ``POST /-/reset`` forgets everything. As a
proxy it is the way out of a rehearsal, which leads nowhere: each request to another host is refused, and names it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit
from wsgiref.types import StartResponse, WSGIEnvironment

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from omnipipe.rehearsal.control_plane import ControlPlane
from omnipipe.rehearsal.journal import Exchange, Journal

_RESET = "/-/reset"
_POLL_S = 0.02  # how long it takes at most to stop
_BYTES = "application/octet-stream"


class _Handler(WSGIRequestHandler):
    """Keeps connections open, and writes no line for each request."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def application(plane: ControlPlane, journal: Journal | None = None) -> Any:
    """The WSGI application that a control plane is; ``journal`` gets each exchange."""

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        return _response(plane, request, journal)(environ, start)

    return answer


def _response(plane: ControlPlane, request: Request, journal: Journal | None) -> Response:
    raw = request.environ.get("REQUEST_URI", request.path)
    if request.method == "CONNECT" or not raw.startswith("/"):
        return _outside(request.method, raw, journal)
    path, _, query = raw.partition("?")
    if path == _RESET and request.method == "POST":
        plane.reset()
        return Response("{}", content_type="application/json")
    host, _, rest = path.lstrip("/").partition("/")
    try:
        body, media = _body(request)
    except ValueError as error:
        message = f"Invalid JSON payload received. {error}"
        wrong = {"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}
        return Response(json.dumps(wrong), 400, content_type="application/json; charset=UTF-8")
    began = time.thread_time()
    status, answer = plane.answer(
        request.method,
        host,
        f"/{rest}",
        parse_qs(query, keep_blank_values=True),
        body,
        dict(request.headers),
        media,
    )
    if journal is not None:
        spent = time.thread_time() - began
        journal.write(Exchange(request.method, host, raw[len(host) + 1 :], body, status, answer, spent))
    if isinstance(answer, bytes):
        return Response(answer, status, content_type=_BYTES)
    text = "" if answer is None else json.dumps(answer)
    return Response(text, status, content_type="application/json; charset=UTF-8")


def _outside(method: str, address: str, journal: Journal | None) -> Response:
    """Refuse a request that wants to leave this machine, in the status line, which clients show."""
    host = address if method == "CONNECT" else urlsplit(address).netloc
    message = f"the rehearsal has no way to {host}"
    if journal is not None:
        journal.write(Exchange(method, host, "", None, 403, {"error": {"message": message}}, 0.0))
    return Response(message, f"403 {message}")


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
def running(plane: ControlPlane, port: int = 0, journal: Journal | None = None) -> Iterator[str]:
    """Serve a control plane in a thread; gives its address (``http://127.0.0.1:PORT``). Port 0 is any free one."""
    server = make_server("127.0.0.1", port, application(plane, journal), threaded=True, request_handler=_Handler)
    thread = threading.Thread(target=server.serve_forever, args=(_POLL_S,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
