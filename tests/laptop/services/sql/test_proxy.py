"""A TCP port for the socket of a real server: what goes through it; what a client is told when the server is gone."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from omnipipe.laptop.services.sql import proxy
from tests.laptop.conftest import RunningPostgres

HOST = "127.0.0.1"
GONE = "not running: postgres-x"


@contextmanager
def proxied(folder: Path) -> Iterator[int]:
    """The port of a proxy of the socket in a folder."""
    listening = socket.create_server((HOST, 0))
    port = listening.getsockname()[1]
    loop, tasks = asyncio.new_event_loop(), []

    async def main() -> None:
        tasks.append(asyncio.current_task())
        await proxy.serve(listening, folder / ".s.PGSQL.5432", lambda: GONE)

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner, pytest.raises(asyncio.CancelledError):
            runner.run(main())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(tasks[0].cancel)
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def login(postgres: RunningPostgres) -> str:
    """How a client logs in, but for the port."""
    postgres.ensure_user("sql_client", "p:a/s s")
    return make_conninfo(host=HOST, user="sql_client", password="p:a/s s", dbname="postgres")


def test_sql_clients_log_in_with_their_password_and_read_more_than_a_chunk(
    postgres: RunningPostgres, login: str
) -> None:
    with proxied(postgres.socket_dir) as port:
        with psycopg.connect(login, port=port) as one, psycopg.connect(login, port=port) as other:
            assert one.execute("SELECT length(repeat('x', 3000000)), repeat('x', 3000000)").fetchone() == (
                3_000_000,
                "x" * 3_000_000,
            )
            assert other.execute("SELECT current_user").fetchone() == ("sql_client",)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(login, port=port, password="wrong")


def test_a_query_can_be_cancelled(postgres: RunningPostgres, login: str) -> None:
    with proxied(postgres.socket_dir) as port, psycopg.connect(login, port=port) as connection:
        threading.Timer(0.5, connection.cancel_safe).start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(30)")


@pytest.mark.parametrize("sslmode", ["disable", "prefer"])
def test_a_client_of_a_server_that_is_gone_is_told_which(tmp_path: Path, sslmode: str) -> None:
    with proxied(tmp_path) as port, pytest.raises(psycopg.OperationalError, match=f"FATAL: +{GONE}"):
        psycopg.connect(host=HOST, port=port, user="anybody", sslmode=sslmode)


def test_what_is_no_client_of_postgres_is_hung_up_on(tmp_path: Path) -> None:
    with proxied(tmp_path) as port, socket.create_connection((HOST, port), timeout=5) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(100) == b""


def test_the_port_is_closed_with_its_connections(postgres: RunningPostgres, login: str) -> None:
    with proxied(postgres.socket_dir) as port:
        connection = psycopg.connect(login, port=port)
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, port), timeout=5)
