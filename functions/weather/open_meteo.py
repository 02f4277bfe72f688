"""Open-Meteo's hourly forecast of several places in one request, checked hour by hour.

https://open-meteo.com/en/docs. A list of coordinates is answered by a list in the same order, one by a single object;
times have no offset (UTC is asked for); coordinates come back as those of the weather model's grid cell, so two cities
may share one.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NoReturn

import requests

from omnipipe.contracts.cities import City
from omnipipe.runtime import http

# The hourly variables that are asked for, with the unit that the API gives them in.
VARIABLES = {"temperature_2m": "°C", "precipitation": "mm", "wind_speed_10m": "km/h"}

# The coarsest model has cells of 0.25 degrees.
_CELL_DEGREES = 0.3
# Three tries of at most 5 s and the waits between them: about 20 s until a dead API is a failed step.
_RETRIES, _BUDGET_S, _TIMEOUT_S = 2, 12.0, (3.0, 5.0)


class WeatherUnavailable(RuntimeError):
    """The API gave no answer that can be used; the text names the cause and the city."""


def hourly(
    base_url: str, cities: Sequence[City], first: date, last: date
) -> dict[tuple[str, datetime], tuple[float | None, ...]]:
    """Return the values of VARIABLES, in that order, by name of the city and hour (UTC).

    Every hour of every city from ``first`` to ``last``, both included, is there, in order. Raises
    WeatherUnavailable when the API does not answer within about 20 s, or with anything else than that.
    """
    answers = _places(_ask(base_url, cities, first, last), cities)
    days = (last - first).days + 1
    start = datetime.combine(first, time(), UTC)
    hours = [start + timedelta(hours=number) for number in range(24 * days)]
    return {
        (city.name, hour): values
        for city, answer in zip(cities, answers, strict=True)
        for hour, values in zip(hours, _values(city, answer, hours), strict=True)
    }


def _ask(base_url: str, cities: Sequence[City], first: date, last: date) -> Any:
    names = ", ".join(city.name for city in cities)
    parameters = {
        "latitude": ",".join(str(city.latitude) for city in cities),
        "longitude": ",".join(str(city.longitude) for city in cities),
        "hourly": ",".join(VARIABLES),
        "timezone": "UTC",
        "start_date": first.isoformat(),
        "end_date": last.isoformat(),
    }
    try:
        with http.session(retries=_RETRIES, budget_s=_BUDGET_S, timeout_s=_TIMEOUT_S) as session:
            response = session.get(f"{base_url.rstrip('/')}/v1/forecast", params=parameters)
    except requests.RequestException as error:
        raise WeatherUnavailable(f"no answer of the weather API for {names}: {http.cause(error)}") from error
    if response.status_code != 200:
        raise WeatherUnavailable(
            f"the weather API answered {response.status_code} for {names}: {_reason(response)}"
        )
    try:
        return json.loads(response.content, parse_constant=_no_number)
    except ValueError as error:
        raise WeatherUnavailable(f"the weather API's answer for {names} is not JSON: {error}") from error


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")  # Python alone would take NaN and Infinity


def _reason(response: requests.Response) -> str:
    """Return why the API refuses: its own words if it gives them, else the HTTP status in words."""
    try:
        return response.json()["reason"]
    except (ValueError, TypeError, KeyError):
        return response.reason


def _places(answer: Any, cities: Sequence[City]) -> list[dict[str, Any]]:
    """Return the place of each city: by its position in the answer, with the coordinates as a check of it."""
    places = [answer] if isinstance(answer, dict) else answer
    if not isinstance(places, list) or not all(isinstance(place, dict) for place in places):
        raise WeatherUnavailable("the weather API's answer is not a list of places")
    if len(places) != len(cities):
        names = ", ".join(city.name for city in cities)
        raise WeatherUnavailable(
            f"the weather API's answer has {len(places)} places instead of {len(cities)}: {names}"
        )
    for number, (city, place) in enumerate(zip(cities, places, strict=True)):
        # The first place of a list has no location_id.
        if place.get("location_id", number) != number or not _is_cell_of(place, city):
            where = f"{place.get('latitude')}, {place.get('longitude')}"
            raise WeatherUnavailable(
                f"{city.name}: the weather API's answer has {where} in its place, not {city.latitude}, {city.longitude}"
            )
    return places


def _is_cell_of(place: dict[str, Any], city: City) -> bool:
    latitude, longitude = place.get("latitude"), place.get("longitude")
    if not isinstance(latitude, int | float) or not isinstance(longitude, int | float):
        return False
    return abs(latitude - city.latitude) <= _CELL_DEGREES and abs(longitude - city.longitude) <= _CELL_DEGREES


def _values(city: City, place: dict[str, Any], hours: list[datetime]) -> Iterator[tuple[float | None, ...]]:
    series, units = place.get("hourly"), place.get("hourly_units")
    if not isinstance(series, dict) or not isinstance(units, dict):
        raise WeatherUnavailable(f"{city.name}: the weather API's answer has no hourly values")
    for name, unit in VARIABLES.items():
        if units.get(name) != unit:
            raise WeatherUnavailable(f"{city.name}: {name} came in {units.get(name)!r} instead of {unit!r}")
    for name in ("time", *VARIABLES):
        if not isinstance(series.get(name), list) or len(series[name]) != len(hours):
            count = len(series.get(name) or ())
            raise WeatherUnavailable(f"{city.name}: {count} hours of {name} instead of {len(hours)}")
    if series["time"] != [hour.strftime("%Y-%m-%dT%H:%M") for hour in hours]:
        raise WeatherUnavailable(f"{city.name}: not the hours from {hours[0]} to {hours[-1]} that were asked for")
    return zip(*(_numbers(city, name, series[name]) for name in VARIABLES), strict=True)


def _numbers(city: City, name: str, values: list[Any]) -> list[float | None]:
    """Return ``values`` as floats; an hour may be unknown (null), but not all of them."""
    if all(value is None for value in values):
        raise WeatherUnavailable(f"{city.name}: no value of {name} at all")
    for value in values:
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise WeatherUnavailable(f"{city.name}: {name} has a value that is not a number: {value!r}")
    return [None if value is None else float(value) for value in values]
