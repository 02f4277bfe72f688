"""What tests of several folders share, and which tests start servers.

A test that starts a server, or uses a fixture that does, has the marker ``servers``: by the names below, or by its own
``@pytest.mark.servers``. A test without it that starts one nevertheless fails, so that ``-m "not servers and not e2e"``
stays quick.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.cloud import bigquery

from bench import warehouse
from tests.support import emulator
from tests.support.ports import free_ports

# Fixtures that start a server for their tests.
SERVING = {
    *("bigquery_address", "running_warehouse", "emulated", "postgres"),
    *("laptop", "copy", "pubsub"),
}
# By which the command line of a server is known: PostgreSQL, BigQuery, Pub/Sub, a function, the laptop cloud's own.
SERVERS = (
    "omnipipe.laptop.services.sql.postgres",
    "omnipipe.laptop.services.bigquery.emulator",
    "omnipipe.laptop.services.pubsub",
    "functions-framework",
    "omnipipe.laptop.server",
)
_running: list[pytest.Item] = []


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests whose fixtures start a server, before the marks choose."""
    for item in items:
        if SERVING & set(getattr(item, "fixturenames", ())):
            item.add_marker("servers")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Know the test that runs, from its first fixture on."""
    _running.append(item)
    try:
        return (yield)
    finally:
        _running.pop()


def _refuse_servers(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "subprocess.Popen" or not _running:
        return
    command = arguments[1] if isinstance(arguments[1], (list, tuple)) else [arguments[1]]
    server = next(
        (name for name in SERVERS if any(Path(os.fsdecode(part)).name == name for part in command)), None
    )
    item = _running[-1]
    if server and not any(item.iter_markers("servers")) and not any(item.iter_markers("e2e")):
        pytest.fail(f"{item.nodeid} starts {server}: mark it with @pytest.mark.servers")


sys.addaudithook(_refuse_servers)


@pytest.fixture(scope="session")
def bigquery_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a running BigQuery emulator."""
    with warehouse.emulator(tmp_path_factory.mktemp("bigquery"), free_ports(1)) as address:
        yield address


@pytest.fixture
def client(bigquery_address: str, monkeypatch: pytest.MonkeyPatch) -> bigquery.Client:
    """A client of an emulator whose declared tables are empty."""
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", bigquery_address)
    created = emulator.client()
    emulator.recreate_tables(created)
    return created
