"""Weather of every city, hour by hour, from Open-Meteo to raw.weather.

Weather data by Open-Meteo.com, CC BY 4.0 (https://open-meteo.com/en/license); the free API is for non-commercial
use.
"""

import hashlib
import os
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import flask
import functions_framework
import open_meteo
from google.cloud import bigquery

from omnipipe.contracts.cities import CITIES
from omnipipe.contracts.sources.weather import WEATHER, WeatherHour
from omnipipe.runtime import audit, function, log, warehouse
from omnipipe.runtime.run import Run

log.configure("weather")

_PUBLIC_API = "https://api.open-meteo.com"
# Forecasts settle: the run's day and the two before it are asked for each time.
_SETTLING = timedelta(days=2)
# A missed day is made up for when it is at most this old, and in reach of the API (92 days, less a margin).
_REPAIR = timedelta(days=30)
_API_PAST = timedelta(days=90)

_HOUR = timedelta(hours=1)

# The values of open_meteo.VARIABLES by city and hour.
_Hours = dict[tuple[str, datetime], tuple[float | None, ...]]


@functions_framework.http
def weather(request: flask.Request) -> tuple[dict[str, Any], int]:
    """Append the hours of weather that are new or have changed to raw.weather: of all cities, or nothing.

    Only hours that have passed: what the API says of later ones is a forecast, which nobody has observed yet.

    POST ``{"run_id": "…", "run_date": "YYYY-MM-DD"}``; see omnipipe.runtime.function. Environment:
    BIGQUERY_LOCATION, and WEATHER_API_URL for another API than Open-Meteo's public one.
    """
    return function.answer(request.get_json(silent=True), "weather", _update)


def _update(client: bigquery.Client, run: Run, step: audit.Step) -> None:
    stored = _stored(client, run.run_date)
    first = _first_day(stored, run.run_date)
    fetched_at = datetime.now(UTC)
    api = os.environ.get("WEATHER_API_URL") or _PUBLIC_API
    fetched: _Hours = open_meteo.hourly(api, CITIES, first, run.run_date)
    new = {
        (city, hour): values
        for (city, hour), values in fetched.items()
        if hour + _HOUR <= fetched_at and stored.get((city, hour)) != values
    }
    rows = (
        WeatherHour(
            city=city,
            hour=hour,
            temperature_c=temperature,
            precipitation_mm=precipitation,
            wind_speed_kmh=wind_speed,
            fetched_at=fetched_at,
            run_id=run.run_id,
        )
        for (city, hour), (temperature, precipitation, wind_speed) in new.items()
    )
    # The same content of the same run is the same job: BigQuery does not do it twice, whoever repeats the request.
    content = hashlib.sha256(repr((run.run_id, list(new.items()))).encode()).hexdigest()
    step.rows = warehouse.load(client, WEATHER, rows, job_id=f"weather-{content[:32]}")
    step.message = f"{step.rows} new hours of {len(CITIES)} cities from {first} to {run.run_date}"


def _stored(client: bigquery.Client, run_date: date) -> _Hours:
    """Return the latest observed values of each hour of raw.weather that this run may repair: at most 31 days of it."""
    found = warehouse.query(
        client,
        f"""
        SELECT city, hour, temperature_c, precipitation_mm, wind_speed_kmh
        FROM {WEATHER.id}
        WHERE hour >= @first AND hour < @until AND fetched_at >= TIMESTAMP_ADD(hour, INTERVAL 1 HOUR)
        QUALIFY ROW_NUMBER() OVER (PARTITION BY city, hour ORDER BY fetched_at DESC) = 1
        """,  # noqa: S608 - the table's name is a constant of contracts
        bigquery.ScalarQueryParameter("first", "TIMESTAMP", _midnight(run_date - _REPAIR)),
        bigquery.ScalarQueryParameter("until", "TIMESTAMP", _midnight(run_date + timedelta(days=1))),
    )
    return {
        (row["city"], row["hour"]): (row["temperature_c"], row["precipitation_mm"], row["wind_speed_kmh"])
        for row in found
    }


def _first_day(stored: _Hours, run_date: date) -> date:
    """Return the day to ask from: the earliest that lacks a value of an hour of a city and is still within reach."""
    first, always = max(run_date - _REPAIR, datetime.now(UTC).date() - _API_PAST), run_date - _SETTLING
    missing = (None,)
    while first < always and not any(
        None in stored.get((city.name, _midnight(first) + hour * _HOUR), missing)
        for city in CITIES
        for hour in range(24)
    ):
        first += timedelta(days=1)
    return min(first, always)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
