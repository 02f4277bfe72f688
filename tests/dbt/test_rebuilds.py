"""A model that was changed is noticed, and its table made anew by rule, without losing what only a table knows."""

import shutil
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bench.warehouse import Warehouse
from tests.dbt.warehouse import ROOT, Dbt, change, customer, deliver, job_python, trip


class Project:
    """A copy of the project, which a test may change; each command is a dbt of its own, as in the job."""

    def __init__(self, warehouse: Warehouse, folder: Path) -> None:
        self._warehouse = warehouse
        self._scratch = folder / "scratch"
        self._scratch.mkdir()
        self.folder = folder / "dbt"
        shutil.copytree(ROOT / "dbt", self.folder)
        self._since = ""

    def edit(self, file: str, *replacements: tuple[str, str]) -> None:
        path = self.folder / file
        text = path.read_text()
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)

    def run(self, *arguments: str, **variables: str) -> tuple[dict[str, Any], list[str]]:
        """The message of each model, and what the macros said."""
        loaded_at = datetime.now(UTC).isoformat()
        dbt = Dbt(job_python("dbt"), self._warehouse.environment, self._scratch, self.folder)
        try:
            results = dbt.run("run", *arguments, since=self._since, loaded_at=loaded_at, **variables)
        finally:
            dbt.close()
        if not results["error"]:
            self._since = loaded_at
        return results, dbt.messages

    def succeed(self, *arguments: str, **variables: str) -> list[str]:
        """What the macros said in a run that succeeds."""
        results, messages = self.run(*arguments, **variables)
        assert not results["error"], results
        return messages


@pytest.fixture
def project(warehouse: Warehouse, tmp_path: Path) -> Project:
    return Project(warehouse, tmp_path)


def test_a_new_column_has_its_values_in_all_rows_and_the_run_says_so(
    warehouse: Warehouse, project: Project
) -> None:
    deliver(warehouse, change(customer(1), "INSERT", 10), change(trip(1), "INSERT", 10))
    assert project.succeed() == []
    warehouse.rows("UPDATE analysis.kpis SET updated_at = TIMESTAMP '2026-03-02 00:00:00+00' WHERE TRUE")
    published = warehouse.contents("analysis.kpis")
    deliver(warehouse, change(trip(2), "INSERT", 20))
    project.edit("models/prod/fct_trip.sql", ("  fare,\n", "  fare,\n  fare * 2 as double_fare,\n"))

    assert project.succeed() == ["rebuilt fct_trip: its definition changed (+ column double_fare)"]
    assert warehouse.rows("SELECT trip_id, double_fare FROM prod.fct_trip ORDER BY 1") == [
        (1, Decimal("5")),
        (2, Decimal("5")),
    ]

    # The column goes, one beneath comes: the tables that are made from it follow. A comment is no change.
    project.edit("models/prod/fct_trip.sql", ("  fare * 2 as double_fare,\n", "  -- doubled no longer\n"))
    project.edit("models/staging/latest_trips.sql", ("'fare': 'numeric',", "'fare': 'numeric', 'note': 'string',"))
    project.edit("models/prod/dim_customer.sql", ("customers.city,", "customers.city, -- of the home"))
    messages = project.succeed()
    assert "rebuilt latest_trips: its definition changed (+ column note)" in messages
    assert "rebuilt fct_trip: its definition changed (- column double_fare)" in messages
    assert "rebuilt kpis: trip_hours was rebuilt" in messages
    assert not [message for message in messages if "customer" in message]
    assert [message for message in messages if message.startswith("NULL for now: ") and " note " in message]
    assert warehouse.rows("SELECT trip_id, note FROM staging.latest_trips ORDER BY 1") == [(1, None), (2, None)]
    assert "double_fare" not in [field.name for field in warehouse.client.get_table("prod.fct_trip").schema]

    # What was published stays as it was, but for what changed; and the next run has nothing to do.
    assert warehouse.rows("SELECT day, trips FROM analysis.kpis") == [(date(2026, 3, 2), 2)]
    assert published != warehouse.contents("analysis.kpis")
    assert project.succeed() == [message for message in messages if message.startswith("NULL for now: ")]


def test_a_full_refresh_keeps_what_only_the_tables_know(warehouse: Warehouse, project: Project) -> None:
    deliver(warehouse, change(customer(1), "INSERT", 10), change(trip(1), "INSERT", 10))
    project.succeed()
    deliver(warehouse, change(trip(1), "DELETE", 20))
    project.succeed()
    tables = ("analysis.kpis", "vault.customer_salts", "prod.dim_customer", "prod.fct_trip")
    before = {table: warehouse.contents(table) for table in tables}
    assert before["analysis.kpis"]  # a day of zeros: no trip tells of it any more

    messages = project.succeed(full_refresh="*")

    assert {table: warehouse.contents(table) for table in tables} == before
    assert sorted(messages) == [
        f"rebuilt {model}: as asked"
        for model in (
            *("day_riders", "dim_customer", "fct_trip", "fct_weather_hourly", "kpis", "latest_customers"),
            *("latest_trips", "rider_days", "trip_hours"),
        )
    ]


