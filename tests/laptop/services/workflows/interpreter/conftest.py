"""An environment that records what a workflow does to the outside, and a server to talk to."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from omnipipe.laptop.services.workflows.interpreter import Environment

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Outside:
    """What left the workflow: log entries and requests for tokens."""

    logs: list[tuple[str, Any]] = field(default_factory=list)
    tokens: list[tuple[str, str]] = field(default_factory=list)

    def environment(self, **more: Any) -> Environment:
        def token(kind: str, target: str) -> str:
            self.tokens.append((kind, target))
            return f"{kind}-token"

        return Environment(
            project="the-project",
            location="europe-west1",
            workflow_id="the-workflow",
            execution_id="the-execution",
            project_number="12345",
            service_account="daily@the-project",
            env={"COLOUR": "blue", "EMPTY": ""},
            token=token,
            log=lambda severity, payload: self.logs.append((severity, payload)),
            **more,
        )


@pytest.fixture
def outside() -> Outside:
    return Outside()


@dataclass
class Request:
    """A request as the server saw it."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """A real HTTP server on loopback: answers with `answer(request)`, keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[Request], Answer] = lambda request: as_json({})
        server = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                parts = urlsplit(self.path)
                request = Request(
                    self.command, parts.path, parse_qsl(parts.query), dict(self.headers), self.rfile.read(length)
                )
                server.requests.append(request)
                code, headers, body = server.answer(request)
                self.send_response(code)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

            def log_message(self, format: str, *args: Any) -> None:
                """Keep the test's output clean."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def answers(self, *answers: Answer) -> None:
        """Give these answers in turn, the last one for ever."""
        left = list(answers)
        self.answer = lambda request: left.pop(0) if len(left) > 1 else left[0]

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


def as_json(value: Any, code: int = 200) -> Answer:
    """An answer in JSON."""
    return code, {"Content-Type": "application/json"}, json.dumps(value).encode()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()
