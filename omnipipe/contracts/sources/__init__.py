"""The sources of this platform, a file each."""

from omnipipe.contracts.sources.mobility import MOBILITY
from omnipipe.contracts.sources.weather import OPEN_METEO

SOURCES = (MOBILITY, OPEN_METEO)
