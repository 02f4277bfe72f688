"""An upload in one request (``uploadType=multipart``), as clients send what is small, for an emulator without it.

It is carried out as the upload in two requests that the emulator knows:
https://cloud.google.com/bigquery/docs/reference/api-uploads
"""

from __future__ import annotations

import json
from email import message_from_bytes
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Scope, Send
from starlette.types import Message as Event


class BadUpload(ValueError):
    """A body that is not a job's configuration and its data."""


def parts(content_type: str, body: bytes) -> tuple[dict[str, Any], bytes]:
    """The job's configuration, and the data. Raises BadUpload."""
    message = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    found = message.get_payload()
    if not isinstance(found, list) or len(found) != 2:
        raise BadUpload("a multipart upload has two parts: the job as JSON, and the data")
    job, data = (part.get_payload(decode=True) if isinstance(part, Message) else None for part in found)
    if not isinstance(job, bytes) or not isinstance(data, bytes):
        raise BadUpload("the parts of a multipart upload have no parts of their own")
    try:
        return json.loads(job), data
    except ValueError as error:
        raise BadUpload(f"the job is not JSON: {error}") from error


async def carry_out(app: ASGIApp, scope: Scope, job: dict[str, Any], data: bytes, send: Send) -> None:
    """Begin an upload with a job's configuration, send the data, and pass on what is answered to that."""
    begun = await _call(app, scope, "POST", b"uploadType=resumable", json.dumps(job).encode())
    location = next((value for name, value in begun[0]["headers"] if name.lower() == b"location"), None)
    if begun[0]["status"] >= 300 or location is None:
        for message in begun:
            await send(message)
        return
    for message in await _call(app, scope, "PUT", urlsplit(location).query, data):
        await send(message)


async def _call(app: ASGIApp, scope: Scope, method: str, query: bytes, body: bytes) -> list[Event]:
    answer: list[Event] = []
    headers = [
        *(
            pair
            for pair in scope["headers"]
            if pair[0] not in (b"content-type", b"content-length", b"content-encoding")
        ),
        (b"content-type", b"application/json" if method == "POST" else b"application/octet-stream"),
        (b"content-length", str(len(body)).encode()),
    ]
    if method == "PUT":  # all of it at once
        headers.append((b"content-range", f"bytes 0-{len(body) - 1}/{len(body)}".encode()))
    sent = False

    async def receive() -> Event:
        nonlocal sent
        if sent:
            return {"type": "http.disconnect"}
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def keep(message: Event) -> None:
        answer.append(message)

    await app({**scope, "method": method, "query_string": query, "headers": headers}, receive, keep)
    return answer
