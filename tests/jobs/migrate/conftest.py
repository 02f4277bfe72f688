"""A real PostgreSQL for the migrate job."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from omnipipe.laptop.services.artifacts.image import Image
from omnipipe.laptop.services.sql.postgres import Postgres
from tests.jobs.migrate import database as databases
from tests.laptop.conftest import postgres as postgres  # the same server as the laptop's own tests


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The job's image."""
    return databases.image(Path(tmp_path_factory.mktemp("images")))


@pytest.fixture(scope="session")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The job's image, but a connection that does not work is tried for a second."""
    built = databases.image(Path(tmp_path_factory.mktemp("impatient")))
    module = Path(f"{built.root}{built.workdir}", "database.py")
    patient = module.read_text()
    module.write_text(patient.replace("_CONNECT_WITHIN_S = 60", "_CONNECT_WITHIN_S = 1"))
    assert module.read_text() != patient
    return built


@pytest.fixture
def database(postgres: Postgres, tmp_path: Path) -> Iterator[databases.Database]:
    """An empty database."""
    created = databases.Database.create(postgres, tmp_path)
    yield created
    created.close()
