"""A warehouse for the job."""

from collections.abc import Iterator

import pytest

from tests.dbt.warehouse import Warehouse, running


@pytest.fixture(scope="session")
def running_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with running(tmp_path_factory.mktemp("bigquery")) as warehouse:
        yield warehouse


@pytest.fixture
def warehouse(running_warehouse: Warehouse) -> Warehouse:
    running_warehouse.reset()
    return running_warehouse
