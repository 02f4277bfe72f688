"""One emulator and one dbt for all tests of the project; each test begins with empty raw tables."""

from collections.abc import Iterator

import pytest

from bench.warehouse import Warehouse, running
from tests.dbt.warehouse import Dbt, dbt_for, job_python
from tests.support.ports import free_ports


@pytest.fixture(scope="session")
def running_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with running(tmp_path_factory.mktemp("bigquery"), free_ports(1)) as warehouse:
        yield warehouse


@pytest.fixture(scope="session")
def dbt(running_warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dbt]:
    with dbt_for(running_warehouse, job_python("dbt"), tmp_path_factory.mktemp("dbt")) as runner:
        yield runner


@pytest.fixture
def warehouse(running_warehouse: Warehouse) -> Warehouse:
    running_warehouse.reset()
    return running_warehouse
