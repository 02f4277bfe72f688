"""The project's own checks, on tables that dbt has built: all pass, and each kind of damage fails the right ones."""

from datetime import UTC, date, datetime

import pytest
from kinds import KINDS  # pyright: ignore[reportMissingImports] - conftest.py says where
from scope import Scope, render  # pyright: ignore[reportMissingImports] - conftest.py says where
from source import Source  # pyright: ignore[reportMissingImports] - conftest.py says where
from validation import Validation, query  # pyright: ignore[reportMissingImports] - conftest.py says where

from bench.warehouse import Warehouse
from omnipipe.contracts.checks import load
from omnipipe.laptop.services.bigquery.googlesql import problem
from tests.dbt.warehouse import ROOT, Dbt, change, customer, deliver, trip, weather

# Those of raw need its source: test_comparison.py and the tests of the whole laptop have one.
TABLES = [table for table in load(ROOT / "jobs" / "dvt" / "checks") if not table.name.startswith("raw.")]


@pytest.fixture(scope="module")
def built(running_warehouse: Warehouse, dbt: Dbt) -> Warehouse:
    running_warehouse.reset()
    deliver(running_warehouse, *[change(customer(number), "INSERT", 10) for number in (1, 2)])
    deliver(running_warehouse, *[change(trip(number, customer_id=2), "INSERT", 10) for number in (1, 2, 3)])
    cancelled = trip(4, status="cancelled", started_at=None, ended_at=None, distance_km=None, fare=None)
    deliver(running_warehouse, change(cancelled, "INSERT", 10))
    deliver(running_warehouse, *[weather("Berlin", 2, hour, hour / 10) for hour in range(24)])
    dbt.build()
    return running_warehouse


def failed(warehouse: Warehouse, since: datetime | None = None, run_date: date = date(2026, 3, 3)) -> set[str]:
    """The checks that do not pass, of everything or of what changed."""
    validation = Validation(warehouse.client, Source(), "run", run_date, Scope(since))
    results = [result for table in TABLES for result in validation.run(table)[1]]
    assert not [result.message for result in results if result.status == "error"]
    return {result.check_id for result in results if result.status == "failed"}


def test_all_pass_on_good_tables(built: Warehouse) -> None:
    assert failed(built) == set()


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (
            "DELETE FROM prod.dim_customer WHERE customer_id = 2",
            {"dim_customer_is_complete", "fct_trip_customer_exists"},
        ),
        (
            "UPDATE prod.dim_customer SET email_pseudonym = 'mail-1@example.com' WHERE customer_id = 1",
            {"dim_customer_email_pseudonym_shape"},
        ),
        (
            "INSERT INTO prod.fct_trip SELECT * FROM prod.fct_trip WHERE trip_id = 1",
            {"fct_trip_key_unique", "fct_trip_is_complete", "kpis_count_every_trip"},
        ),
        ("UPDATE prod.fct_trip SET fare = -1 WHERE trip_id = 1", {"fct_trip_fare"}),
        ("UPDATE prod.fct_trip SET city = 'Atlantis' WHERE trip_id = 1", {"fct_trip_city_exists"}),
        ("UPDATE analysis.kpis SET trips_wet = 9 WHERE TRUE", {"kpis_wet_and_dry"}),
        ("UPDATE analysis.kpis SET trips = 2 WHERE TRUE", {"kpis_wet_and_dry", "kpis_count_every_trip"}),
        ("UPDATE analysis.kpis SET cancellation_rate = 1.5 WHERE TRUE", {"kpis_cancellation_rate"}),
        ("UPDATE analysis.kpis SET wet_hours = NULL WHERE TRUE", {"kpis_weather"}),
        (
            "DELETE FROM analysis.kpis WHERE TRUE",
            {"kpis_rows", "kpis_recent_days", "kpis_count_every_trip"},
        ),
    ],
)
def test_damage_is_found(built: Warehouse, damage: str, expected: set[str]) -> None:
    table = damage.replace("INSERT INTO", "UPDATE").replace("DELETE FROM", "UPDATE").split()[1]
    built.client.query(f"CREATE OR REPLACE TABLE vault.kept AS SELECT * FROM {table}").result()
    built.client.query(damage).result()
    try:
        assert failed(built) == expected
    finally:
        built.client.query(f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM vault.kept").result()


def test_damage_of_an_old_day_is_found_when_a_row_of_it_changed_and_by_the_run_that_reads_everything(
    built: Warehouse,
) -> None:
    """The trips are of the 2nd of March, and this run is months later."""
    late, damage = date(2026, 9, 1), "UPDATE prod.fct_trip SET fare = -1 WHERE trip_id = 1"
    before, after = datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
    built.client.query("CREATE OR REPLACE TABLE vault.kept AS SELECT * FROM prod.fct_trip").result()
    built.client.query(damage).result()
    try:
        assert "fct_trip_fare" in failed(built, since=before, run_date=late)
        assert "fct_trip_fare" not in failed(built, since=after, run_date=late)
        assert "fct_trip_fare" in failed(built, run_date=late)
        assert "fct_trip_fare" in failed(built, since=after, run_date=date(2026, 3, 3)), "a recent day is read"
    finally:
        built.client.query("CREATE OR REPLACE TABLE prod.fct_trip AS SELECT * FROM vault.kept").result()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_queries_are_bigquery_sql(table) -> None:
    measures = [KINDS[check.kind].measure(table, check, f"j{number}") for number, check in enumerate(table.checks)]
    for sql in (query(table, measures), *(measure.rows for measure in measures)):
        for days in (None, frozenset({date(2026, 3, 1)})):
            assert problem(render(sql, date(2026, 3, 3), days)) is None, sql
