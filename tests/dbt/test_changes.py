"""What happens at the source reaches the tables, by increments as by a full refresh."""

import dataclasses
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from bench.warehouse import Warehouse
from tests.dbt.warehouse import Dbt, at, backfill, change, customer, deliver, trip, weather

TABLES = (
    "staging.stg_customers",
    "staging.stg_trips",
    "staging.stg_weather",
    "prod.dim_customer",
    "prod.dim_city",
    "prod.fct_trip",
    "prod.fct_weather_hourly",
    "analysis.kpis",
)
UNCHANGED = ("success: nothing changed", "success: MERGE (0.0 rows")


class Runs:
    """Runs of dbt one after the other, each told of the last one that succeeded, as the job does it."""

    def __init__(self, dbt: Dbt) -> None:
        self._dbt = dbt
        self._since = ""

    def succeed(self, *arguments: str) -> dict[str, Any]:
        loaded_at = datetime.now(UTC)
        results = self._dbt.build(*arguments, since=self._since, loaded_at=loaded_at.isoformat())
        self._since = (loaded_at + timedelta(microseconds=1)).isoformat()
        return results

    def die_after(self, *models: str) -> None:
        """A run that merges some models and then is killed: nobody records a success."""
        self._dbt.build("--select", *models, since=self._since, loaded_at=datetime.now(UTC).isoformat())


@pytest.fixture
def runs(dbt: Dbt) -> Runs:
    return Runs(dbt)


def state(warehouse: Warehouse, *, without: tuple[str, ...] = ()) -> dict[str, list[tuple[Any, ...]]]:
    return {table: warehouse.contents(table, without=without) for table in (*TABLES, "vault.customer_salts")}


def kpis(warehouse: Warehouse) -> dict[tuple[str, date], tuple[Any, ...]]:
    """Trips and revenue by city and day."""
    found = warehouse.rows("SELECT city, day, trips, revenue FROM analysis.kpis")
    return {(city, day): (trips, revenue) for city, day, trips, revenue in found}


def test_first_build_keeps_the_latest_version_of_each_living_key(warehouse: Warehouse, runs: Runs) -> None:
    deliver(
        warehouse,
        change(customer(1), "INSERT", 10),
        change(customer(1, city="Vienna"), "UPDATE-INSERT", 20),
        change(customer(2), "INSERT", 10),
        change(customer(2), "DELETE", 30),
        change(trip(1), "INSERT", 10),
        change(trip(2), "INSERT", 10, "a"),
        change(trip(2, fare=Decimal("4")), "UPDATE-INSERT", 10, "b"),  # the same commit, later in the log
        change(trip(3), "INSERT", 10),
        change(trip(3), "UPDATE-DELETE", 20),
        change(trip(30), "UPDATE-INSERT", 20),
        weather("Berlin", 2, 12, 0.1),
        weather("Berlin", 2, 13, 0.0),
    )
    runs.succeed()

    assert warehouse.rows("SELECT customer_id, city FROM staging.stg_customers") == [(1, "Vienna")]
    # A key that became another one is gone, as a deleted one is; not only where the trip's day would be missing, too.
    assert warehouse.rows("SELECT trip_id FROM staging.stg_trips ORDER BY 1") == [(1,), (2,), (30,)]
    assert warehouse.rows("SELECT trip_id, fare, trip_date FROM prod.fct_trip ORDER BY 1") == [
        (1, Decimal("2.5"), date(2026, 3, 2)),
        (2, Decimal("4"), date(2026, 3, 2)),
        (30, Decimal("2.5"), date(2026, 3, 2)),
    ]
    assert warehouse.contents("analysis.kpis", without=("content_hash", "updated_at")) == [
        ("Berlin", date(2026, 3, 2), 3, 1, Decimal("9"), 1.5, 0.0, 1, 10.0, 3, 0)
    ]


