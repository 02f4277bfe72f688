"""A real PostgreSQL and a real BigQuery emulator, one of each for the whole session, as processes."""

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from omnipipe.laptop.postgres import STOP_SIGNAL, Postgres

FLAGS = {"wal_level": "logical", "max_replication_slots": "20", "max_wal_senders": "20"}


@contextmanager
def short_temporary_directory() -> Iterator[Path]:
    """A folder for a socket: pytest's own are too deep for one, and `nobody` cannot pass them."""
    with tempfile.TemporaryDirectory(prefix="omnipipe-test-", dir="/tmp") as name:
        Path(name).chmod(0o711)
        yield Path(name)


def start_postgres(server: Postgres, flags: Mapping[str, str] = FLAGS) -> subprocess.Popen[bytes]:
    """Start a server and wait until it is ready."""
    with server.log_file.open("ab") as log:
        process = subprocess.Popen(server.argv(flags), stdout=log, stderr=log)
    server.wait_ready(20)
    return process


def stop_postgres(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(STOP_SIGNAL)
    process.wait(20)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A running server, prepared as Cloud SQL is."""
    folder = tmp_path_factory.mktemp("postgres")
    with short_temporary_directory() as base:
        server = Postgres(folder / "data", base / "pg", folder / "log")
        server.initialise()
        process = start_postgres(server)
        server.prepare()
        yield server
        stop_postgres(process)
