"""`omnipipe proxy`: a port that is there until Ctrl-C, and whose printed lines work as they are."""

import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
import requests

from tests.e2e.conftest import COMMAND, Laptop

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def seeded(laptop: Laptop) -> Laptop:
    laptop.ok("up")
    laptop.ok("seed", "--trips", "100")
    return laptop


@contextmanager
def proxy(laptop: Laptop, *arguments: str) -> Iterator[dict[str, str]]:
    """The lines that are printed, by their label, while the port is there; then Ctrl-C must end it as it should."""
    running = subprocess.Popen(
        [COMMAND, "proxy", *arguments],
        env=laptop.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert running.stdout
    try:
        announced = running.stdout.readline()
        found = re.search(r" listens on 127\.0\.0\.1:(\d+) until Ctrl-C, for (.*):$", announced)
        assert found, announced + running.stdout.read()
        lines = [running.stdout.readline().split(None, 1) for _ in range(2)]
        yield {"port": found[1], "who": found[2]} | {label: line.strip() for label, line in lines}
        running.send_signal(signal.SIGINT)
        assert running.wait(20) == 0
        assert "is closed." in running.stdout.read()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(found[1])), timeout=5)
    finally:
        running.kill()
        running.wait()


def test_psql_connects_with_the_line_that_is_printed(seeded: Laptop) -> None:
    with proxy(seeded, "postgres") as shown:
        line = f"{shown['psql']} -Atc 'SELECT COUNT(*) FROM trips'"
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
        assert done.stdout == "100\n", done.stderr
        assert shown["JDBC"].startswith(f"jdbc:postgresql://127.0.0.1:{shown['port']}/mobility?user=mobility_app&")


def test_postgres_as_a_workload_has_its_grants(seeded: Laptop) -> None:
    with proxy(seeded, "postgres", "--as", "validate-job") as shown:
        address = re.search(r"'(postgresql://.*)'", shown["psql"])
        assert address
        with psycopg.connect(address[1]) as connection:
            assert connection.execute("SELECT COUNT(*) FROM trips").fetchone() == (100,)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("DELETE FROM trips")
    refused = seeded.run("proxy", "postgres", "--as", "dbt-job")
    assert "dbt-job has no login to Postgres" in refused.stderr


def test_curl_and_jdbc_have_the_same_address_and_token(seeded: Laptop) -> None:
    with proxy(seeded, "bigquery") as shown:
        token = re.search(r"OAuthAccessToken=([^;]+);EndpointOverrides=BIGQUERY=(http://[^;]+);", shown["JDBC"])
        curl = re.search(r"'Authorization: Bearer (.*)' (http\S+)$", shown["curl"])
        assert token
        assert curl
        assert curl[1] == token[1]
        datasets = requests.get(curl[2], headers={"Authorization": f"Bearer {curl[1]}"}, timeout=10).json()
        assert "raw" in {each["datasetReference"]["datasetId"] for each in datasets["datasets"]}
        assert requests.get(curl[2], timeout=10).status_code == 401


def test_a_port_in_use_is_told_with_another_way(seeded: Laptop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        said = seeded.run("proxy", "postgres", "--port", port).stderr
    assert re.match(rf"error: port {port}, for the proxy of postgres, is in use by .*--port N\n$", said), said