def test_changes_of_the_source_reach_both_days_and_cities(warehouse: Warehouse, runs: Runs) -> None:
    deliver(warehouse, change(customer(1), "INSERT", 10))
    deliver(warehouse, *[change(trip(number), "INSERT", 10) for number in (1, 2, 3, 4, 5)])
    deliver(warehouse, change(trip(6, requested_at=at(5), city="Zurich"), "INSERT", 10))
    runs.succeed()
    untouched = warehouse.rows("SELECT updated_at FROM analysis.kpis WHERE city = 'Zurich'")

    deliver(
        warehouse,
        change(trip(1), "DELETE", 20),
        change(trip(2, requested_at=at(3)), "UPDATE-INSERT", 20),
        change(trip(3, city="Vienna"), "UPDATE-INSERT", 20),
        change(trip(4), "UPDATE-DELETE", 20),
        change(trip(40), "UPDATE-INSERT", 20),
        change(trip(7, requested_at=at(4)), "INSERT", 20),
    )
    runs.succeed()

    assert kpis(warehouse) == {
        ("Berlin", date(2026, 3, 2)): (2, Decimal("5")),
        ("Berlin", date(2026, 3, 3)): (1, Decimal("2.5")),
        ("Berlin", date(2026, 3, 4)): (1, Decimal("2.5")),
        ("Vienna", date(2026, 3, 2)): (1, Decimal("2.5")),
        ("Zurich", date(2026, 3, 5)): (1, Decimal("2.5")),
    }
    assert warehouse.rows("SELECT trip_id FROM prod.fct_trip ORDER BY 1") == [(2,), (3,), (5,), (6,), (7,), (40,)]
    assert warehouse.rows("SELECT updated_at FROM analysis.kpis WHERE city = 'Zurich'") == untouched


def test_a_day_whose_trips_are_gone_stays_with_zeros(warehouse: Warehouse, runs: Runs) -> None:
    deliver(
        warehouse, change(customer(1), "INSERT", 10), change(trip(1), "INSERT", 10), weather("Berlin", 2, 9, 1)
    )
    runs.succeed()
    (before,) = warehouse.rows("SELECT content_hash, updated_at FROM analysis.kpis")
    deliver(warehouse, change(trip(1), "DELETE", 20))
    runs.succeed()

    gone = ("Berlin", date(2026, 3, 2), 0, 0, Decimal("0"), None, None, 1, 10.0, 0, 0)
    assert warehouse.contents("analysis.kpis", without=("content_hash", "updated_at")) == [gone]
    (after,) = warehouse.rows("SELECT content_hash, updated_at FROM analysis.kpis")
    assert after[0] != before[0]
    assert after[1] > before[1]


def test_late_rows_count_where_they_belong_and_overwrite_nothing_newer(warehouse: Warehouse, runs: Runs) -> None:
    deliver(warehouse, change(customer(1), "INSERT", 10), change(trip(1, fare=Decimal("9")), "UPDATE-INSERT", 50))
    runs.succeed()
    deliver(warehouse, change(trip(1), "INSERT", 40), change(trip(2, requested_at=at(1)), "INSERT", 5))
    runs.succeed()

    assert kpis(warehouse) == {
        ("Berlin", date(2026, 3, 1)): (1, Decimal("2.5")),
        ("Berlin", date(2026, 3, 2)): (1, Decimal("9")),
    }


def test_a_merge_replaces_no_newer_version_by_an_older_one(warehouse: Warehouse, runs: Runs) -> None:
    """Also when another run has merged the newer one after this one had read."""
    deliver(warehouse, change(customer(1), "INSERT", 10), change(trip(1), "INSERT", 10, "b"))
    runs.succeed()
    newer = "SET fare = 7, source_timestamp = {}, change_sequence_number = '{}' WHERE trip_id = 1"
    for time, position in ((20, "a"), (15, "z")):
        warehouse.rows("UPDATE staging.latest_trips " + newer.format(time, position))
        deliver(warehouse, change(trip(1, fare=Decimal("3")), "UPDATE-INSERT", 15, "y"))
        runs.succeed()
        assert warehouse.rows("SELECT fare FROM staging.latest_trips") == [(Decimal("7"),)]


