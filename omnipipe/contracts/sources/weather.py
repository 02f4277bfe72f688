"""The weather of each city, from a public API."""

from dataclasses import dataclass
from datetime import datetime

from omnipipe.contracts.schema import Table, column
from omnipipe.contracts.source import Source
from omnipipe.contracts.sources.mobility import MOBILITY


@dataclass(frozen=True, kw_only=True)
class WeatherHour:
    """One hour of weather in one city that had passed, as one fetch saw it."""

    city: str = column("Name of the city.")
    hour: datetime = column("Start of the hour, UTC.")
    temperature_c: float | None = column("Air temperature 2 m above ground, in degrees Celsius.")
    precipitation_mm: float | None = column("Rain, showers and snow of the hour, in millimetres.")
    wind_speed_kmh: float | None = column("Wind speed 10 m above ground, in km/h.")
    fetched_at: datetime = column("When the API was asked, UTC.")
    run_id: str = column("The run that fetched it.")


WEATHER = Table(
    "raw", "weather", WeatherHour, "A row a city, hour and fetch.", partition_by="hour", cluster_by=("city",)
)

OPEN_METEO = Source(
    name="weather",
    title="Weather",
    datasets=MOBILITY.datasets,  # it is there for the trips
    tables=(WEATHER,),
    fresh_within_h=26,
    when_late="raw.weather has got no row since the run before the last one. Look at the step weather of the runs.",
)
