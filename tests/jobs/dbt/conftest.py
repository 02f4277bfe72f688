"""A warehouse for the job."""

import importlib.util
from collections.abc import Iterator
from types import ModuleType

import pytest

from bench.warehouse import Warehouse, running
from tests.dbt.warehouse import ROOT
from tests.support.ports import free_ports


@pytest.fixture(scope="session")
def job() -> ModuleType:
    """The job's own module; there are more of the name."""
    spec = importlib.util.spec_from_file_location("dbt_job", ROOT / "jobs" / "dbt" / "main.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def running_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with running(tmp_path_factory.mktemp("bigquery"), free_ports(1)) as warehouse:
        yield warehouse


@pytest.fixture
def warehouse(running_warehouse: Warehouse) -> Warehouse:
    running_warehouse.reset()
    return running_warehouse