def test_keys_that_a_new_backfill_does_not_hold_are_closed(warehouse: Warehouse, runs: Runs) -> None:
    """They were deleted while no slot kept the log."""
    deliver(
        warehouse, *backfill(10, customer(1), customer(2), customer(3)), *backfill(10, trip(1), trip(2), trip(3))
    )
    deliver(warehouse, change(trip(4), "INSERT", 20))
    runs.succeed()
    # The slot was lost; 2 and 4 were deleted, 5 is new, and 6 came while the new backfill was read.
    deliver(warehouse, *backfill(30, trip(1), trip(3, fare=Decimal("9")), trip(5)), change(trip(6), "INSERT", 31))
    deliver(warehouse, *backfill(30, customer(1), customer(3)))
    runs.succeed()
    trips = "SELECT trip_id, fare FROM prod.fct_trip ORDER BY 1"
    living = [(1, Decimal("2.5")), (3, Decimal("9")), (5, Decimal("2.5")), (6, Decimal("2.5"))]

    assert warehouse.rows(trips) == living
    assert warehouse.rows("SELECT customer_id FROM staging.stg_customers ORDER BY 1") == [(1,), (3,)]
    assert kpis(warehouse) == {("Berlin", date(2026, 3, 2)): (4, Decimal("16.5"))}

    # What was under way since before the backfill does not bring them back; what happens afterwards does.
    deliver(warehouse, change(trip(2), "UPDATE-INSERT", 25), change(trip(7), "INSERT", 25))
    runs.succeed()
    assert warehouse.rows(trips) == living
    by_increments = state(warehouse)
    runs.succeed("--full-refresh")
    assert state(warehouse) == by_increments
    deliver(warehouse, change(trip(2), "INSERT", 40))
    runs.succeed()
    assert warehouse.rows(trips) == [living[0], (2, Decimal("2.5")), *living[1:]]


def test_a_backfill_that_was_merged_is_not_read_again(warehouse: Warehouse, runs: Runs) -> None:
    deliver(warehouse, *backfill(10, customer(1), customer(2)), *backfill(10, *[trip(n) for n in range(1, 9)]))
    runs.succeed()
    deliver(warehouse, change(trip(1), "DELETE", 20))
    for later_day in range(2):
        # Were it read, the trips that are missing here would come back.
        warehouse.rows("DELETE FROM staging.latest_trips WHERE trip_id > 4")
        runs.succeed()
        found = warehouse.rows("SELECT trip_id FROM staging.latest_trips ORDER BY 1")
        assert found == [(1,), (2,), (3,), (4,)], later_day


def test_a_backfill_whose_run_failed_is_read_again(warehouse: Warehouse, runs: Runs) -> None:
    deliver(warehouse, change(customer(1), "INSERT", 10), change(trip(9), "INSERT", 10))
    runs.succeed()
    deliver(warehouse, *backfill(20, trip(1), trip(2)))
    runs.die_after("latest_trips")
    runs.succeed()
    assert warehouse.rows("SELECT trip_id FROM prod.fct_trip ORDER BY 1") == [(1,), (2,)]


def test_weather_that_comes_later_is_counted(warehouse: Warehouse, runs: Runs) -> None:
    deliver(warehouse, change(customer(1), "INSERT", 10), change(trip(1), "INSERT", 10))
    runs.succeed()
    figures = "SELECT wet_hours, trips_wet, trips_dry FROM analysis.kpis"
    assert warehouse.rows(figures) == [(None, 0, 0)]
    deliver(warehouse, weather("Berlin", 2, 12, 0.0))
    runs.succeed()
    assert warehouse.rows(figures) == [(0, 0, 1)]
    deliver(warehouse, weather("Berlin", 2, 12, 3.0))
    runs.succeed()
    assert warehouse.rows(figures) == [(1, 1, 0)]


