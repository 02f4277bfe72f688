"""The recipes for notebooks, word by word, with Google's own clients and nothing but the environment."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from omnipipe.laptop.home import PROJECT_ROOT
from tests.e2e.conftest import Laptop

pytestmark = pytest.mark.e2e

BIGQUERY, POSTGRES, FUNCTION = re.findall(
    r"```python\n(.*?)```", (PROJECT_ROOT / "docs/notebook.md").read_text(), re.DOTALL
)
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
    done = python(ran, BIGQUERY + CHECKS)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("env", [(), ("--as", "validate-job")], ids=["owner", "workload"])
def test_postgres_is_reached_without_an_argument(ran: Laptop, env: tuple[str, ...]) -> None:
    done = python(ran, f"{POSTGRES}\nprint(len(newest))", *env)
    assert done.stdout == "3\n", done.stderr


def test_a_workload_writes_to_postgres_what_it_was_granted_and_who_has_no_login_is_nobody(ran: Laptop) -> None:
    write = "import psycopg\nwith psycopg.connect() as c: c.execute('DELETE FROM trips WHERE trip_id = 1')"
    assert "permission denied" in python(ran, write, "--as", "validate-job").stderr
    variables = json.loads(ran.ok("env", "--json", "--as", "dbt-job"))
    assert {variables[name] for name in variables if name.startswith("PG")} == {None}


def test_the_password_stands_in_a_file_of_the_owners_only(ran: Laptop) -> None:
    variables = json.loads(ran.ok("env", "--json"))
    assert Path(variables["PGPASSFILE"]).stat().st_mode & 0o077 == 0
    password = Path(variables["PGPASSFILE"]).read_text().strip().rpartition(":")[2]
    assert password
    assert password not in ran.ok("env")


def test_a_function_is_called_as_who_may_call_it(ran: Laptop) -> None:
    show = f"{FUNCTION}\nprint(answer.status_code)"
    assert python(ran, show, "--as", "daily-workflow").stdout == "200\n"
    assert python(ran, show, "--as", "dbt-job").stdout == "404\n"  # it takes calls from inside only


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
