"""The job that plays the business, as at Google: from its image, on a real PostgreSQL, as the application's user."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from components.platform.sources import ROOT
from omnipipe.laptop.services.artifacts.image import Image
from omnipipe.laptop.services.artifacts.images import build
from tests.jobs.migrate.database import APP, PASSWORDS, Database
from tests.seed.conftest import database as database
from tests.seed.conftest import image as image
from tests.seed.conftest import postgres as postgres


@pytest.fixture(scope="module")
def business(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return build(ROOT, ROOT / "jobs" / "business" / "Dockerfile", tmp_path_factory.mktemp("image"))


def play(business: Image, database: Database, **environment: str) -> tuple[int, list[dict[str, str]]]:
    """Run it with what `omnipipe seed` and `traffic` give; its exit code and what it logs."""
    login = {
        name: value for name, value in database.environment().items() if name in ("PGHOST", "PGPORT", "PGDATABASE")
    }
    done = subprocess.run(
        [str(Path(business.environment, "bin", "python")), business.entrypoint[1]],
        cwd=f"{business.root}{business.workdir}",
        env={"PATH": os.environ["PATH"], **login, "PGUSER": APP, "PGPASSWORD": PASSWORDS[APP], **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_it_fills_the_database_and_goes_on(business: Image, database: Database) -> None:
    code, said = play(business, database, ACTION="seed", TRIPS="200")
    assert (code, len(said)) == (0, 1)
    assert said[0]["message"].startswith("20 customers and 200 trips until ")
    assert database.rows("SELECT count(*) FROM trips") == [(200,)]

    code, again = play(business, database, ACTION="seed", TRIPS="200")
    assert code == 0
    assert again[0]["message"].startswith("seeded before: 20 customers and 200 trips are there")

    code, said = play(business, database, ACTION="traffic", SECONDS="1", RATE="40")
    assert code == 0
    assert " rows changed: " in said[0]["message"]


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"ACTION": "traffic", "SECONDS": "1", "RATE": "1"}, "the database has no customers"),
        ({"ACTION": "seed", "TRIPS": "many"}, "TRIPS is 'many': give a number"),
        ({"ACTION": "seed", "TRIPS": "10", "PGPASSWORD": "no"}, "the database refused: "),
        ({"ACTION": "sleep"}, "ACTION is 'sleep': give one of seed, traffic"),
    ],
)
def test_what_it_cannot_do_is_an_error_with_its_reason(
    business: Image, database: Database, environment: dict[str, str], words: str
) -> None:
    code, said = play(business, database, **environment)
    assert code == 1
    assert said[-1]["severity"] == "ERROR"
    assert said[-1]["message"].startswith(words)
