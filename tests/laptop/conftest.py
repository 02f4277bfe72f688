"""A real PostgreSQL and a real BigQuery emulator, one of each for the whole session, as processes."""

import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from werkzeug.serving import make_server

from omnipipe.laptop import server
from omnipipe.laptop.cloud import BIGQUERY, GOOGLE, Cloud
from omnipipe.laptop.home import Home
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.bigquery import emulator
from omnipipe.laptop.services.sql.postgres import Postgres
from tests.support.ports import free_ports

FLAGS = {"wal_level": "logical", "max_replication_slots": "50", "max_wal_senders": "50"}
PROJECT = "omnipipe-test"


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
    """Stop a server and wait until it is gone."""
    process.send_signal(Postgres.stop_signal)
    process.wait(20)


class RunningPostgres(Postgres):
    """A server and its process, which a test may kill."""

    process: subprocess.Popen[bytes]

    def crash(self) -> None:
        """Kill the server and start it again."""
        self.process.kill()
        self.process.wait()
        self.process = start_postgres(self)


class Emulator:
    """A BigQuery emulator, its process, and a client for it."""

    def __init__(self, folder: Path) -> None:
        self.data_dir = folder / "bigquery"
        self.rest_port = free_ports(1)
        self.endpoint = f"http://{emulator.HOST}:{self.rest_port}"
        self.log = folder / "bigquery.log"
        self.client = bigquery.Client(
            project=PROJECT, credentials=AnonymousCredentials(), client_options={"api_endpoint": self.endpoint}
        )
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self.log.open("ab") as log:
            command = emulator.argv(self.data_dir, self.rest_port, PROJECT)
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        emulator.wait_ready(self.rest_port, 30)

    def kill(self) -> None:
        """Kill it, as a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Stop it cleanly; its exit code."""
        self.process.terminate()
        return self.process.wait(20)

    def rows(self, query: str) -> list[tuple]:
        """The rows of a query."""
        return [tuple(row.values()) for row in self.client.query_and_wait(query)]


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPostgres]:
    """A running server, prepared as Cloud SQL is."""
    folder = tmp_path_factory.mktemp("postgres")
    with short_temporary_directory() as base:
        server = RunningPostgres(folder / "data", base / "pg", folder / "log")
        server.initialise()
        server.process = start_postgres(server)
        server.prepare()
        yield server
        stop_postgres(server.process)


@pytest.fixture(scope="session")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """A running emulator."""
    running = Emulator(tmp_path_factory.mktemp("bigquery"))
    yield running
    running.stop()


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """A laptop cloud in which nothing runs yet; what a test starts in it is ended."""
    made = Cloud(Home(tmp_path / "home", "omnipipe", "dev"), PROJECT, "europe-west1", base_port=free_ports(20))
    made.home.prepare()
    assert made.ports.of(GOOGLE) + 1 == made.ports.of(BIGQUERY)
    yield made
    made.processes.stop(grace_s=5)
    shutil.rmtree(made.home.sockets, ignore_errors=True)


def owners_client(cloud: Cloud) -> FlaskClient:
    """A client of the control services, as they are after a start, with the token of who deploys."""
    client = server.application(cloud, server.apis(cloud)).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = cloud.as_owner()["Authorization"]
    return client


def grant(cloud: Cloud, type_: str, role: str, member: str, **inputs: Any) -> Resource:
    """Register a grant as it is after its deployment. A member without a prefix is a service account."""
    member = member if ":" in member or member.startswith("all") else f"serviceAccount:{member}"
    made = Resource(type_, f"{role} {member} {inputs}", {"role": role, "member": member, **inputs})
    cloud.registry.put(made)
    return made


@contextmanager
def serving(app: Callable[..., Any], port: int = 0) -> Iterator[str]:
    """Serve a WSGI application on loopback, and give its address."""
    server = make_server(emulator.HOST, port, app, threaded=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://{emulator.HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
