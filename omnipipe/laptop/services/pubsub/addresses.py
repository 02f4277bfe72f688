"""The addresses: one for each workload, at which gRPC and REST come in alike.

Google's clients send no credentials to an emulator, so who asks is known by the port that a connection came to. What
comes in is handed on, byte by byte, to the server of gRPC or to that of REST, which know the account by the
connection's own port.
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress

from omnipipe.laptop.ports import HOST

logger = logging.getLogger(__name__)
# How every connection of HTTP/2 begins: https://httpwg.org/specs/rfc9113.html#preface
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_PIECE = 256 * 1024
_BACKLOG = 128


class Connections:
    """Which account each of the connections to an inner server belongs to.

    Each server has its own: two connections may come from one port, as long as they go to two.
    """

    def __init__(self, port: int = 0) -> None:
        """``port`` is the server's, as soon as it has one."""
        self.port = port
        self._accounts: dict[int, str | None] = {}

    def account_of(self, port: int) -> str | None:
        """The account of the connection that comes from a port; None for one that has to say itself who asks."""
        return self._accounts.get(port)

    def opened(self, port: int, account: str | None) -> None:
        """A connection from a port is of an account."""
        self._accounts[port] = account

    def closed(self, port: int) -> None:
        """It is no more."""
        self._accounts.pop(port, None)


class Addresses:
    """Listens at ports, each for an account."""

    def __init__(self, grpc: Connections, rest: Connections) -> None:
        self._grpc = grpc
        self._rest = rest
        self._servers: dict[int, asyncio.Server] = {}
        self._open: set[asyncio.Task[None]] = set()
        self.problems: dict[int, str] = {}

    async def listen(self, port: int, account: str | None) -> None:
        """Let an account in at a port; without one, those who have a token. What stands in the way is a problem."""
        if port in self._servers:
            return

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._serve(reader, writer, account))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

        try:
            self._servers[port] = await asyncio.start_server(
                connected, HOST, port, limit=_PIECE, backlog=_BACKLOG, reuse_address=True
            )
        except OSError as error:
            why = os.strerror(error.errno or 0)
            if port not in self.problems:
                logger.error("nobody is let in at port %d, for %s: %s", port, account, why)
            self.problems[port] = f"port {port}, for {account}: {why}"
        else:
            self.problems.pop(port, None)

    async def close(self) -> None:
        """Let nobody in any more, and end what is open."""
        for server in self._servers.values():
            server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, account: str | None
    ) -> None:
        try:
            begin = await _beginning(reader)
            server = self._grpc if begin.startswith(_PREFACE[:3]) else self._rest
            answers, inner = await asyncio.open_connection(HOST, server.port, limit=_PIECE)
            port = inner.get_extra_info("sockname")[1]
            server.opened(port, account)
            try:
                inner.write(begin)
                await asyncio.gather(_pass_on(reader, inner), _pass_on(answers, writer))
            finally:
                server.closed(port)  # before the port is free for another connection
                inner.close()
        except OSError as error:
            logger.debug("a connection of %s ended: %s", account, error)
        finally:
            writer.close()


async def _beginning(reader: asyncio.StreamReader) -> bytes:
    """As much of what comes as tells the two protocols apart."""
    begin = b""
    while len(begin) < 3 and _PREFACE.startswith(begin):
        more = await reader.read(_PIECE)
        if not more:
            break
        begin += more
    return begin


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(_PIECE):
        writer.write(piece)
        await writer.drain()
    with suppress(OSError, RuntimeError):  # the other side may be gone
        writer.write_eof()
