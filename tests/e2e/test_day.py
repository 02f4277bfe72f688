"""A day on real parts: capture, transformation, validation, activation; again; and with everything going wrong.

The tests of this module share one laptop cloud and build on each other, as days do.
"""

import json
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import requests

from tests.e2e.conftest import COMMAND, Laptop

pytestmark = pytest.mark.e2e

TRIPS = 3000
STEPS = ["capture", "weather", "dbt", "validate", "reverse_sync"]
# Salts are drawn at random and kept: other clouds have others, two runs of one have the same.
TABLES = {
    "staging.stg_customers": "customer_id",
    "staging.stg_trips": "trip_id",
    "staging.stg_weather": "city, hour",
    "prod.dim_customer": "customer_id",
    "prod.dim_city": "city",
    "prod.fct_trip": "trip_id",
    "prod.fct_weather_hourly": "city, hour",
    "analysis.kpis": "city, day",
}


def tables(laptop: Laptop) -> dict[str, list[list[Any]]]:
    """Every row of every table of staging, prod and analysis."""
    return {table: laptop.rows(f"SELECT * FROM {table} ORDER BY {key}") for table, key in TABLES.items()}


def kpis(laptop: Laptop) -> dict[tuple[str, date], tuple[int, int, Decimal]]:
    """Trips, riders and revenue as the warehouse has them."""
    rows = laptop.rows("SELECT city, day, trips, riders, revenue FROM analysis.kpis WHERE trips > 0")
    return {(city, day): (trips, riders, revenue) for city, day, trips, riders, revenue in rows}


def truth(laptop: Laptop) -> dict[tuple[str, date], tuple[int, int, Decimal]]:
    """Trips, riders and revenue as the operational database has them: the same question, asked at the source."""
    rows = laptop.postgres("""
        SELECT city, (requested_at AT TIME ZONE 'UTC')::date, COUNT(*), COUNT(DISTINCT customer_id),
            COALESCE(SUM(fare), 0)
        FROM trips WHERE status = 'completed' GROUP BY 1, 2
    """)
    return {(city, day): (trips, riders, revenue) for city, day, trips, riders, revenue in rows}


