"""The SQL that dbt runs is BigQuery's, not only the emulator's, and prunes partitions by literals."""

import shutil
from pathlib import Path

import pytest

from bench.warehouse import Warehouse
from omnipipe.laptop.services.bigquery.googlesql import problem
from tests.dbt.warehouse import Dbt, change, customer, deliver, trip, weather


@pytest.fixture(scope="module")
def statements(running_warehouse: Warehouse, dbt: Dbt) -> dict[str, str]:
    """What dbt runs at first and in an increment, by file."""
    running_warehouse.reset()
    shutil.rmtree(dbt.target, ignore_errors=True)
    found: dict[str, str] = {}
    for time, since in ((10, ""), (20, "2026-01-01T05:00:00+00:00")):
        deliver(running_warehouse, change(customer(time), "INSERT", time), change(trip(time), "INSERT", time))
        deliver(running_warehouse, weather("Berlin", 2, 12, time / 100))
        results = dbt.run("build", "--exclude-resource-type", "unit_test", since=since)
        assert not results["error"], results
        for kind in ("run", "compiled"):
            folder = dbt.target / kind
            for path in folder.rglob("*.sql"):
                found[f"{'increment' if since else 'first'}/{kind}/{path.relative_to(folder)}"] = path.read_text()
        for number, statement in enumerate(dbt.statements):
            found[f"{'increment' if since else 'first'}/statement/{number}"] = statement
    return found


def test_every_statement_is_bigquery_sql(statements: dict[str, str]) -> None:
    assert len(statements) > 100
    assert [name for name, sql in statements.items() if "create or replace table" in sql and "__arrived" in sql]
    problems = [f"{name}: {words}" for name, sql in statements.items() if (words := problem(sql))]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("fare,,", "Syntax error: "),
        ("list_value(fare) as fare,", "Function not found: list_value"),
        ("fare ilike 'x' as fare,", "Syntax error: "),
        ("fare::int64,", "Syntax error: "),
    ],
)
def test_what_only_the_emulator_would_take_is_found_in_a_model(
    statements: dict[str, str], wrong: str, words: str
) -> None:
    model = statements["first/compiled/omnipipe/models/prod/fct_trip.sql"]
    assert model.count("fare,") == 1
    assert (problem(model.replace("fare,", wrong)) or "").startswith(words)


@pytest.mark.parametrize(
    ("model", "condition"),
    [
        ("staging/latest_trips", "target.key_bucket in (0) and target.trip_id between 10 and 20"),
        ("staging/latest_customers", "target.key_bucket in (0) and target.customer_id between 10 and 20"),
        ("vault/customer_salts", "target.key_bucket in (0)"),
        ("prod/dim_customer", "target.key_bucket in (0) and target.customer_id between 10 and 20"),
        ("staging/trip_hours", "target.day in (date '2026-03-02')"),
        ("staging/rider_days", "target.day in (date '2026-03-02')"),
        ("staging/day_riders", "target.day in (date '2026-03-02')"),
        ("prod/fct_trip", "target.trip_date in (date '2026-03-02')"),
        ("analysis/kpis", "target.day in (date '2026-03-02')"),
    ],
)
def test_merges_name_the_partitions_that_they_touch(
    statements: dict[str, str], model: str, condition: str
) -> None:
    assert condition in statements[str(Path("increment/run/omnipipe/models", f"{model}.sql"))]


@pytest.mark.parametrize(("model", "table"), [("latest_trips", "trips"), ("latest_customers", "customers")])
def test_increments_read_once_the_partitions_in_which_something_arrived(
    statements: dict[str, str], model: str, table: str
) -> None:
    """Those since the last run that succeeded, and not the day before for good measure: that may hold the backfill."""
    increments = [sql for name, sql in statements.items() if name.startswith("increment/statement/")]
    (read,) = [sql for sql in increments if f"`raw`.`public_{table}`" in sql]
    assert f"{model}__arrived" in read
    assert "(_partitiontime >= timestamp '2026-01-01' or _partitiontime is null)" in read
    assert "expiration_timestamp = timestamp_add(current_timestamp(), interval 2 hour)" in read
