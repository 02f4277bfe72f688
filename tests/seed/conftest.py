"""A migrated database on a real PostgreSQL, for what fills it."""

from collections.abc import Iterator

import pytest

from omnipipe.laptop.images import Image
from omnipipe.laptop.postgres import Postgres
from tests.jobs.migrate.conftest import image as image
from tests.jobs.migrate.database import Database
from tests.laptop.conftest import postgres as postgres


@pytest.fixture
def database(postgres: Postgres, image: Image) -> Iterator[Database]:
    """An empty database with its tables."""
    created = Database.create(postgres)
    code, output = created.migrate(image)
    assert code == 0, output
    yield created
    created.drop_slot()
