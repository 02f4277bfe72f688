"""The simulator of Open-Meteo: its shapes and errors, and values that stay."""

import signal
import sys
from datetime import date, timedelta
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient

from seed import weather_api
from tests.seed.processes import start

TODAY = date(2026, 3, 10)
PLACE = "latitude=52.52&longitude=13.41"
TWO = "latitude=52.52,48.14&longitude=13.41,11.58"
HOURLY = "hourly=temperature_2m,precipitation,wind_speed_10m&timezone=UTC"


@pytest.fixture
def api() -> FlaskClient:
    return weather_api.app(lambda: TODAY).test_client()


def get(api: FlaskClient, query: str) -> Any:
    return api.get(f"/v1/forecast?{query}").json


def test_one_place_is_an_object_and_several_are_a_list(api: FlaskClient) -> None:
    one, two = get(api, f"{PLACE}&{HOURLY}"), get(api, f"{TWO}&{HOURLY}")
    assert one == two[0]
    assert "location_id" not in two[0]
    assert two[1]["location_id"] == 1
    assert one["hourly_units"] == {
        "time": "iso8601",
        "temperature_2m": "°C",
        "precipitation": "mm",
        "wind_speed_10m": "km/h",
    }
    assert {"generationtime_ms", "utc_offset_seconds", "timezone", "timezone_abbreviation", "elevation"} < set(one)


def test_the_answer_is_for_a_cell_of_the_grid(api: FlaskClient) -> None:
    place = get(api, f"latitude=52.527&longitude=13.413&{HOURLY}")
    assert (place["latitude"], place["longitude"]) == (52.52, 13.42)


@pytest.mark.parametrize(
    ("days", "first", "count"),
    [
        ("", 0, 7),
        ("&forecast_days=1", 0, 1),
        ("&forecast_days=0&past_days=2", -2, 2),
        ("&past_days=92&forecast_days=16", -92, 108),
        ("&start_date=2026-03-08&end_date=2026-03-10", -2, 3),
    ],
)
def test_the_days_that_are_asked_for(api: FlaskClient, days: str, first: int, count: int) -> None:
    hourly = get(api, f"{PLACE}&{HOURLY}{days}")["hourly"]
    assert hourly["time"][0] == f"{TODAY + timedelta(days=first)}T00:00"
    assert {len(values) for values in hourly.values()} == {24 * count}


def test_values_depend_on_place_and_hour_only(api: FlaskClient) -> None:
    short, long = get(api, f"{PLACE}&{HOURLY}&forecast_days=1"), get(api, f"{TWO}&{HOURLY}&past_days=3")
    for name, values in short["hourly"].items():
        assert long[0]["hourly"][name][72:96] == values
    assert long[0]["hourly"]["temperature_2m"] != long[1]["hourly"]["temperature_2m"]
    assert weather_api.app(lambda: TODAY).test_client().get(f"/v1/forecast?{PLACE}&{HOURLY}").json == get(
        api, f"{PLACE}&{HOURLY}"
    )


def test_values_are_like_weather(api: FlaskClient) -> None:
    hourly = get(api, f"{PLACE}&{HOURLY}&past_days=92")["hourly"]
    assert -20 < min(hourly["temperature_2m"]) < max(hourly["temperature_2m"]) < 30
    wet = sum(value >= 0.1 for value in hourly["precipitation"]) / len(hourly["precipitation"])
    assert 0.05 < wet < 0.3
    assert min(hourly["wind_speed_10m"]) > 0