def test_one_model_and_those_made_from_it_are_refreshed(warehouse: Warehouse, project: Project) -> None:
    deliver(warehouse, change(customer(1), "INSERT", 10), change(trip(1), "INSERT", 10))
    project.succeed()
    warehouse.rows("UPDATE staging.trip_hours SET trips = 70 WHERE TRUE")  # as a defect might have counted

    assert project.succeed(full_refresh="trip_hours") == [
        "rebuilt trip_hours: as asked",
        "rebuilt kpis: trip_hours was rebuilt",
    ]
    assert warehouse.rows("SELECT trips FROM analysis.kpis") == [(1,)]


@pytest.mark.parametrize("name", ["fct_trp", "stg_trips", "customer_salts"])
def test_what_cannot_be_refreshed_is_refused_before_anything_is_done(
    warehouse: Warehouse, project: Project, name: str
) -> None:
    results, _ = project.run(full_refresh=name)
    assert f"no full refresh of {name}: the tables that can be made anew are day_riders, dim_customer" in str(
        results
    )
    assert not list(warehouse.client.list_tables("prod"))


def test_salts_are_widened_and_never_made_anew(warehouse: Warehouse, project: Project) -> None:
    deliver(warehouse, change(customer(1), "INSERT", 10), change(trip(1), "INSERT", 10))
    project.succeed()
    salts = "SELECT customer_id, salt FROM vault.customer_salts ORDER BY 1"
    ((_, salt),) = warehouse.rows(salts)
    deliver(warehouse, change(customer(1, city="Vienna"), "UPDATE-INSERT", 20), change(customer(2), "INSERT", 20))
    project.edit(
        "models/vault/customer_salts.sql", ("  false as gone", "  {{ loaded_at() }} as made_at,\n  false as gone")
    )

    assert project.succeed() == ["widened customer_salts: (+ column made_at)"]
    assert warehouse.rows(salts)[0] == (1, salt)
    assert warehouse.rows("SELECT customer_id, made_at IS NULL FROM vault.customer_salts ORDER BY 1") == [
        (1, True),
        (2, False),
    ]


def test_what_a_crash_left_behind_is_gone_before_the_next_run_begins(
    warehouse: Warehouse, project: Project
) -> None:
    """Copies with names in the clear; and a table that was dropped to be laid out anew comes back from its own copy."""
    deliver(warehouse, change(customer(1), "INSERT", 10), change(trip(1), "INSERT", 10))
    project.succeed()
    deliver(warehouse, change(trip(1), "DELETE", 20))
    project.succeed()
    published = warehouse.contents("analysis.kpis")
    warehouse.rows("CREATE TABLE vault.latest_customers__arrived AS SELECT 'Name-1' AS full_name")
    warehouse.rows("CREATE TABLE vault.kpis__whole AS SELECT * FROM analysis.kpis")
    warehouse.client.delete_table("analysis.kpis")

    results, _ = project.run("--select", "dim_city")

    assert not results["error"], results
    assert [table.table_id for table in warehouse.client.list_tables("vault")] == ["customer_salts"]
    assert warehouse.contents("analysis.kpis") == published


def test_a_model_that_fails_leaves_no_copy_behind(warehouse: Warehouse, project: Project) -> None:
    deliver(warehouse, change(customer(1), "INSERT", 10), change(trip(1), "INSERT", 10))
    project.succeed()
    deliver(warehouse, change(customer(2), "INSERT", 20))
    warehouse.rows("ALTER TABLE staging.latest_customers DROP COLUMN phone")  # the merge fails

    results, _ = project.run()

    assert "latest_customers" in results["error"]
    assert [table.table_id for table in warehouse.client.list_tables("vault")] == ["customer_salts"]


def test_a_new_table_has_its_tags_before_its_first_row(warehouse: Warehouse, project: Project) -> None:
    """Here no row can be written. The emulator keeps no tags; they come with the descriptions, in one request."""
    deliver(warehouse, change(customer(1), "INSERT", 10), change(trip(1), "INSERT", 10))
    project.edit(
        "models/prod/dim_customer.sql", ("customers.city,", "cast(error(customers.city) as string) as city,")
    )

    results, _ = project.run()

    assert "dim_customer" in results["error"]
    table = warehouse.client.get_table("prod.dim_customer")
    assert next(field.description for field in table.schema if field.name == "full_name")
    assert warehouse.rows("SELECT COUNT(*) FROM prod.dim_customer") == [(0,)]
    # The next run does not take the empty table for a whole one.
    project.edit(
        "models/prod/dim_customer.sql", ("cast(error(customers.city) as string) as city,", "customers.city,")
    )
    project.succeed()
    assert warehouse.rows("SELECT customer_id FROM prod.dim_customer") == [(1,)]
