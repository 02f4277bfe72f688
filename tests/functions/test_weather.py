"""The weather function against the simulated API and a real BigQuery emulator."""

import socket
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient
from google.cloud import bigquery

from omnipipe.contracts import cities
from omnipipe.contracts.cities import CITIES, City
from seed import weather_api
from tests.functions.conftest import Patience, function_client, serving
from tests.support.emulator import rows

TODAY = datetime.now(UTC).date()
YESTERDAY = TODAY - timedelta(days=1)  # its hours have all passed
ALL_DAYS = 31
HOURS = len(CITIES) * 24


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with serving(weather_api.app()) as address:
        monkeypatch.setenv("WEATHER_API_URL", address)
        yield address


@pytest.fixture
def weather(client: bigquery.Client, patience: Patience) -> FlaskClient:
    return function_client("weather")


def call(function: FlaskClient, run_id: str = "run-1", day: date = YESTERDAY) -> tuple[int, dict[str, Any]]:
    response = function.post("/", json={"run_id": run_id, "run_date": day.isoformat()})
    assert response.json is not None
    return response.status_code, response.json


def count(client: bigquery.Client) -> int:
    return rows(client, "SELECT COUNT(*) AS n FROM raw.weather")[0]["n"]


def steps(client: bigquery.Client) -> list[tuple[str, int | None]]:
    found = rows(client, "SELECT status, `rows` FROM ops.step_runs WHERE step = 'weather' ORDER BY finished_at")
    return [(row["status"], row["rows"]) for row in found]


def test_the_first_run_loads_every_hour_as_the_api_gave_it(
    api: str, weather: FlaskClient, client: bigquery.Client
) -> None:
    status, answer = call(weather)
    assert (status, answer["rows"]) == (200, ALL_DAYS * HOURS)
    assert count(client) == ALL_DAYS * HOURS
    given = requests.get(
        f"{api}/v1/forecast",
        params={
            "latitude": CITIES[2].latitude,
            "longitude": CITIES[2].longitude,
            "hourly": "temperature_2m,precipitation,wind_speed_10m",
            "start_date": (YESTERDAY - timedelta(days=30)).isoformat(),
            "end_date": YESTERDAY.isoformat(),
        },
        timeout=5,
    ).json()["hourly"]
    stored = rows(client, f"SELECT * FROM raw.weather WHERE city = '{CITIES[2].name}' ORDER BY hour")
    assert [row["hour"].strftime("%Y-%m-%dT%H:%M") for row in stored] == given["time"]
    assert [row["temperature_c"] for row in stored] == given["temperature_2m"]
    assert [row["precipitation_mm"] for row in stored] == given["precipitation"]
    assert [row["wind_speed_kmh"] for row in stored] == given["wind_speed_10m"]
    assert {row["run_id"] for row in stored} == {"run-1"}
    assert steps(client) == [("succeeded", ALL_DAYS * HOURS)]


@pytest.mark.usefixtures("api")
def test_a_second_run_of_the_day_appends_nothing(weather: FlaskClient, client: bigquery.Client) -> None:
    call(weather)
    assert call(weather, "run-2")[1]["rows"] == 0
    assert count(client) == ALL_DAYS * HOURS


@pytest.mark.usefixtures("api")
def test_a_missed_day_and_half_a_day_are_made_up_for(weather: FlaskClient, client: bigquery.Client) -> None:
    call(weather)
    missed, half = TODAY - timedelta(days=12), TODAY - timedelta(days=5)
    rows(client, f"DELETE FROM raw.weather WHERE DATE(hour) = '{missed}'")
    rows(client, f"DELETE FROM raw.weather WHERE city = 'Vienna' AND hour >= TIMESTAMP '{half} 12:00:00'")
    missing = ALL_DAYS * HOURS - count(client)
    assert call(weather, "run-2")[1]["rows"] == missing
    again = "SELECT COUNT(*) AS n, COUNT(DISTINCT CONCAT(city, CAST(hour AS STRING))) AS hours FROM raw.weather"
    assert rows(client, again) == [{"n": ALL_DAYS * HOURS, "hours": ALL_DAYS * HOURS}]


@pytest.mark.usefixtures("api")
def test_a_forecast_that_changed_is_appended_beside_the_old_one(
    weather: FlaskClient, client: bigquery.Client
) -> None:
    call(weather)
    hour = f"city = 'Berlin' AND hour = TIMESTAMP '{YESTERDAY} 10:00:00'"
    rows(client, f"UPDATE raw.weather SET temperature_c = 99 WHERE {hour}")
    assert call(weather, "run-2")[1]["rows"] == 1
    stored = rows(client, f"SELECT temperature_c FROM raw.weather WHERE {hour} ORDER BY fetched_at")
    assert stored[0]["temperature_c"] == 99
    assert stored[1]["temperature_c"] < 50
    assert call(weather, "run-3")[1]["rows"] == 0


