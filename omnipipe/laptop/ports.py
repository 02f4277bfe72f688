"""Which service listens where on 127.0.0.1: the same port at each start, below one base that a user may move."""

import fcntl
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.home import write_json

DEFAULT_BASE = 18400
HOST = "127.0.0.1"


def configured_base() -> int | None:
    """First port of a laptop cloud, as ``OMNIPIPE_PORT`` says; None when it says nothing.

    Raises LaptopError when the setting is not a port.
    """
    text = os.environ.get("OMNIPIPE_PORT")
    if text is None:
        return None
    if not text.isdigit() or not 1024 <= int(text) <= 65000:
        raise LaptopError(f"OMNIPIPE_PORT is {text!r}: give the first of about 30 free ports, 1024 to 65000")
    return int(text)


class Ports:
    """Ports by name from ``base`` on, remembered in a file: a service that starts again has the same address."""

    def __init__(self, path: Path, base: int) -> None:
        self._path: Path | None = path
        self._lock = threading.Lock()
        self._base = base
        self._names: list[str] = []
        self._read()

    def _read(self) -> None:
        if self._path:
            with suppress(FileNotFoundError):
                self._names = json.loads(self._path.read_text())["names"]

    def of(self, name: str) -> int:
        """The port of a service."""
        with self._lock:
            if name not in self._names:
                with self._alone():
                    self._read()  # another process of the cloud may have given it one since
                    if name not in self._names:
                        self._names.append(name)
                        if self._path:
                            write_json(self._path, {"names": self._names})
            return self._base + self._names.index(name)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Of the processes of a cloud one at a time gives ports: two at once would give the same one twice."""
        if self._path is None:
            yield
            return
        with self._path.with_suffix(".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # which the kernel lets go when its holder dies
            yield

    def names(self) -> list[str]:
        """The services that have a port, by now."""
        with self._lock:
            self._read()
            return list(self._names)

    def foresee(self) -> None:
        """From now on remember nothing in the file: for a preview, which may come before there is a folder for it."""
        self._path = None

    def require_free(self, name: str) -> None:
        """Raise LaptopError, naming who has it, when another program listens on this service's port."""
        require_free(
            self.of(name), name, f"move all ports, for example OMNIPIPE_PORT={self._base + 1000} omnipipe up"
        )


def require_free(port: int, name: str, way_out: str) -> None:
    """Raise LaptopError, naming who has it and the way out, when another program listens on a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise LaptopError(
                f"port {port}, for {name}, is in use{_by_whom(port)}: stop that program, or {way_out}"
            ) from None


def listens(port: int) -> bool:
    """Whether something listens on a port of this machine."""
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex((HOST, port)) == 0


def _by_whom(port: int) -> str:
    with suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.pid and not connection.raddr:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return ""
