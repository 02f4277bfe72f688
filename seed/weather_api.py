"""A simulator of Open-Meteo's forecast API on loopback: its parameters, shapes and errors, invented values.

    python -m seed.weather_api --port 8080

https://open-meteo.com/en/docs. The values are the same for the same place and hour, whenever they are asked for.
Faults on demand (see seed.simulator): status, hang, malformed (cut JSON), empty (an empty list), missing_city (the
last place is left out), short (the last hour of the last place is left out), null (that hour has no values), swapped
(the first two places stand in each other's position).
"""

import argparse
import math
import zlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import Flask, Response, jsonify, request

from seed.simulator import Faults, create_app, serve

_PAST_DAYS = 92
_FORECAST_DAYS = 16
_GRID_DEGREES = 0.02  # the answer is for a cell of the weather model's grid, not for the point


def _noise(*parts: object) -> float:
    """Return a number of [0, 1) that depends on nothing but ``parts``."""
    return zlib.crc32(":".join(map(str, parts)).encode()) / 2**32


def _temperature(latitude: float, longitude: float, hour: datetime) -> float:
    season = -math.cos(2 * math.pi * (hour.timetuple().tm_yday - 20) / 365) * (1 if latitude >= 0 else -1)
    solar_hour = hour.hour + longitude / 15
    daily = -math.cos(2 * math.pi * (solar_hour - 3) / 24)
    spell = _noise("spell", latitude, longitude, hour.date()) - 0.5
    mean = 27 - 0.33 * abs(latitude)
    return round(mean + 9 * season + 4 * daily + 6 * spell + _noise("t", latitude, longitude, hour), 1)