@pytest.mark.usefixtures("api")
def test_the_next_day_asks_for_the_new_day_only(weather: FlaskClient, client: bigquery.Client) -> None:
    call(weather, day=YESTERDAY - timedelta(days=1))
    assert call(weather, "run-2", YESTERDAY)[1]["rows"] == HOURS


@pytest.mark.usefixtures("api")
def test_hours_to_come_are_not_observed_and_are_fetched_when_they_have_passed(
    weather: FlaskClient, client: bigquery.Client
) -> None:
    before = datetime.now(UTC)
    assert call(weather, day=TODAY)[0] == 200
    after = datetime.now(UTC)
    ((last,),) = [row.values() for row in rows(client, "SELECT MAX(hour) FROM raw.weather")]
    assert before - timedelta(hours=2) < last <= after - timedelta(hours=1)

    # What an earlier run stored of an hour while it was still to come, with the values that it then had.
    to_come = f"city = 'Berlin' AND hour = TIMESTAMP '{YESTERDAY} 10:00:00'"
    rows(client, f"UPDATE raw.weather SET fetched_at = TIMESTAMP '{YESTERDAY} 10:59:59' WHERE {to_come}")
    call(weather, "run-2", YESTERDAY)
    assert rows(client, f"SELECT run_id FROM raw.weather WHERE {to_come} ORDER BY fetched_at") == [
        {"run_id": "run-1"},
        {"run_id": "run-2"},
    ]


def set_fault(api: str, fault: dict[str, Any]) -> None:
    requests.put(f"{api}/_faults", json=fault, timeout=5).raise_for_status()


def test_an_hour_without_values_is_asked_for_again_until_it_has_them(
    api: str, weather: FlaskClient, client: bigquery.Client
) -> None:
    asked = YESTERDAY - timedelta(days=9)
    set_fault(api, {"mode": "null"})
    call(weather, day=asked)
    unknown = "SELECT city, hour FROM raw.weather WHERE temperature_c IS NULL"
    assert rows(client, unknown) == [
        {"city": LAST, "hour": datetime(asked.year, asked.month, asked.day, 23, tzinfo=UTC)}
    ]
    requests.delete(f"{api}/_faults", timeout=5).raise_for_status()

    # More than two days later, so that no run would ask for that day but for the hour.
    call(weather, "run-2")

    latest = f"""
        SELECT temperature_c, precipitation_mm, wind_speed_kmh FROM raw.weather
        WHERE city = '{LAST}' AND hour = TIMESTAMP '{asked} 23:00:00' ORDER BY fetched_at DESC LIMIT 1
    """
    assert None not in rows(client, latest)[0].values()


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("hour", [0, 12, 23])
def test_one_missing_hour_is_made_up_for(weather: FlaskClient, client: bigquery.Client, hour: int) -> None:
    call(weather)
    missed = YESTERDAY - timedelta(days=10)
    rows(client, f"DELETE FROM raw.weather WHERE city = 'Vienna' AND hour = TIMESTAMP '{missed} {hour:02}:00:00'")

    assert call(weather, "run-2")[1]["rows"] == 1


def first_hour(client: bigquery.Client) -> date:
    return rows(client, "SELECT MIN(hour) AS first FROM raw.weather")[0]["first"].date()


@pytest.mark.usefixtures("api")
def test_a_day_of_thirty_days_ago_is_made_up_for_and_an_older_one_is_not(
    weather: FlaskClient, client: bigquery.Client
) -> None:
    call(weather)
    assert first_hour(client) == YESTERDAY - timedelta(days=30)
    rows(client, f"DELETE FROM raw.weather WHERE hour < TIMESTAMP '{YESTERDAY - timedelta(days=28)} 00:00:00'")

    assert call(weather, "run-2", YESTERDAY + timedelta(days=1))[0] == 200

    assert first_hour(client) == YESTERDAY - timedelta(days=29)


@pytest.mark.usefixtures("api")
def test_a_run_of_long_ago_asks_only_for_what_the_api_still_has(
    weather: FlaskClient, client: bigquery.Client
) -> None:
    status, answer = call(weather, day=TODAY - timedelta(days=80))

    assert status == 200, answer
    assert first_hour(client) == TODAY - timedelta(days=90)


