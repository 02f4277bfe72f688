"""A connection to BigQuery that somebody listens to, and that may lose answers."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

Job = dict[str, Any]


@contextmanager
def between(
    address: str, hear: Callable[[Job], None], arrives: Callable[[Job], bool] = lambda _: True
) -> Iterator[str]:
    """Yield the address of a proxy before BigQuery's ``address``.

    ``hear`` is told of each job that is to be inserted, before it is; where ``arrives`` says no, the job is inserted,
    and its answer gets lost.
    """

    class Proxy(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            job = json.loads(body) if body and self.path.partition("?")[0].endswith("/jobs") else None
            if job:
                hear(job)
            kept = {name: value for name, value in self.headers.items() if name not in ("Host", "Accept-Encoding")}
            answer = requests.request(self.command, address + self.path, data=body, headers=kept, timeout=3600)
            if job and not arrives(job):
                self.close_connection = True
                return
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on

        def log_message(self, format: str, *args: Any) -> None:
            """Not on the output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
