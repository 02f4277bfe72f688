"""Each kind of check on a real table: what passes, what fails, and the query that shows the failed rows."""

from datetime import date
from pathlib import Path

import pytest
from google.cloud import bigquery
from scope import Scope  # pyright: ignore[reportMissingImports] - conftest.py says where
from source import Source  # pyright: ignore[reportMissingImports] - conftest.py says where
from validation import Validation  # pyright: ignore[reportMissingImports] - conftest.py says where

from bench.warehouse import Warehouse
from omnipipe.contracts.checks import CheckedTable, load
from omnipipe.contracts.tables import ValidationResult

ROWS = """
CREATE TABLE prod.checked AS
SELECT * FROM UNNEST([
  STRUCT(1 AS id, 'a' AS name, 5 AS amount, DATE '2026-03-01' AS day),
  STRUCT(2 AS id, 'b' AS name, -1 AS amount, DATE '2026-03-02' AS day),
  STRUCT(2 AS id, 'B' AS name, 9 AS amount, DATE '2026-03-02' AS day),
  STRUCT(3 AS id, CAST(NULL AS STRING) AS name, 7 AS amount, DATE '2026-03-03' AS day)
])
"""


@pytest.fixture(scope="module")
def filled(running_warehouse: Warehouse) -> Warehouse:
    running_warehouse.reset()
    running_warehouse.client.query_and_wait(ROWS)
    running_warehouse.client.query_and_wait(
        "CREATE TABLE prod.names AS SELECT name FROM UNNEST(['a', 'b', 'b']) AS name"
    )
    running_warehouse.client.query_and_wait(
        "CREATE TABLE prod.empty_one AS SELECT * FROM prod.checked WHERE FALSE"
    )
    return running_warehouse


def declared(folder: Path, *checks: str, table: str = "prod.checked", rows: str = "TRUE") -> CheckedTable:
    volume = "  - {id: volume, kind: row_count, min: 0, dimension: volume, severity: error}\n"
    lines = "".join(
        f"  - {{id: check_{number}, dimension: validity, severity: error, {check}}}\n"
        for number, check in enumerate(checks)
    )
    (folder / "t.yml").write_text(f'table: {table}\nfilter: "{rows}"\nchecks:\n{volume}{lines}')
    (loaded,) = load(folder)
    return loaded


def results(warehouse: Warehouse, table: CheckedTable) -> list[ValidationResult]:
    _, found = Validation(warehouse.client, Source(), "run", date(2026, 3, 3), Scope(None)).run(table)
    return found[1:]


@pytest.mark.parametrize(
    ("check", "observed", "passed"),
    [
        ("kind: not_null, column: id", 0, True),
        ("kind: not_null, column: name", 1, False),
        ("kind: not_null, column: name, threshold: 25%", 1, True),
        ("kind: not_null, column: name, threshold: 24%", 1, False),
        ("kind: unique, column: name", 0, True),
        ("kind: unique, column: id", 1, False),
        ("kind: unique, columns: [id, name]", 0, True),
        ("kind: unique, columns: [id, day]", 1, False),
        ("kind: accepted_values, column: name, values: [a, b, B]", 0, True),
        ("kind: accepted_values, column: name, values: [a, B]", 1, False),
        ("kind: accepted_values, column: name, values: [\"it's\", '\\']", 3, False),
        ("kind: range, column: amount, min: -1, max: 9", 0, True),
        ("kind: range, column: amount, min: 0", 1, False),
        ("kind: range, column: day, max: 2026-03-02", 1, False),
        ("kind: pattern, column: name, regex: '^[a-z]$'", 1, False),
        ("kind: pattern, column: name, regex: '^[a-zA-Z]$'", 0, True),
        ("kind: expression, holds: id <= amount", 1, False),
        ("kind: expression, holds: \"name != 'z' OR amount > 0\"", 0, True),
        ("kind: relationship, column: name, references: prod.names.name", 1, False),
        ("kind: relationship, column: name, references: prod.names.name, threshold: 1", 1, True),
        ("kind: row_count, min: 4, max: 4", 4, True),
        ("kind: row_count, min: 5", 4, False),
        ("kind: row_count, min: 1, max: 3", 4, False),
        ("kind: freshness, column: day, max_age_hours: 24", 24, True),
        ("kind: freshness, column: day, max_age_hours: 23", 24, False),
        ("kind: source_match, source: SELECT COUNT(*) FROM prod.names", 1, False),
        ("kind: source_match, source: SELECT COUNT(*) FROM prod.names, threshold: 50%", 1, True),
        ("kind: source_match, value: SUM(amount), source: SELECT 20", 0, True),
    ],
)
def test_each_kind(filled: Warehouse, tmp_path: Path, check: str, observed: float, passed: bool) -> None:
    (result,) = results(filled, declared(tmp_path, check))
    assert (result.status, result.observed) == ("passed" if passed else "failed", observed), result.message
    assert result.message
    if not passed:  # the query shows what is wrong
        assert list(filled.client.query_and_wait(result.message.partition("; see: ")[2]))


