"""Simulated customers and trips: four weeks of a mobility service in the cities of the platform.

Every value is a function of the seed number, the table's column and the row's key. So the same plan gives the same
rows, in whatever pieces they are asked for, and no piece needs another: ten million trips take no more memory than
one chunk. The people are invented: e-mail addresses are under example.com, which is nobody's (RFC 2606), and phone
numbers are of the blocks that the Bundesnetzagentur keeps for films.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from omnipipe.contracts.cities import CITIES

_Array = NDArray[Any]

DAYS = 28
TRIPS_PER_CUSTOMER = 10
# Rows of one chunk: enough that numpy's cost a call does not count, little enough to be a few MB.
_CHUNK = 50_000

_FIRST_NAMES = """
Anna Ben Clara David Elif Felix Greta Hannah Ivan Jonas Katarina Lena Mateusz Nora Oskar Paula Quentin Rosa Sofia
Tim Ulrike Viktor Wanda Xaver Yusuf Zoe Jürgen Søren Chloé Käthe
"""
_LAST_NAMES = """
Andersen Bauer Çelik Dietrich Egli Fischer Gruber Huber Ivanova Jansen Keller Lang Meyer Nielsen Olsen Peters Quist
Richter Schmidt Tanaka Ullrich Visser Wagner Xu Yilmaz Zimmermann Müller Weiß Sørensen Krüger
"""
_ASCII = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "oe", "é": "e", "ç": "c"})
# https://www.bundesnetzagentur.de, "Rufnummern für Medienproduktionen": three more digits follow.
_PHONE_BLOCKS = ("+493023125", "+496990009", "+494066969", "+492214710", "+498999998")

_CITY_SHARES = np.array([24, 14, 14, 10, 13, 8, 10, 7], dtype=float)
# Trips by hour of the day, UTC: two commuter peaks on a working day, long evenings at the weekend.
_WORKDAY = np.array([2, 1, 1, 1, 2, 5, 10, 14, 11, 7, 6, 7, 8, 7, 7, 9, 13, 15, 12, 9, 7, 6, 5, 3], dtype=float)
_WEEKEND = np.array(
    [6, 5, 4, 2, 1, 1, 2, 3, 5, 7, 9, 10, 11, 11, 11, 11, 11, 11, 11, 11, 10, 10, 9, 8], dtype=float
)


@dataclass(frozen=True)
class Vehicle:
    """A kind of vehicle: its share of the trips, its trips' mean length and speed, and its price."""

    name: str
    share: float
    mean_km: float
    kmh: float
    unlock_eur: float
    eur_per_minute: float


VEHICLES = (
    Vehicle("bike", 0.35, 2.4, 14, 0.5, 0.12),
    Vehicle("scooter", 0.35, 2.0, 16, 1.0, 0.22),
    Vehicle("moped", 0.12, 4.8, 24, 1.0, 0.28),
    Vehicle("car", 0.18, 9.5, 28, 1.5, 0.35),
)
_CANCELLED_SHARE = 0.06
_ELSEWHERE_SHARE = 0.08  # trips outside of the rider's home city