def test_cities_of_one_grid_cell_are_told_apart_by_their_position(
    api: str, client: bigquery.Client, patience: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 20 km apart: each is within the other's reach.
    pair = (City("Cologne", 50.94, 6.96), City("Bonn", 50.73, 7.10))
    monkeypatch.setattr(cities, "CITIES", pair)
    weather = function_client("weather")

    assert call(weather)[0] == 200
    for city in pair:
        place = {"latitude": city.latitude, "longitude": city.longitude, "hourly": "temperature_2m"}
        days = {"start_date": YESTERDAY.isoformat(), "end_date": YESTERDAY.isoformat()}
        given = requests.get(f"{api}/v1/forecast", params=place | days, timeout=5).json()["hourly"][
            "temperature_2m"
        ]
        stored = rows(
            client,
            f"SELECT temperature_c FROM raw.weather WHERE city = '{city.name}' AND DATE(hour) = '{YESTERDAY}' "
            "ORDER BY hour",
        )
        assert [row["temperature_c"] for row in stored] == given

    set_fault(api, {"mode": "swapped"})
    status, answer = call(weather, "run-2")
    assert status == 500
    assert "Cologne: the weather API's answer has 50.7" in answer["error"]


LAST = CITIES[-1].name
EVERY_CITY = ", ".join(city.name for city in CITIES)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"mode": "status", "status": 500}, f"answered 500 for {EVERY_CITY}"),
        ({"mode": "status", "status": 429}, f"answered 429 for {EVERY_CITY}"),
        ({"mode": "status", "status": 429, "retry_after": 3600}, f"answered 429 for {EVERY_CITY}"),
        ({"mode": "status", "status": 400}, "answered 400 for Berlin"),
        ({"mode": "hang", "seconds": 1}, f"no answer of the weather API for {EVERY_CITY}: Read timed out"),
        ({"mode": "malformed"}, "is not JSON"),
        ({"mode": "empty"}, "the weather API's answer has 0 places instead of 8: Berlin"),
        ({"mode": "missing_city"}, f"the weather API's answer has 7 places instead of 8: {EVERY_CITY}"),
        ({"mode": "swapped"}, f"{CITIES[0].name}: the weather API's answer has"),
        ({"mode": "short"}, f"{LAST}: 743 hours of time instead of 744"),
    ],
)
def test_a_fault_of_the_api_fails_the_step_and_the_next_run_repairs_it(
    api: str,
    weather: FlaskClient,
    client: bigquery.Client,
    patience: Patience,
    fault: dict[str, Any],
    message: str,
) -> None:
    requests.put(f"{api}/_faults", json=fault, timeout=5).raise_for_status()
    patience.read_timeout_s = 0.25 if fault["mode"] == "hang" else None
    status, answer = call(weather)
    patience.read_timeout_s = None
    assert status == 500
    assert message in answer["error"]
    assert count(client) == 0
    assert rows(client, "SELECT message FROM ops.step_runs") == [{"message": answer["error"]}]
    requests.delete(f"{api}/_faults", timeout=5).raise_for_status()
    assert call(weather, "run-2")[0] == 200
    assert count(client) == ALL_DAYS * HOURS
    assert steps(client) == [("failed", None), ("succeeded", ALL_DAYS * HOURS)]


def test_a_passing_fault_is_retried(api: str, weather: FlaskClient, client: bigquery.Client) -> None:
    fault = {"mode": "status", "status": 429, "retry_after": 1, "times": 1}
    requests.put(f"{api}/_faults", json=fault, timeout=5).raise_for_status()
    assert call(weather)[0] == 200
    assert count(client) == ALL_DAYS * HOURS


def test_an_api_that_is_not_there(
    weather: FlaskClient, client: bigquery.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("WEATHER_API_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
        status, answer = call(weather)
    assert status == 500
    assert "Connection refused" in answer["error"]
    assert count(client) == 0
    assert steps(client) == [("failed", None)]


@pytest.mark.parametrize(
    "body",
    [None, [], {}, {"run_id": "r"}, {"run_id": "", "run_date": "2026-01-01"}, {"run_id": "r", "run_date": "x"}],
)
def test_a_bad_request_is_refused_with_a_reason(weather: FlaskClient, body: Any) -> None:
    response = weather.post("/", json=body)
    assert response.status_code == 400
    assert response.json is not None
    assert "run" in response.json["error"]


def test_a_missing_variable_is_named(weather: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BIGQUERY_LOCATION")
    status, answer = call(weather)
    assert status == 500
    assert "BIGQUERY_LOCATION is not set" in answer["error"]
