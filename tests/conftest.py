"""What tests of several folders share."""

from collections.abc import Iterator

import pytest

from tests.runtime import emulator


@pytest.fixture(scope="session")
def bigquery_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a running BigQuery emulator."""
    with emulator.running(tmp_path_factory.mktemp("bigquery")) as address:
        yield address