def until(found: Callable[[], list[list[Any]]], timeout_s: float = 30) -> list[list[Any]]:
    """The rows of a query as soon as it has any."""
    deadline = time.monotonic() + timeout_s
    while not (rows := found()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return rows


def assert_raw_is_exact(laptop: Laptop) -> None:
    """Each change is in raw once: no position of the log twice, and no row of the source missing."""
    for table, key in (("public_customers", "customer_id"), ("public_trips", "trip_id")):
        ((repeated,),) = laptop.rows(f"""
            SELECT COUNT(*) - COUNT(DISTINCT datastream_metadata.change_sequence_number) FROM raw.{table}
        """)
        assert repeated == 0, table
        source = table.removeprefix("public_")
        ((there,),) = laptop.postgres(f"SELECT COUNT(*) FROM {source}")
        ((captured,),) = laptop.rows(f"SELECT COUNT(*) FROM staging.stg_{source}")
        assert captured == there, key


def assert_receiver_has_the_kpis(laptop: Laptop) -> None:
    """The last message of each city and day says what the table says."""
    latest: dict[tuple[str, str], str] = {}
    for message in laptop.messages():
        data = json.loads(message["body"])["data"]
        latest[data["city"], data["day"]] = data["content_hash"]
    rows = laptop.rows("SELECT city, CAST(day AS STRING), content_hash FROM analysis.kpis")
    assert latest == {(city, day): content for city, day, content in rows}


def test_the_first_day(laptop: Laptop) -> None:
    laptop.ok("up")
    laptop.ok("seed", "--trips", str(TRIPS))
    result = laptop.daily()

    assert result["status"] == "succeeded", result
    assert [(step["step"], step["status"]) for step in result["steps"]] == [(step, "succeeded") for step in STEPS]
    assert kpis(laptop) == truth(laptop)
    assert_raw_is_exact(laptop)
    assert_receiver_has_the_kpis(laptop)
    assert laptop.rows("SELECT run_id, status FROM ops.pipeline_runs") == [[result["run_id"], "succeeded"]]


def test_the_same_day_again_gives_the_same_tables_and_sends_nothing(laptop: Laptop) -> None:
    before, received = tables(laptop), laptop.received()

    result = laptop.daily()

    assert result["status"] == "succeeded", result
    assert tables(laptop) == before
    assert laptop.received() == received


def test_up_again_leaves_everything_as_it_is(laptop: Laptop) -> None:
    before = {name: process.pid for name, process in laptop.processes().items()}

    laptop.ok("up")

    assert {name: process.pid for name, process in laptop.processes().items()} == before


def test_status_tells_how_far_capture_is_behind(laptop: Laptop) -> None:
    def lag() -> int:
        (stream,) = json.loads(laptop.ok("status", "--json"))["streams"]
        return stream["lag_bytes"]

    worker = laptop.processes()["datastream-cdc"]
    worker.suspend()
    try:
        laptop.postgres("UPDATE trips SET fare = fare + 1 WHERE trip_id < 1000")
        assert lag() > 10_000
    finally:
        worker.resume()
    laptop.wait_for_streams()
    assert lag() < 10_000


def test_after_traffic_the_kpis_are_the_sources_again(laptop: Laptop) -> None:
    laptop.ok("traffic", "--seconds", "3", "--rate", "80")
    assert kpis(laptop) != truth(laptop)

    assert laptop.daily()["status"] == "succeeded"

    assert kpis(laptop) == truth(laptop)
    assert_raw_is_exact(laptop)
    assert_receiver_has_the_kpis(laptop)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"mode": "status", "status": 500}, "500"),
        ({"mode": "status", "status": 429, "retry_after": 1}, "429"),
        ({"mode": "malformed"}, "JSON"),
        ({"mode": "empty"}, "Berlin"),
        ({"mode": "missing_city"}, "Copenhagen"),
    ],
    ids=lambda value: value.get("status", value["mode"]) if isinstance(value, dict) else "",
)
def test_a_weather_api_that_fails_stops_the_run(laptop: Laptop, fault: dict[str, Any], said: str) -> None:
    api, received = laptop.address("weather-api"), laptop.received()
    laptop.postgres("UPDATE trips SET fare = fare + 1 WHERE trip_id = 7")
    requests.put(f"{api}/_faults", json=fault, timeout=5).raise_for_status()
    try:
        result = laptop.daily()
    finally:
        requests.delete(f"{api}/_faults", timeout=5)

    assert result["status"] == "failed"
    assert [(step["step"], step["status"]) for step in result["steps"]] == [
        ("capture", "succeeded"),
        ("weather", "failed"),
    ]
    assert said in result["steps"][1]["message"]
    assert laptop.received() == received
    ((status, error),) = laptop.rows(
        f"SELECT status, error FROM ops.pipeline_runs WHERE run_id = '{result['run_id']}'"
    )
    assert status == "failed"
    assert said in error


def test_a_weather_api_that_is_not_there_stops_the_run(laptop: Laptop) -> None:
    # Stopped while the run is on its way: before it, `run` would bring it back.
    failed: list[dict[str, Any]] = []
    run = threading.Thread(target=lambda: failed.append(laptop.daily()))
    pid = laptop.processes()["weather-api"].pid
    laptop.processes()["weather-api"].suspend()
    try:
        run.start()
        run.join(120)
    finally:
        laptop.processes()["weather-api"].resume()
    assert failed[0]["status"] == "failed"
    last = failed[0]["steps"][-1]
    assert last["step"] == "weather"
    assert "answer" in last["message"] or "timed out" in last["message"]
    assert laptop.processes()["weather-api"].pid == pid


def test_the_next_run_repairs_what_the_failed_ones_left(laptop: Laptop) -> None:
    assert kpis(laptop) != truth(laptop)

    assert laptop.daily()["status"] == "succeeded"

    assert kpis(laptop) == truth(laptop)
    assert_receiver_has_the_kpis(laptop)


