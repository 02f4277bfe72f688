"""What a run reads: what changed since the last validated one, and everything once a week."""

from datetime import UTC, date, datetime, timedelta

import pytest
from google.cloud import bigquery
from scope import RECENT_DAYS, Scope, render  # pyright: ignore[reportMissingImports] - conftest.py says where
from validation import Validation  # pyright: ignore[reportMissingImports] - conftest.py says where

from bench.warehouse import Warehouse
from omnipipe.contracts.checks import Check, CheckedTable
from omnipipe.contracts.tables import STEP_RUNS, VALIDATION_RESULTS, StepRun, ValidationResult

NOW = datetime(2026, 3, 9, 5, 0, 10, tzinfo=UTC)
DAY = timedelta(days=1)
NO_SOURCE: object = None
COUNT = Check("c_rows", "prod.c", "row_count", "volume", "error", {"min": 1})


@pytest.fixture
def client(warehouse: Warehouse) -> bigquery.Client:
    return warehouse.client


def ran(warehouse: Warehouse, run_id: str, at: datetime, scope: str, *outcomes: tuple[str, str]) -> None:
    """A run whose dbt step began at a moment, and whose checks had these severities and results."""
    step = StepRun(
        run_id=run_id,
        step="dbt",
        status="succeeded",
        rows=1,
        started_at=at,
        finished_at=at + timedelta(minutes=1),
        message=None,
        bytes_processed=None,
    )
    results = [
        ValidationResult(
            run_id=run_id,
            check_id=f"check_{number}",
            table_id="prod.c",
            dimension="volume",
            severity=severity,
            status=status,
            observed=1.0,
            threshold="",
            message=None,
            checked_at=at + timedelta(minutes=2),
            scope=scope,
        )
        for number, (severity, status) in enumerate(outcomes)
    ]
    warehouse.insert(STEP_RUNS, [step])
    warehouse.insert(VALIDATION_RESULTS, results)


def test_everything_once_a_week_and_between_what_changed_since_the_last_validated_run(
    warehouse: Warehouse,
) -> None:
    def scope(now: datetime) -> Scope:
        return Scope.of(warehouse.client, "this", now)

    fine = ("error", "passed")
    assert scope(NOW) == Scope(None), "nothing was ever validated"
    ran(warehouse, "stopped", NOW, "everything", fine, ("error", "failed"))
    assert scope(NOW + DAY) == Scope(None)
    ran(warehouse, "first", NOW + DAY, "everything", fine, ("warn", "failed"))
    assert scope(NOW + 2 * DAY) == Scope(NOW + DAY)
    ran(warehouse, "second", NOW + 2 * DAY, "changed", fine)
    ran(warehouse, "broken", NOW + 3 * DAY, "changed", fine, ("error", "error"))
    ran(warehouse, "this", NOW + 4 * DAY, "changed", fine)
    assert scope(NOW + 4 * DAY) == Scope(NOW + 2 * DAY)
    # At the same hour a week later, some seconds early.
    assert scope(NOW + 8 * DAY - timedelta(seconds=20)) == Scope(None)
    assert [str(scope(NOW + days * DAY)) for days in (4, 8)] == ["changed", "everything"]


def test_the_days_that_changed_are_read_and_the_last_ones(client: bigquery.Client) -> None:
    client.query(
        "CREATE TABLE prod.c AS SELECT DATE '2025-01-05' AS day, TIMESTAMP '2026-03-08 05:00:11 UTC' AS loaded_at "
        "UNION ALL SELECT DATE '2025-01-06', TIMESTAMP '2026-03-08 05:00:10 UTC' UNION ALL "
        "SELECT NULL, CURRENT_TIMESTAMP()"
    ).result()
    table = CheckedTable(
        "prod.c", "{days day}", (COUNT,), "SELECT DISTINCT day FROM prod.c WHERE loaded_at > {since}"
    )
    days = Scope(NOW - DAY).days(client, table, NOW.date())
    assert days is not None
    assert sorted(days)[:2] == [date(2025, 1, 5), NOW.date() - RECENT_DAYS * DAY]
    assert len(days) == RECENT_DAYS + 2
    assert Scope(None).days(client, table, NOW.date()) is None

    validation = Validation(client, NO_SOURCE, "run", NOW.date(), Scope(NOW - DAY))
    assert validation.run(table)[0] == 1
    (result,) = Validation(client, NO_SOURCE, "run", NOW.date(), Scope(None)).run(table)[1]
    assert (result.observed, result.scope) == (3.0, "everything")


def test_a_query_of_days_that_cannot_run_is_told_for_each_check(client: bigquery.Client) -> None:
    table = CheckedTable("prod.c", "TRUE", (COUNT,), "SELECT day FROM prod.none WHERE at > {since}")
    rows, (result,) = Validation(client, NO_SOURCE, "run", NOW.date(), Scope(NOW)).run(table)
    assert (rows, result.check_id, result.status) == (0, "c_rows", "error")
    assert "changed_days, which says what to read, cannot run: " in result.message


def test_days_are_literals() -> None:
    sql = "SELECT 1 FROM t WHERE {days DATE(at)} AND day < {run_date}"
    assert render(sql, date(2026, 3, 3), None) == "SELECT 1 FROM t WHERE TRUE AND day < DATE '2026-03-03'"
    some = frozenset({date(2026, 3, 2), date(2026, 3, 1)})
    assert "WHERE DATE(at) IN (DATE '2026-03-01', DATE '2026-03-02') AND" in render(sql, date(2026, 3, 3), some)
