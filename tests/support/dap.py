"""A client of the Debug Adapter Protocol, as an editor is one: https://microsoft.github.io/debug-adapter-protocol."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Client:
    """A connection to a debugger."""

    def __init__(self, connection: socket.socket) -> None:
        self._stream = connection.makefile("rwb")
        self._sent = 0
        self._events: list[dict[str, Any]] = []
        self._answers: dict[int, dict[str, Any]] = {}

    def send(self, command: str, **arguments: Any) -> int:
        """Send a request; returns its number."""
        self._sent += 1
        body = json.dumps(
            {"seq": self._sent, "type": "request", "command": command, "arguments": arguments}
        ).encode()
        self._stream.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._stream.flush()
        return self._sent

    def answer(self, number: int) -> dict[str, Any]:
        """The answer to a request; it must be a success."""
        while number not in self._answers:
            self._read()
        answer = self._answers.pop(number)
        assert answer["success"], answer
        return answer.get("body", {})

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        return self.answer(self.send(command, **arguments))

    def event(self, name: str) -> dict[str, Any]:
        """The next event of a name."""
        while True:
            for event in self._events:
                if event["event"] == name:
                    self._events.remove(event)
                    return event.get("body", {})
            self._read()

    def _read(self) -> None:
        length = 0
        while line := self._stream.readline().strip():
            length = int(line.removeprefix(b"Content-Length:")) if line.startswith(b"Content-Length:") else length
        assert length, "the debugger has hung up"
        message = json.loads(self._stream.read(length))
        if message["type"] == "event":
            self._events.append(message)
        elif message["type"] == "response":
            self._answers[message["request_seq"]] = message


@contextmanager
def attached(port: int, mappings: list[dict[str, str]], breakpoints: dict[str, list[int]]) -> Iterator[Client]:
    """A client that is attached, with breakpoints: lines by file."""
    deadline = time.monotonic() + 60
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=60)
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    with connection:
        client = Client(connection)
        client.ask("initialize", adapterID="debugpy", pathFormat="path")
        attaching = client.send("attach", pathMappings=mappings)
        client.event("initialized")
        for file, lines in breakpoints.items():
            client.ask("setBreakpoints", source={"path": file}, breakpoints=[{"line": line} for line in lines])
        client.ask("configurationDone")
        client.answer(attaching)
        yield client