@pytest.mark.parametrize(
    ("check", "wrong"),
    [
        ("kind: not_null, column: name", {(3, None)}),
        ("kind: unique, column: id", {(2, 2)}),  # the key, and how often
        ("kind: unique, columns: [id, day]", {(2, date(2026, 3, 2), 2)}),
        ("kind: accepted_values, column: name, values: [a, B]", {(2, "b")}),
        ("kind: range, column: amount, min: 0, max: 8", {(2, "b"), (2, "B")}),
        ("kind: pattern, column: name, regex: '^[a-z]$'", {(2, "B")}),
        ("kind: expression, holds: id <= amount", {(2, "b")}),
        ("kind: relationship, column: name, references: prod.names.name", {(2, "B")}),
    ],
)
def test_the_query_that_is_shown_has_the_wrong_rows_and_no_other(
    filled: Warehouse, tmp_path: Path, check: str, wrong: set[tuple[object, ...]]
) -> None:
    (result,) = results(filled, declared(tmp_path, check))
    shown = filled.client.query_and_wait((result.message or "").partition("; see: ")[2])
    width = max(map(len, wrong))
    assert {tuple(row.values())[:width] for row in shown} == wrong


@pytest.mark.parametrize(
    ("check", "wrong"),
    [
        ("kind: relationship, column: amount, references: prod.checked.id", {1, 3}),
        ("kind: range, column: amount, min: 100", {1, 3}),
        ("kind: unique, column: id", set()),
    ],
)
def test_the_rows_that_a_filter_leaves_out_are_neither_counted_nor_shown(
    filled: Warehouse, tmp_path: Path, check: str, wrong: set[int]
) -> None:
    (result,) = results(filled, declared(tmp_path, check, rows="id = 1 OR id = 3"))
    assert result.observed == len(wrong)
    shown = (result.message or "").partition("; see: ")[2]
    assert {row["id"] for row in filled.client.query_and_wait(shown)} == wrong if wrong else not shown


def test_all_checks_of_a_table_are_one_query(filled: Warehouse, tmp_path: Path) -> None:
    counting = CountingClient(filled.client)
    table = declared(
        tmp_path,
        "kind: not_null, column: name",
        "kind: unique, column: id",
        "kind: relationship, column: name, references: prod.names.name",
        "kind: source_match, source: SELECT COUNT(*) FROM prod.names",
        "kind: freshness, column: day, max_age_hours: 1",
    )
    rows, found = Validation(counting, Source(), "run", date(2026, 3, 3), Scope(None)).run(table)  # type: ignore[arg-type]  # counts and passes on
    assert counting.queries == 1
    assert rows == 4
    assert [result.observed for result in found] == [4, 1, 1, 1, 1, 24]


class CountingClient:
    """A client that counts its queries."""

    def __init__(self, client: bigquery.Client) -> None:
        self._client = client
        self.queries = 0

    def query(self, sql: str) -> bigquery.QueryJob:
        self.queries += 1
        return self._client.query(sql)


def test_a_filter_limits_every_check(filled: Warehouse, tmp_path: Path) -> None:
    checks = ("kind: unique, column: id", "kind: not_null, column: name", "kind: row_count, min: 1")
    found = results(filled, declared(tmp_path, *checks, rows="day >= {run_date}"))
    assert [result.observed for result in found] == [0, 1, 1]
    assert found[1].message
    assert "(day >= DATE '2026-03-03')" in found[1].message


def test_a_check_that_cannot_run_is_an_error_and_hides_no_other(filled: Warehouse, tmp_path: Path) -> None:
    checks = ("kind: not_null, column: name", "kind: not_null, column: nothing", "kind: unique, column: name")
    found = results(filled, declared(tmp_path, *checks))
    assert [result.status for result in found] == ["failed", "error", "passed"]
    assert found[1].observed is None
    assert found[1].message
    assert "nothing" in found[1].message


def test_a_missing_table_is_an_error_of_every_check(filled: Warehouse, tmp_path: Path) -> None:
    checks = ("kind: not_null, column: name", "kind: unique, column: id")
    found = results(filled, declared(tmp_path, *checks, table="prod.missing"))
    assert [result.status for result in found] == ["error", "error"]


def test_an_empty_table_is_caught_by_its_volume(filled: Warehouse, tmp_path: Path) -> None:
    checks = (
        "kind: row_count, min: 1",
        "kind: freshness, column: day, max_age_hours: 99999",
        "kind: source_match, value: SUM(amount), source: SELECT 0",
        "kind: not_null, column: id",
    )
    found = results(filled, declared(tmp_path, *checks, table="prod.empty_one"))
    assert [result.status for result in found] == ["failed", "failed", "failed", "passed"]