def test_a_mean_that_rounds_to_zero_from_below_is_zero(warehouse: Warehouse, runs: Runs) -> None:
    hour = dataclasses.replace(weather("Berlin", 2, 12, 0.0), temperature_c=-0.004)
    deliver(warehouse, change(customer(1), "INSERT", 10), change(trip(1), "INSERT", 10), hour)
    runs.succeed()
    assert warehouse.rows("SELECT CAST(mean_temperature_c AS STRING) FROM analysis.kpis") in ([("0",)], [("0.0",)])


def test_a_second_run_changes_nothing(warehouse: Warehouse, runs: Runs) -> None:
    deliver(warehouse, *[change(customer(number), "INSERT", 10) for number in (1, 2)])
    deliver(warehouse, *[change(trip(number), "INSERT", 10) for number in (1, 2)])
    deliver(warehouse, weather("Berlin", 2, 12, 0.2))
    runs.succeed()
    before = state(warehouse)
    deliver(warehouse, weather("Berlin", 2, 12, 0.2))  # fetched again, the same
    deliver(warehouse, change(trip(1), "INSERT", 10))  # delivered twice
    results = runs.succeed()

    assert state(warehouse) == before
    unchanged = (
        *("latest_customers", "latest_trips", "customer_salts"),
        *("dim_customer", "fct_trip", "fct_weather_hourly", "kpis"),
    )
    written = [results[model] for model in unchanged if not results[model].startswith(UNCHANGED)]
    assert not written


def test_increments_and_a_killed_run_give_what_a_full_refresh_gives(warehouse: Warehouse, runs: Runs) -> None:
    source = Source(seed=7)
    deliver(warehouse, *[change(customer(number), "INSERT", 1) for number in range(1, 4)], *source.changes(60))
    runs.succeed()
    for part in range(3):
        deliver(warehouse, *source.changes(40))
        if part == 1:
            runs.die_after("latest_trips")
            deliver(warehouse, *source.changes(20))
        runs.succeed()
    by_increments = state(warehouse)
    runs.succeed("--full-refresh")

    assert len(by_increments["prod.fct_trip"]) > 30
    assert state(warehouse) == by_increments


class Source:
    """Random changes of trips, as Datastream would write them, now and then too late or twice."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._time = 100
        self._living: list[int] = []
        self._next = 1
        self._late: list[Any] = []

    def changes(self, count: int) -> list[Any]:
        delivered, self._late = self._late, []
        for _ in range(count):
            self._time += self._random.randint(0, 2)
            for written in self._change():
                (self._late if self._random.random() < 0.1 else delivered).append(written)
                if self._random.random() < 0.1:
                    delivered.append(written)
        self._random.shuffle(delivered)
        return delivered

    def _change(self) -> list[Any]:
        self._position = getattr(self, "_position", 0) + 1
        kind = self._random.choice(("insert", "insert", "update", "update", "move", "delete"))
        if kind == "insert" or not self._living:
            self._living.append(self._next)
            self._next += 1
            return [self._written(self._living[-1], "INSERT")]
        key = self._random.choice(self._living)
        if kind == "update":
            return [self._written(key, "UPDATE-INSERT")]
        self._living.remove(key)
        if kind == "delete":
            return [self._written(key, "DELETE")]
        self._living.append(self._next + 1_000_000)  # in another range of keys
        self._next += 1
        return [self._written(key, "UPDATE-DELETE"), self._written(self._living[-1], "UPDATE-INSERT")]

    def _written(self, key: int, kind: str) -> Any:
        row = trip(
            key,
            city=self._random.choice(("Berlin", "Vienna")),
            customer_id=self._random.randint(1, 3),
            status=self._random.choice(("completed", "cancelled", "requested")),
            requested_at=at(self._random.randint(1, 6), self._random.randint(0, 23)),
        )
        return change(row, kind, self._time, f"{self._position:08}")
