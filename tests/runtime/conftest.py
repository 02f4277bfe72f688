"""BigQuery for the runtime's tests."""

import pytest
from google.cloud import bigquery

from tests.runtime import emulator


@pytest.fixture
def client(bigquery_address: str, monkeypatch: pytest.MonkeyPatch) -> bigquery.Client:
    """A client of an emulator whose declared tables are empty."""
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", bigquery_address)
    created = emulator.client()
    emulator.recreate_tables(created)
    return created
