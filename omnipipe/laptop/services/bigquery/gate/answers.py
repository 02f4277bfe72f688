"""What becomes of the emulator's answer on its way to the caller: it passes, it is watched, or it is rewritten.

Each is what the emulator gets as its ``send``. To let an answer pass is the caller's own ``send``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from starlette.types import Message, Send

from omnipipe.laptop.iam.gate import Refused

Headers = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Headers
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the request was carried out."""
        return self.status < 300

    async def give(self, send: Send) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": self.status, "headers": list(self.headers)})
        await send({"type": "http.response.body", "body": self.body})

    def saying(self, body: bytes) -> Answer:
        """The same with another body, and with its length where one is told."""
        length = str(len(body)).encode()
        headers = [(name, length if name.lower() == b"content-length" else value) for name, value in self.headers]
        return Answer(self.status, headers, body)


def refusal(refused: Refused) -> Answer:
    """A refusal, as Google's API answers it."""
    body = json.dumps(refused.body(reasons=True)).encode()
    headers = [
        (b"content-type", b"application/json; charset=UTF-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    if refused.code == 401:
        headers.append((b"www-authenticate", b'Bearer realm="https://accounts.google.com/"'))
    return Answer(refused.code, headers, body)


def watch(send: Send, carried_out: Callable[[], None]) -> Send:
    """Pass an answer on as it comes; of a request that was carried out, ``carried_out`` hears before the caller."""

    async def watching(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] < 300:
            carried_out()
        await send(message)

    return watching


def rewrite(send: Send, change: Callable[[Answer], Answer]) -> Send:
    """Hold an answer until it is whole, and send what ``change`` makes of it."""
    start: Message = {}
    body = bytearray()

    async def rewriting(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start":
            start = message
            return
        body.extend(message.get("body", b""))
        if not message.get("more_body", False):
            await change(Answer(start["status"], start["headers"], bytes(body))).give(send)

    return rewriting


def header(headers: Headers, name: bytes) -> str | None:
    """The value of a header, by its name in lower case."""
    return next((value.decode("latin-1") for key, value in headers if key.lower() == name), None)
