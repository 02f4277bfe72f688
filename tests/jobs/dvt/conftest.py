"""The job's own modules, which lie beside its main.py as in the image, and a warehouse to check."""

import sys
from collections.abc import Iterator

import pytest

from bench.warehouse import Warehouse, running
from tests.dbt.warehouse import ROOT, Dbt, dbt_for, job_python
from tests.laptop.conftest import emulated as emulated  # the same servers as the laptop's own tests
from tests.laptop.conftest import postgres as postgres
from tests.laptop.services.datastream.conftest import pipeline as pipeline
from tests.support.ports import free_ports

sys.path.insert(0, str(ROOT / "jobs" / "dvt"))


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
