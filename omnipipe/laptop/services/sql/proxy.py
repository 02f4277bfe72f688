"""A TCP port for an instance's socket, for clients that know no other: what the Cloud SQL Auth Proxy is on Google.

Bytes are passed on as they are: who connects logs in as on the socket, with a password, and nothing is encrypted. When
the server is gone, the client is told so in its own protocol, and not that a connection failed.
https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP
"""

import asyncio
import contextlib
import socket
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from pathlib import Path

_CHUNK_BYTES = 65536
# What a client may ask for before it says who it is: encryption, twice, and the end of another's query.
_SSL, _GSS, _CANCEL = 80877103, 80877104, 80877102
_LONGEST_STARTUP_BYTES = 10_000
_CANNOT_CONNECT_NOW = "57P03"


async def serve(listening: socket.socket, server: Path, why_not: Callable[[], str]) -> None:
    """Pass every connection to a listening TCP socket on to a Unix socket, until this is cancelled.

    ``why_not`` is asked what a client is told when nothing takes connections there.
    """

    async def relay(reader: StreamReader, writer: StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError), contextlib.closing(writer):
            try:
                from_server, to_server = await asyncio.open_unix_connection(server)
            except OSError:
                await _refuse(reader, writer, why_not())
                return
            with contextlib.closing(to_server):
                both = [_pass_on(reader, to_server), _pass_on(from_server, writer)]
                _, open_end = await asyncio.wait(
                    [asyncio.ensure_future(each) for each in both], return_when=asyncio.FIRST_COMPLETED
                )
                for each in open_end:
                    each.cancel()

    accepting = await asyncio.start_server(relay, sock=listening)
    try:
        await asyncio.Event().wait()
    finally:
        accepting.close()


async def _pass_on(reader: StreamReader, writer: StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()


async def _refuse(reader: StreamReader, writer: StreamWriter, why: str) -> None:
    while True:
        length, code = struct.unpack("!ii", await reader.readexactly(8))
        if code == _CANCEL or not 8 <= length <= _LONGEST_STARTUP_BYTES:
            return
        if code not in (_SSL, _GSS):
            break
        writer.write(b"N")
    await reader.readexactly(length - 8)
    fields = {"S": "FATAL", "V": "FATAL", "C": _CANNOT_CONNECT_NOW, "M": why}
    body = b"".join(f"{name}{value}\0".encode() for name, value in fields.items()) + b"\0"
    writer.write(b"E" + struct.pack("!i", len(body) + 4) + body)
    await writer.drain()
