"""A migrated database on a real PostgreSQL, for what fills it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from omnipipe.laptop.services.artifacts.image import Image
from omnipipe.laptop.services.sql.postgres import Postgres
from tests.jobs.migrate.conftest import image as image
from tests.jobs.migrate.database import Database
from tests.laptop.conftest import postgres as postgres


@pytest.fixture
def database(postgres: Postgres, image: Image, tmp_path: Path) -> Iterator[Database]:
    """An empty database with its tables."""
    created = Database.create(postgres, tmp_path)
    code, output = created.migrate(image)
    assert code == 0, output
    yield created
    created.close()
