"""The generated data: the same for the same plan, and like a mobility service's."""

import re
import tracemalloc
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from omnipipe.contracts.cities import CITIES
from seed import generator
from seed.generator import Plan

PLAN = Plan(20_000, date(2026, 3, 1))


def table(batches: Any) -> pa.Table:
    return pa.Table.from_batches(batches)


@pytest.fixture(scope="module")
def trips() -> list[dict[str, Any]]:
    return table(generator.trips(PLAN)).to_pylist()


@pytest.fixture(scope="module")
def customers() -> list[dict[str, Any]]:
    return table(generator.customers(PLAN)).to_pylist()


def test_the_same_plan_gives_the_same_rows_in_chunks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    trips, customers = table(generator.trips(PLAN)), table(generator.customers(PLAN))
    monkeypatch.setattr(generator, "_CHUNK", 777)
    assert table(generator.trips(PLAN)).equals(trips)
    assert table(generator.customers(PLAN)).equals(customers)


def test_another_seed_gives_other_rows() -> None:
    other = Plan(PLAN.trips, PLAN.end, seed=2)
    assert not table(generator.trips(other)).equals(table(generator.trips(PLAN)))
    assert not table(generator.customers(other)).equals(table(generator.customers(PLAN)))


def test_keys_are_dense_and_refer_to_customers(trips: list[dict], customers: list[dict]) -> None:
    assert [trip["trip_id"] for trip in trips] == list(range(1, 20_001))
    assert [customer["customer_id"] for customer in customers] == list(range(1, 2_001))
    assert {trip["customer_id"] for trip in trips} <= set(range(1, 2_001))
    assert len({trip["customer_id"] for trip in trips}) > 1_900


def test_trips_fill_the_28_days_before_the_end_in_order(trips: list[dict]) -> None:
    times = [trip["requested_at"] for trip in trips]
    assert times == sorted(times)
    assert datetime(2026, 2, 1, tzinfo=UTC) <= times[0]
    assert times[-1] < datetime(2026, 3, 1, tzinfo=UTC)
    per_day = {}
    for moment in times:
        per_day[moment.date()] = per_day.get(moment.date(), 0) + 1
    assert len(per_day) == 28
    assert min(per_day.values()) > 500


def test_a_working_day_has_its_peaks(trips: list[dict]) -> None:
    by_hour = [0] * 24
    for trip in trips:
        if trip["requested_at"].weekday() < 5:
            by_hour[trip["requested_at"].hour] += 1
    assert max(range(24), key=by_hour.__getitem__) == 17
    assert by_hour[7] > 1.5 * by_hour[10]
    assert by_hour[3] * 8 < by_hour[17]


def test_every_city_vehicle_and_status_occurs(trips: list[dict], customers: list[dict]) -> None:
    names = {city.name for city in CITIES}
    assert {trip["city"] for trip in trips} == names
    assert {customer["city"] for customer in customers} == names
    assert {trip["vehicle_type"] for trip in trips} == {"bike", "scooter", "moped", "car"}
    cancelled = sum(trip["status"] == "cancelled" for trip in trips) / len(trips)
    assert 0.05 < cancelled < 0.07


def test_a_cancelled_trip_has_no_course_and_another_has_all_of_it(trips: list[dict]) -> None:
    for trip in trips:
        course = [trip[name] for name in ("started_at", "ended_at", "distance_km", "fare")]
        if trip["status"] == "cancelled":
            assert course == [None] * 4
        else:
            assert trip["requested_at"] < trip["started_at"] < trip["ended_at"] == trip["updated_at"]
            assert 0.3 <= trip["distance_km"] < 100
            assert 0.5 < trip["fare"] < 200


def test_a_fare_grows_with_the_distance(trips: list[dict]) -> None:
    fares = {"short": [], "long": []}
    for trip in trips:
        if trip["fare"]:
            fares["short" if trip["distance_km"] < 2 else "long"].append(trip["fare"])
    assert sum(fares["long"]) / len(fares["long"]) > 2 * sum(fares["short"]) / len(fares["short"])


def test_nobody_real_is_in_it(customers: list[dict]) -> None:
    for customer in customers:
        assert re.fullmatch(r"[a-z.]+\.\d+@example\.com", customer["email"])
        assert customer["phone"] is None or re.fullmatch(
            r"\+49(3023125|6990009|4066969|2214710|8999998)\d{3}", customer["phone"]
        )
        assert customer["created_at"] <= datetime(2026, 2, 1, tzinfo=UTC)
    assert len({customer["email"] for customer in customers}) == len(customers)


def test_ten_million_trips_are_not_held_in_memory() -> None:
    batches = generator.trips(Plan(10_000_000, date(2026, 3, 1)))
    tracemalloc.start()
    for _ in range(4):
        next(batches)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60_000_000


@pytest.mark.parametrize("trips", [0, -1])
def test_a_plan_of_no_trips_is_refused(trips: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Plan(trips, date(2026, 3, 1))


def test_the_smallest_plan() -> None:
    assert table(generator.trips(Plan(1, date(2026, 3, 1)))).num_rows == 1
    assert table(generator.customers(Plan(1, date(2026, 3, 1)))).num_rows == 1