def test_a_time_zone_moves_the_hours(api: FlaskClient) -> None:
    utc = get(api, f"{PLACE}&{HOURLY}")
    berlin = get(api, f"{PLACE}&{HOURLY}".replace("UTC", "Europe/Berlin"))
    assert (utc["utc_offset_seconds"], berlin["utc_offset_seconds"]) == (0, 3600)
    assert berlin["hourly"]["temperature_2m"][1:] == utc["hourly"]["temperature_2m"][:-1]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (HOURLY, "'latitude' is required"),
        (f"latitude=91&longitude=0&{HOURLY}", "Latitude must be in range of -90 to 90°. Given: 91.0."),
        (f"latitude=x&longitude=0&{HOURLY}", "must be a number"),
        (f"latitude=1,2&longitude=0&{HOURLY}", "must have the same number of elements"),
        (f"{PLACE}&hourly=sunshine", "invalid String value sunshine for key hourly"),
        (f"{PLACE}&{HOURLY}&forecast_days=17", "Allowed range 0 to 16. Given 17."),
        (f"{PLACE}&{HOURLY}&past_days=93", "Allowed range 0 to 92. Given 93."),
        (f"{PLACE}&{HOURLY}&start_date=2026-03-01", "must be set"),
        (f"{PLACE}&{HOURLY}&start_date=2026-03-02&end_date=2026-03-01", "larger or equals"),
        (f"{PLACE}&{HOURLY}&start_date=2025-03-01&end_date=2026-03-01", "'start_date' is out of allowed range"),
        (f"{PLACE}&{HOURLY}&start_date=March&end_date=2026-03-01", "YYYY-MM-DD"),
        (f"{PLACE}&{HOURLY}&past_days=1&start_date=2026-03-01&end_date=2026-03-01", "mutually exclusive"),
        (f"{PLACE}&hourly=precipitation&timezone=Mars", "Invalid timezone"),
    ],
)
def test_a_wrong_request_is_refused_as_open_meteo_does(api: FlaskClient, query: str, reason: str) -> None:
    response = api.get(f"/v1/forecast?{query}")
    assert response.status_code == 400
    assert response.json is not None
    assert response.json["error"] is True
    assert reason in response.json["reason"]


def test_everything_says_that_it_is_simulated(api: FlaskClient) -> None:
    good, bad = api.get(f"/v1/forecast?{PLACE}&{HOURLY}"), api.get("/v1/forecast")
    assert good.headers["X-Simulated"] == bad.headers["X-Simulated"] == "true"
    assert good.json is not None
    assert good.json["simulated"] is True


def test_a_fault_shows_as_often_as_it_is_asked_for(api: FlaskClient) -> None:
    api.put("/_faults", json={"mode": "status", "status": 429, "retry_after": 7, "times": 2})
    answers = [api.get(f"/v1/forecast?{PLACE}") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "7"
    api.put("/_faults", json={"mode": "empty"})
    assert [get(api, TWO) for _ in range(3)] == [[]] * 3
    api.delete("/_faults")
    assert len(get(api, TWO)) == 2


def test_places_in_another_order_and_an_hour_without_values(api: FlaskClient) -> None:
    berlin, munich = get(api, f"{TWO}&{HOURLY}")
    api.put("/_faults", json={"mode": "swapped"})
    swapped = get(api, f"{TWO}&{HOURLY}")
    assert [place["latitude"] for place in swapped] == [munich["latitude"], berlin["latitude"]]
    api.put("/_faults", json={"mode": "null"})
    for name, values in get(api, f"{TWO}&{HOURLY}")[-1]["hourly"].items():
        assert values[:-1] == munich["hourly"][name][:-1]
        assert (values[-1] is None) == (name != "time")


@pytest.mark.parametrize("fault", [{}, {"mode": "fire"}, {"mode": "status"}, {"mode": "lost"}])
def test_an_unknown_fault_is_refused(api: FlaskClient, fault: dict[str, Any]) -> None:
    response = api.put("/_faults", json=fault)
    assert response.status_code == 400
    assert api.get(f"/v1/forecast?{PLACE}").status_code == 200


def test_it_serves_on_loopback_and_ends_cleanly() -> None:
    process, line = start([sys.executable, "-m", "seed.weather_api"])
    assert line["simulated"] is True
    assert line["address"].startswith("http://127.0.0.1:")
    assert requests.get(f"{line['address']}/v1/forecast?{PLACE}&{HOURLY}", timeout=5).ok
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0