def test_a_failed_check_sends_nothing(laptop: Laptop) -> None:
    received = laptop.received()
    ((fare,),) = laptop.postgres("SELECT fare FROM trips WHERE trip_id = 11")
    laptop.postgres("UPDATE trips SET fare = 5000, status = 'completed' WHERE trip_id = 11")

    result = laptop.daily()

    assert result["status"] == "failed"
    assert [step["step"] for step in result["steps"]][-1] == "validate"
    assert "fct_trip_fare" in result["steps"][-1]["message"]
    assert laptop.received() == received

    laptop.postgres(f"UPDATE trips SET fare = {fare or 1} WHERE trip_id = 11")
    assert laptop.daily()["status"] == "succeeded"
    assert kpis(laptop) == truth(laptop)
    assert_receiver_has_the_kpis(laptop)


def test_of_two_runs_at_once_the_second_is_refused_with_the_name_of_the_first(laptop: Laptop) -> None:
    results: list[dict[str, Any]] = []
    first = threading.Thread(target=lambda: results.append(laptop.daily()))
    laptop.processes()["weather-api"].suspend()  # the first waits for it
    try:
        first.start()
        ((run_id,),) = until(lambda: laptop.rows("SELECT run_id FROM ops.pipeline_runs WHERE status = 'running'"))
        second = laptop.run("run")
    finally:
        laptop.processes()["weather-api"].resume()
        first.join()

    assert second.returncode == 1
    assert f"run {run_id} of daily has been going on since" in " ".join(second.stderr.split())
    assert (results[0]["run_id"], results[0]["status"]) == (run_id, "succeeded")
    ((refused,),) = laptop.rows("SELECT COUNT(*) FROM ops.pipeline_runs WHERE status = 'refused'")
    assert refused == 1


def test_after_control_c_the_next_run_goes_on_at_once(laptop: Laptop) -> None:
    run = subprocess.Popen(
        [COMMAND, "run"],
        env=laptop.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    ((run_id,),) = until(lambda: laptop.rows("SELECT run_id FROM ops.pipeline_runs WHERE status = 'running'"))
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=30)

    assert laptop.daily()["status"] == "succeeded"
    assert laptop.rows(f"SELECT status FROM ops.pipeline_runs WHERE run_id = '{run_id}'") == [["interrupted"]]


@pytest.mark.parametrize(
    "names",
    [
        ("bigquery",),
        ("datastream-cdc",),
        ("google",),
        ("postgres-omnipipe-capture-oltp-instance",),
        ("weather", "weather-api"),
        ("reverse-sync", "webhook"),
        (),
    ],
    ids=lambda names: " and ".join(names) or "all",
)
def test_kill_9_at_any_moment_loses_and_repeats_nothing(laptop: Laptop, names: tuple[str, ...]) -> None:
    chance = random.Random(" ".join(names))
    traffic = threading.Thread(target=lambda: laptop.run("traffic", "--seconds", "4", "--rate", "60"))
    run = threading.Thread(target=lambda: laptop.run("run"))
    traffic.start()
    run.start()
    time.sleep(chance.uniform(0.5, 6))
    laptop.kill(*names)
    traffic.join()
    run.join()

    if names:  # else the run itself brings everything back
        laptop.ok("up")
    result = laptop.daily()

    assert result["status"] == "succeeded", result
    assert kpis(laptop) == truth(laptop)
    assert_raw_is_exact(laptop)
    assert_receiver_has_the_kpis(laptop)
    ((running,),) = laptop.rows("SELECT COUNT(*) FROM ops.pipeline_runs WHERE status = 'running'")
    assert running == 0


def test_down_ends_every_process_and_keeps_the_data(laptop: Laptop) -> None:
    before = tables(laptop)
    laptop.ok("down")
    assert laptop.processes() == {}

    laptop.ok("up")
    assert tables(laptop) == before