def _precipitation(latitude: float, longitude: float, hour: datetime) -> float:
    # Rain comes in blocks of six hours, on about one block in five.
    wet = _noise("block", latitude, longitude, hour.date(), hour.hour // 6) < 0.2
    amount = _noise("rain", latitude, longitude, hour)
    return round(4 * amount**2, 1) if wet else 0.0


def _wind_speed(latitude: float, longitude: float, hour: datetime) -> float:
    day = _noise("wind", latitude, longitude, hour.date())
    return round(3 + 20 * day + 6 * _noise("gust", latitude, longitude, hour), 1)


# name -> unit and value; https://open-meteo.com/en/docs, "Hourly Parameter Definition"
_VARIABLES: dict[str, tuple[str, Callable[[float, float, datetime], float]]] = {
    "temperature_2m": ("°C", _temperature),
    "precipitation": ("mm", _precipitation),
    "wind_speed_10m": ("km/h", _wind_speed),
}


class _Refused(ValueError):
    """A request that Open-Meteo answers with 400 and this reason."""


def _coordinates(name: str, limit: float) -> list[float]:
    text = request.args.get(name)
    if not text:
        raise _Refused(f"Parameter '{name}' is required")
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        raise _Refused(f"Parameter '{name}' must be a number or a list of numbers. Given: {text}.") from None
    for value in values:
        if not -limit <= value <= limit:
            raise _Refused(f"{name.capitalize()} must be in range of -{limit:g} to {limit:g}°. Given: {value}.")
    return values


def _whole(name: str, default: int, highest: int) -> int:
    text = request.args.get(name, str(default))
    if not text.isdigit() or int(text) > highest:
        raise _Refused(f"Parameter '{name}' is invalid. Allowed range 0 to {highest}. Given {text}.")
    return int(text)


def _day(name: str, today: date) -> date:
    text = request.args[name]
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise _Refused(f"Invalid date format. Make sure to use 'YYYY-MM-DD'. Given: {text}.") from None
    first, last = today - timedelta(days=_PAST_DAYS), today + timedelta(days=_FORECAST_DAYS - 1)
    if not first <= day <= last:
        raise _Refused(f"Parameter '{name}' is out of allowed range from {first} to {last}")
    return day


def _days(today: date) -> tuple[date, date]:
    """Return the first and the last day that the request asks for."""
    if "start_date" not in request.args and "end_date" not in request.args:
        past, forecast = _whole("past_days", 0, _PAST_DAYS), _whole("forecast_days", 7, _FORECAST_DAYS)
        return today - timedelta(days=past), today + timedelta(days=forecast - 1)
    if "start_date" not in request.args or "end_date" not in request.args:
        raise _Refused("Both 'start_date' and 'end_date' must be set")
    if "forecast_days" in request.args or "past_days" in request.args:
        raise _Refused("Parameter 'forecast_days' is mutually exclusive with 'start_date' and 'end_date'")
    first, last = _day("start_date", today), _day("end_date", today)
    if last < first:
        raise _Refused("End-date must be larger or equals than start-date")
    return first, last


def _forecast(today: date) -> list[dict[str, Any]]:
    latitudes, longitudes = _coordinates("latitude", 90), _coordinates("longitude", 180)
    if len(latitudes) != len(longitudes):
        raise _Refused("Parameter 'latitude' and 'longitude' must have the same number of elements")
    variables = [name for name in request.args.get("hourly", "").split(",") if name]
    for name in variables:
        if name not in _VARIABLES:
            raise _Refused(f"Cannot initialize WeatherVariable from invalid String value {name} for key hourly")
    zone_name = request.args.get("timezone", "GMT")
    try:
        zone = ZoneInfo(zone_name)
    except (ZoneInfoNotFoundError, ValueError):
        raise _Refused("Invalid timezone") from None
    first, last = _days(today)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    hours = [datetime(day.year, day.month, day.day, hour, tzinfo=zone) for day in days for hour in range(24)]
    return [
        _place(number, latitude, longitude, zone_name, hours, variables)
        for number, (latitude, longitude) in enumerate(zip(latitudes, longitudes, strict=True))
    ]


def _place(
    number: int, latitude: float, longitude: float, zone: str, hours: list[datetime], variables: list[str]
) -> dict[str, Any]:
    offset = hours[0].utcoffset() if hours else None
    answer: dict[str, Any] = {
        "latitude": round(round(latitude / _GRID_DEGREES) * _GRID_DEGREES, 6),
        "longitude": round(round(longitude / _GRID_DEGREES) * _GRID_DEGREES, 6),
        "generationtime_ms": 0.1,
        "utc_offset_seconds": int(offset.total_seconds()) if offset else 0,
        "timezone": zone,
        "timezone_abbreviation": hours[0].tzname() if hours else zone,
        "elevation": 38.0,
        "simulated": True,
    }
    if number:
        answer["location_id"] = number  # as Open-Meteo: from the second place of a list on
    if variables:
        utc = [hour.astimezone(UTC) for hour in hours]
        answer["hourly_units"] = {"time": "iso8601"} | {name: _VARIABLES[name][0] for name in variables}
        answer["hourly"] = {"time": [hour.strftime("%Y-%m-%dT%H:%M") for hour in hours]} | {
            name: [_VARIABLES[name][1](latitude, longitude, hour) for hour in utc] for name in variables
        }
    return answer


def app(today: Callable[[], date] = lambda: datetime.now(UTC).date()) -> Flask:
    """Return the simulator as a Flask app; ``today`` is the day that forecasts begin with."""
    faults = Faults("malformed", "empty", "missing_city", "short", "null", "swapped")
    created = create_app("weather_api", faults)

    @created.get("/v1/forecast")
    def forecast() -> Response:
        fault = faults.take()
        if answer := faults.answer(fault):
            return answer
        try:
            places = _forecast(today())
        except _Refused as refused:
            response = jsonify(error=True, reason=str(refused))
            response.status_code = 400
            return response
        return _answer(places, fault.get("mode"))

    return created


def _answer(places: list[dict[str, Any]], fault: str | None) -> Response:
    single = len(places) == 1
    if fault == "empty":
        return jsonify([])
    if fault == "missing_city":
        places = places[:-1]
    if fault == "short":
        for values in places[-1]["hourly"].values():
            values.pop()
    if fault == "null":
        for name in _VARIABLES.keys() & places[-1]["hourly"].keys():
            places[-1]["hourly"][name][-1] = None
    if fault == "swapped":
        places[:2] = places[1::-1]
    response = jsonify(places[0] if single and places else places)
    if fault == "malformed":
        response.set_data(response.get_data()[:-20])
    return response


def main() -> None:
    """Serve the simulator; see ``--help``."""
    parser = argparse.ArgumentParser(description="A simulator of Open-Meteo on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=0, help="TCP port; 0, the default, takes a free one")
    port = parser.parse_args().port
    serve(app(), port, lambda address: f"simulated Open-Meteo at {address}/v1/forecast: all values are invented")


if __name__ == "__main__":
    main()
