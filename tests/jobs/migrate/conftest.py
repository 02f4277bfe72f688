"""A real PostgreSQL for the migrate job."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from omnipipe.laptop.images import Image
from omnipipe.laptop.postgres import Postgres
from tests.jobs.migrate import database as databases
from tests.laptop.conftest import postgres as postgres  # the same server as the laptop's own tests


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The job's image."""
    return databases.image(Path(tmp_path_factory.mktemp("images")))


@pytest.fixture
def database(postgres: Postgres) -> Iterator[databases.Database]:
    """An empty database."""
    created = databases.Database.create(postgres)
    yield created
    created.drop_slot()
