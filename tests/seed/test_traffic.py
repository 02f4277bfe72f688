"""Traffic on a real PostgreSQL: bounded, of every kind, and nothing is left half done."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from seed import load, traffic
from seed.generator import Plan
from tests.jobs.migrate.database import APP, Database

PLAN = Plan(3_000, datetime.now(UTC).date())
# Everything but the times.
ROWS = """
    SELECT trip_id, trips.customer_id, trips.city, vehicle_type, status, distance_km, fare, ended_at - started_at, email
    FROM trips JOIN customers ON customers.customer_id = trips.customer_id ORDER BY trip_id
"""


@pytest.fixture
def seeded(database: Database) -> Database:
    load.load(database.dsn(APP), PLAN)
    return database


def test_every_kind_of_change_happens_and_is_counted(seeded: Database) -> None:
    before = seeded.rows("SELECT (SELECT COUNT(*) FROM customers), (SELECT COUNT(*) FROM trips)")[0]
    counts = traffic.run(seeded.dsn(APP), seconds=4, rate=300)
    assert min(counts.values()) > 0, counts
    after = seeded.rows("SELECT (SELECT COUNT(*) FROM customers), (SELECT COUNT(*) FROM trips)")[0]
    assert after[0] - before[0] == counts["customers_created"] - counts["customers_deleted"]
    assert after[1] - before[1] == counts["trips_requested"] - counts["trips_deleted"]
    touched = seeded.rows("SELECT COUNT(*) FROM trips WHERE updated_at > now() - interval '1 minute'")[0][0]
    assert touched >= counts["trips_requested"]
    assert seeded.rows("SELECT COUNT(*) FROM trips WHERE ended_at > now()") == [(0,)]


def test_the_same_seed_number_does_the_same(seeded: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without the pace: all events come, however long they take.
    monkeypatch.setattr(traffic.time, "monotonic", lambda: 0.0)
    monkeypatch.setattr(traffic.time, "sleep", lambda _: None)
    done = []
    for _ in range(2):
        seeded.rows("TRUNCATE trips, customers RESTART IDENTITY")
        load.load(seeded.dsn(APP), PLAN)
        counts = traffic.run(seeded.dsn(APP), seconds=20, rate=20, seed=7)
        done.append((counts, seeded.rows(ROWS)))
    assert done[0] == done[1]


def test_it_ends_in_time_when_the_database_is_slower(seeded: Database) -> None:
    began = time.monotonic()
    counts = traffic.run(seeded.dsn(APP), seconds=1, rate=1_000_000)
    assert 0.9 < time.monotonic() - began < 2
    assert sum(counts.values()) > 100


def test_several_at_once_do_not_trip_over_each_other(seeded: Database) -> None:
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda seed: traffic.run(seeded.dsn(APP), 2, 200, seed), range(3)))
    assert sum(sum(counts.values()) for counts in done) > 500


def test_an_empty_database_is_refused_with_a_way_out(database: Database) -> None:
    with pytest.raises(traffic.NoCustomers, match="omnipipe seed"):
        traffic.run(database.dsn(APP), 1, 10)
