"""What tests of several folders share."""

from collections.abc import Iterator

import pytest
from google.cloud import bigquery

from tests.runtime import emulator


@pytest.fixture(scope="session")
def bigquery_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a running BigQuery emulator."""
    with emulator.running(tmp_path_factory.mktemp("bigquery")) as address:
        yield address


@pytest.fixture
def client(bigquery_address: str, monkeypatch: pytest.MonkeyPatch) -> bigquery.Client:
    """A client of an emulator whose declared tables are empty."""
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", bigquery_address)
    created = emulator.client()
    emulator.recreate_tables(created)
    return created
