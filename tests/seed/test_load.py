"""Loading into a real PostgreSQL, as the application's user."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from omnipipe.laptop.services.sql.postgres import Postgres
from seed import generator, load
from seed.generator import Plan
from tests.jobs.migrate.database import APP, Database

PLAN = Plan(3_000, date(2026, 3, 1))
COUNTS = "SELECT (SELECT COUNT(*) FROM customers), (SELECT COUNT(*) FROM trips)"


def test_every_row_arrives_as_it_was_generated(database: Database) -> None:
    loaded = load.load(database.dsn(APP), PLAN)
    assert (loaded.customers, loaded.trips, loaded.changed) == (300, 3_000, True)
    for table in ("customers", "trips"):
        (batch,) = getattr(generator, table)(PLAN)
        stored = database.rows(f"SELECT * FROM {table} ORDER BY 1")  # type: ignore[arg-type]  # one of two names
        assert stored == [tuple(map(as_stored, row.values())) for row in batch.to_pylist()]


def as_stored(value: Any) -> Any:
    if isinstance(value, float):
        return Decimal(f"{value:.2f}")
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def test_the_next_rows_take_the_next_keys(database: Database) -> None:
    load.load(database.dsn(APP), PLAN)
    inserted = database.rows(
        "INSERT INTO customers (full_name, email, city) VALUES ('A', 'a', 'Berlin') RETURNING customer_id", APP
    )
    assert inserted == [(301,)]


def test_loading_again_changes_nothing_and_says_so(database: Database) -> None:
    load.load(database.dsn(APP), PLAN)
    database.rows("DELETE FROM trips WHERE trip_id > 2990", APP)  # traffic went on
    before = database.rows("SELECT *, xmin::text FROM trips ORDER BY trip_id")
    again = load.load(database.dsn(APP), PLAN)
    assert (again.customers, again.trips, again.changed) == (300, 2_990, False)
    assert "nothing was changed" in again.message
    assert database.rows("SELECT *, xmin::text FROM trips ORDER BY trip_id") == before


def test_more_trips_are_refused_with_a_way_out(database: Database) -> None:
    load.load(database.dsn(APP), PLAN)
    with pytest.raises(load.SeedRefused, match=r"holds 3,000 trips already, so 3,001 cannot.*down --purge"):
        load.load(database.dsn(APP), Plan(3_001, PLAN.end))
    assert database.rows(COUNTS) == [(300, 3_000)]


def test_a_failure_in_the_middle_leaves_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    generate = generator.trips

    def cut_short(plan: Plan) -> Iterator[pa.RecordBatch]:
        yield from generate(plan)
        raise KeyboardInterrupt

    monkeypatch.setattr(generator, "trips", cut_short)
    with pytest.raises(KeyboardInterrupt):
        load.load(database.dsn(APP), PLAN)
    assert database.rows(COUNTS) == [(0, 0)]
    monkeypatch.undo()
    assert load.load(database.dsn(APP), PLAN).changed


def test_two_at_once_load_it_once(database: Database) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: load.load(database.dsn(APP), PLAN), range(2)))
    assert sorted(loaded.changed for loaded in both) == [False, True]
    assert database.rows(COUNTS) == [(300, 3_000)]


def test_a_database_that_is_not_migrated_is_an_error(postgres: Postgres, tmp_path: Path) -> None:
    empty = Database.create(postgres, tmp_path)
    with pytest.raises(psycopg.errors.UndefinedTable, match="customers"):
        load.load(empty.dsn(APP), PLAN)
    empty.close()
