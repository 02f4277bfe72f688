"""A PostgreSQL server that has no TLS: what a client says to it in clear is what it gives away."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# https://www.postgresql.org/docs/current/protocol-message-formats.html (SSLRequest)
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)


class WithoutTls:
    """Where the server is, how often it was asked for TLS, and what was said to it after it had none to offer."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked = 0
        self.heard = b""


@contextmanager
def server_without_tls() -> Iterator[WithoutTls]:
    """Such a server, on a TCP port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = WithoutTls(listening.getsockname()[1])

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:  # closed
                    return
                with connection:
                    connection.settimeout(5)
                    first = connection.recv(8)
                    if first == _SSL_REQUEST:
                        server.asked += 1
                        connection.sendall(b"N")
                        server.heard += connection.recv(1024)
                    else:
                        server.heard += first

        threading.Thread(target=serve, daemon=True).start()
        yield server
        listening.shutdown(socket.SHUT_RDWR)
