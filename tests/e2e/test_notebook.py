"""The recipe for notebooks, word by word, with Google's own client and nothing but the environment."""

import json
import re
import subprocess
import sys

import pytest

from omnipipe.laptop.home import PROJECT_ROOT
from tests.e2e.conftest import Laptop

pytestmark = pytest.mark.e2e

RECIPE = re.search(r"```python\n(.*?)```", (PROJECT_ROOT / "docs/notebook.md").read_text(), re.DOTALL)
CHECKS = """
assert trips["trips"].sum() == 500 and list(trips.columns) == ["city", "trips"], trips
assert arrow.num_rows == len(rows) == 500

from google.api_core.exceptions import BadRequest, NotFound
for ask in (client.query_and_wait, lambda sql: client.query(sql).result()):
    for sql, error in (("SELECT 1,,2", BadRequest), ("SELECT * FROM prod.nix", NotFound)):
        try:
            ask(sql)
        except error as refused:
            assert "[1:10]" in str(refused) or "location EU" in str(refused), refused
        else:
            raise AssertionError(f"{sql} was taken")
assert [tuple(row) for row in client.query_and_wait("SELECT 1 AS a, 'x' AS b")] == [(1, "x")]
"""


@pytest.fixture(scope="module")
def ran(laptop: Laptop) -> Laptop:
    """A laptop cloud after a day with 500 trips."""
    laptop.ok("up")
    laptop.ok("seed", "--trips", "500")
    laptop.ok("run")
    return laptop


def python(laptop: Laptop, code: str, *env: str) -> subprocess.CompletedProcess[str]:
    """Run code with what `omnipipe env` says, and nothing else that would lead a client here."""
    variables = json.loads(laptop.ok("env", "--json", *env))
    given = {name: value for name, value in variables.items() if value is not None}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": "/usr/bin:/bin", **given},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_recipe_works_word_by_word(ran: Laptop) -> None:
    assert RECIPE
    done = python(ran, RECIPE[1] + CHECKS)
    assert done.returncode == 0, done.stderr


def test_as_a_workload_only_what_it_is_granted_is_allowed(ran: Laptop) -> None:
    code = "from google.cloud import bigquery\nprint(list(bigquery.Client().query_and_wait({!r}))[0][0])"
    allowed = python(ran, code.format("SELECT COUNT(*) FROM raw.weather"), "--as", "weather-function")
    assert int(allowed.stdout) > 0, allowed.stderr
    denied = python(ran, code.format("SELECT COUNT(*) FROM prod.fct_trip"), "--as", "weather-function")
    assert "403" in denied.stderr
    assert "choose one of " in ran.run("env", "--as", "nobody").stderr


def test_the_storage_api_is_refused_on_this_machine(ran: Laptop) -> None:
    code = "from google.cloud import bigquery\nbigquery.Client().list_rows('prod.fct_trip').to_arrow()"
    done = python(ran, code)
    assert done.returncode != 0
    assert "127.0.0.1:9" in done.stderr


def test_the_lines_for_a_shell_can_be_evaluated(ran: Laptop) -> None:
    lines = ran.ok("env")
    command = f"{lines}\npython3 -c 'import os; print(os.environ[\"GOOGLE_CLOUD_PROJECT\"])'"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout == "omnipipe-dev\n", done.stderr
