"""The cities that the platform serves: where trips take place and weather is asked for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class City:
    """A city and the point that its weather is asked for, in degrees (WGS 84)."""

    name: str
    latitude: float
    longitude: float


CITIES = (
    City("Berlin", 52.52, 13.41),
    City("Hamburg", 53.55, 9.99),
    City("Munich", 48.14, 11.58),
    City("Cologne", 50.94, 6.96),
    City("Vienna", 48.21, 16.37),
    City("Zurich", 47.37, 8.54),
    City("Amsterdam", 52.37, 4.90),
    City("Copenhagen", 55.68, 12.57),
)
