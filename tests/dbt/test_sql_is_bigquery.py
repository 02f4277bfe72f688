"""The SQL that dbt runs is BigQuery's, not only the emulator's, and prunes partitions by literals."""

import shutil
from pathlib import Path

import pytest

from tests.dbt.googlesql import lint
from tests.dbt.warehouse import Dbt, Warehouse, change, customer, deliver, trip, weather


@pytest.fixture(scope="module")
def statements(running_warehouse: Warehouse, dbt: Dbt) -> dict[str, str]:
    """What dbt runs at first and in an increment, by file."""
    running_warehouse.reset()
    shutil.rmtree(dbt.target, ignore_errors=True)
    found: dict[str, str] = {}
    for time, since in ((10, ""), (20, "2026-01-01T00:00:00+00:00")):
        deliver(running_warehouse, change(customer(time), "INSERT", time), change(trip(time), "INSERT", time))
        deliver(running_warehouse, weather("Berlin", 2, 12, time / 100))
        results = dbt.run("build", "--exclude-resource-type", "unit_test", since=since)
        assert not results["error"], results
        for kind in ("run", "compiled"):
            folder = dbt.target / kind
            for path in folder.rglob("*.sql"):
                found[f"{'increment' if since else 'first'}/{kind}/{path.relative_to(folder)}"] = path.read_text()
    return found


def test_every_statement_is_bigquery_sql(statements: dict[str, str]) -> None:
    assert len(statements) > 40
    problems = [f"{name}: {problem}" for name, sql in statements.items() for problem in lint(sql)]
    assert not problems, "\n".join(problems)


def test_lint_finds_what_only_the_emulator_would_take() -> None:
    assert lint("select list_aggregate([1], 'sum')") == ["list_aggregate is not among BigQuery's functions"]
    assert lint("select a::int64 from t") == ["BigQuery has no '::'"]
    assert lint("select a from t qualify row_number() over () = 1") == [
        "BigQuery takes QUALIFY only beside WHERE, GROUP BY or HAVING"
    ]
    assert lint("select from where")


@pytest.mark.parametrize(
    ("model", "condition"),
    [
        ("staging/latest_trips", "target.trip_id between 0 and 999999"),
        ("staging/latest_customers", "target.customer_id between 0 and 999999"),
        ("prod/dim_customer", "target.customer_id between 0 and 999999"),
        ("prod/fct_trip", "target.trip_date in (date '2026-03-02')"),
        ("analysis/kpis", "target.day in (date '2026-03-02')"),
    ],
)
def test_merges_name_the_partitions_that_they_touch(
    statements: dict[str, str], model: str, condition: str
) -> None:
    assert condition in statements[str(Path("increment/run/omnipipe/models", f"{model}.sql"))]


@pytest.mark.parametrize("model", ["latest_trips", "latest_customers"])
def test_increments_read_the_partitions_that_arrived(statements: dict[str, str], model: str) -> None:
    read = statements[f"increment/compiled/omnipipe/models/staging/{model}.sql"]
    first_day = "timestamp_sub(timestamp '2026-01-01', interval 1 day)"
    assert f"(_partitiontime >= {first_day} or _partitiontime is null)" in read