@dataclass(frozen=True)
class Plan:
    """What to generate: ``trips`` trips (at least 1) of the 28 days that end before the day ``end`` (UTC)."""

    trips: int
    end: date
    seed: int = 1

    def __post_init__(self) -> None:
        if self.trips < 1:
            raise ValueError(f"the number of trips must be at least 1, not {self.trips}")

    @property
    def customers(self) -> int:
        """The number of customers."""
        return -(-self.trips // TRIPS_PER_CUSTOMER)

    @property
    def start(self) -> datetime:
        """The first moment of the 28 days."""
        return datetime.combine(self.end, time(), UTC) - timedelta(days=DAYS)


def customers(plan: Plan) -> Iterator[pa.RecordBatch]:
    """Yield the customers in the order of their keys, with the columns of public.customers."""
    names, addresses = _names()
    for ids in _keys(plan.customers):
        draw = _Draw(plan.seed, "customers", ids)
        name = (draw("name") * len(names)).astype(int)
        block = (draw("phone block") * len(_PHONE_BLOCKS)).astype(int)
        extension = (draw("phone") * 1000).astype(int)
        created_at = plan.start.timestamp() - draw("created_at") * 700 * 86400
        has_phone = draw("has phone") < 0.95
        phones = [
            f"{_PHONE_BLOCKS[number]}{last:03d}" if known else None
            for number, last, known in zip(block.tolist(), extension.tolist(), has_phone.tolist(), strict=True)
        ]
        emails = [f"{addresses[n]}.{key}@example.com" for n, key in zip(name.tolist(), ids.tolist(), strict=True)]
        yield pa.RecordBatch.from_pydict(
            {
                "customer_id": ids,
                "full_name": names.take(pa.array(name)),
                "email": pa.array(emails),
                "phone": pa.array(phones, pa.string()),
                "city": _CITY_NAMES.take(pa.array(_home_city(plan.seed, ids))),
                "marketing_opt_in": draw("opt in") < 0.4,
                "created_at": _timestamps(created_at),
                "updated_at": _timestamps(created_at),
            }
        )


def trips(plan: Plan) -> Iterator[pa.RecordBatch]:
    """Yield the trips in the order of their keys, which is that of their times, with the columns of public.trips."""
    hours, shares = _rhythm(plan)
    for ids in _keys(plan.trips):
        draw = _Draw(plan.seed, "trips", ids)
        # The place of a trip among all trips is its place in the accumulated rhythm.
        requested_at = np.interp((ids - 1 + draw("requested_at")) / plan.trips, shares, hours)
        # Few ride often: the square makes small keys frequent.
        customer = 1 + (draw("customer") ** 2 * plan.customers).astype(np.int64)
        elsewhere = draw("elsewhere") < _ELSEWHERE_SHARE
        city = np.where(elsewhere, _pick(_CITY_SHARES, draw("city")), _home_city(plan.seed, customer))
        vehicle = _pick(_vehicles("share"), draw("vehicle"))
        cancelled = draw("cancelled") < _CANCELLED_SHARE
        distance_km = np.round(
            0.3 + np.minimum(-np.log1p(-draw("distance")) * _vehicles("mean_km")[vehicle], 80), 2
        )
        minutes = distance_km / _vehicles("kmh")[vehicle] * 60 * (0.8 + 0.6 * draw("pace"))
        fare = np.round(_vehicles("unlock_eur")[vehicle] + _vehicles("eur_per_minute")[vehicle] * minutes, 2)
        started_at = requested_at + 60 + 540 * draw("wait")
        ended_at = started_at + 60 * minutes
        yield pa.RecordBatch.from_pydict(
            {
                "trip_id": ids,
                "customer_id": customer,
                "city": _CITY_NAMES.take(pa.array(city)),
                "vehicle_type": _VEHICLE_NAMES.take(pa.array(vehicle)),
                "status": _STATUSES.take(pa.array(cancelled.astype(int))),
                "requested_at": _timestamps(requested_at),
                "started_at": _timestamps(started_at, cancelled),
                "ended_at": _timestamps(ended_at, cancelled),
                "distance_km": pa.array(distance_km, mask=cancelled),
                "fare": pa.array(fare, mask=cancelled),
                "updated_at": _timestamps(np.where(cancelled, started_at, ended_at)),
            }
        )


_CITY_NAMES = pa.array([city.name for city in CITIES])
_VEHICLE_NAMES = pa.array([vehicle.name for vehicle in VEHICLES])
_STATUSES = pa.array(["completed", "cancelled"])


class _Draw:
    """Random numbers of [0, 1) for the rows of a chunk: a hash of seed, column and key (SplitMix64)."""

    def __init__(self, seed: int, table: str, keys: _Array) -> None:
        self._seed = seed
        self._table = table
        self._keys = keys.astype(np.uint64)

    def __call__(self, column: str) -> _Array:
        salt = zlib.crc32(f"{self._seed}:{self._table}:{column}".encode())
        x = (self._keys + np.uint64(salt << 32)) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
        return (x >> np.uint64(11)) * 2.0**-53


def _keys(count: int) -> Iterator[_Array]:
    for first in range(1, count + 1, _CHUNK):
        yield np.arange(first, min(first + _CHUNK, count + 1), dtype=np.int64)


def _pick(shares: _Array, draw: _Array) -> _Array:
    """Return an index for each draw, as often as its share says."""
    bounds = np.cumsum(shares) / np.sum(shares)
    return np.searchsorted(bounds[:-1], draw, side="right")


def _home_city(seed: int, customer_ids: _Array) -> _Array:
    return _pick(_CITY_SHARES, _Draw(seed, "customers", customer_ids)("city"))


def _vehicles(attribute: str) -> _Array:
    return np.array([getattr(vehicle, attribute) for vehicle in VEHICLES])


def _rhythm(plan: Plan) -> tuple[_Array, _Array]:
    """Return the hours' bounds, in epoch seconds, and the share of the trips before each."""
    days = [(plan.start + timedelta(days=number)).weekday() for number in range(DAYS)]
    weights = np.concatenate([_WORKDAY if weekday < 5 else 0.9 * _WEEKEND for weekday in days])
    bounds = plan.start.timestamp() + 3600.0 * np.arange(len(weights) + 1)
    return bounds, np.concatenate([[0.0], np.cumsum(weights) / np.sum(weights)])


def _names() -> tuple[pa.Array, list[str]]:
    """Return all full names, and the e-mail address of each up to its number."""
    pairs = [(first, last) for first in _FIRST_NAMES.split() for last in _LAST_NAMES.split()]
    addresses = [f"{first}.{last}".lower().translate(_ASCII) for first, last in pairs]
    return pa.array([f"{first} {last}" for first, last in pairs]), addresses


def _timestamps(epoch_s: _Array, is_null: _Array | None = None) -> pa.Array:
    return pa.array(epoch_s.astype(np.int64), mask=is_null).cast(pa.timestamp("s", "UTC"))
