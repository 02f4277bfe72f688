"""Goes on with the business: customers and trips come, change and go, for a bounded time at a bounded rate.

Every event is one small transaction, as an application's would be; the database itself keeps ``updated_at`` (see
schema.sql). Which events come, and whom they meet, depends only on the seed number and on what the database holds.
"""

# ruff: noqa: S608 - the statements are put together from constants of this file

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg

from omnipipe.contracts.cities import CITIES
from seed.generator import VEHICLES, Vehicle

# A row that is as far among the keys as %(place)s, 0 to 1, says.
_SOME_CUSTOMER = """(
    SELECT customer_id FROM customers
    WHERE customer_id >= (SELECT ceil(%(place)s * max(customer_id))::bigint FROM customers)
    ORDER BY customer_id LIMIT 1
)"""
_SOME_TRIP_KEY = "(SELECT ceil(%(place)s * max(trip_id))::bigint FROM trips)"
_OLDEST_OPEN_TRIP = "(SELECT trip_id FROM trips WHERE status = 'requested' ORDER BY requested_at LIMIT 1)"


@dataclass(frozen=True)
class _Event:
    """One kind of event: what its rows are counted as, how frequent it is, and what it does."""

    kind: str
    weight: int
    statement: LiteralString


_REQUEST = _Event(
    "trips_requested",
    40,
    f"""
    INSERT INTO trips (customer_id, city, vehicle_type, status, requested_at)
    SELECT customer_id, city, %(vehicle)s, 'requested', now() - %(minutes_ago)s * interval '1 minute'
    FROM customers WHERE customer_id = {_SOME_CUSTOMER}
    """,
)
_EVENTS = (
    _REQUEST,
    _Event(
        "trips_completed",
        31,
        f"""
        UPDATE trips
        SET status = 'completed',
            started_at = requested_at + interval '3 minutes',
            ended_at = requested_at + (3 + %(minutes)s) * interval '1 minute',
            distance_km = %(km)s,
            fare = %(fare)s
        WHERE trip_id = {_OLDEST_OPEN_TRIP}
        """,
    ),
    _Event("trips_cancelled", 3, f"UPDATE trips SET status = 'cancelled' WHERE trip_id = {_OLDEST_OPEN_TRIP}"),
    _Event(
        "fares_corrected",
        6,
        f"""
        UPDATE trips SET fare = round(fare * 0.9, 2)
        WHERE trip_id = (
            SELECT trip_id FROM trips WHERE trip_id >= {_SOME_TRIP_KEY} AND fare > 0 ORDER BY trip_id LIMIT 1
        )
        """,
    ),
    _Event(
        "customers_created",
        6,
        """
        INSERT INTO customers (full_name, email, phone, city)
        VALUES ('New Customer', %(email)s, '+493023125000', %(city)s)
        """,
    ),
    _Event(
        "customers_changed",
        8,
        f"""
        UPDATE customers SET city = %(city)s, marketing_opt_in = NOT marketing_opt_in
        WHERE customer_id = {_SOME_CUSTOMER}
        """,
    ),
    # What is old of somebody who rode at some time.
    _Event(
        "trips_deleted",
        3,
        f"""
        DELETE FROM trips
        WHERE requested_at < now() - interval '7 days' AND customer_id = (
            SELECT customer_id FROM trips WHERE trip_id >= {_SOME_TRIP_KEY} ORDER BY trip_id LIMIT 1
        )
        """,
    ),
    # Not NOT EXISTS: that may be planned as a join, which reads all trips for the one customer that is wanted.
    _Event(
        "customers_deleted",
        2,
        f"""
        DELETE FROM customers
        WHERE customer_id = (
            SELECT customer_id FROM customers
            WHERE customer_id >= {_SOME_CUSTOMER}
                AND (SELECT trip_id FROM trips WHERE trips.customer_id = customers.customer_id LIMIT 1) IS NULL
            ORDER BY customer_id LIMIT 1
        )
        """,
    ),
    # A merged account gets a new number, and its trips move along (ON UPDATE CASCADE).
    _Event(
        "customers_rekeyed",
        1,
        f"""
        UPDATE customers SET customer_id = nextval(pg_get_serial_sequence('customers', 'customer_id'))
        WHERE customer_id = {_SOME_CUSTOMER}
        """,
    ),
)


class NoCustomers(RuntimeError):
    """There is nobody in the database whom something could happen to."""


def run(
    dsn: str, seconds: float, rate: float, seed: int = 1, report: Callable[[int], None] = lambda _: None
) -> dict[str, int]:
    """Make ``rate`` events a second for ``seconds`` seconds, as a user who may write rows (APP_USER).

    ``report`` is told after each event how many rows have changed so far. Returns how many rows changed, by kind of
    change. It ends in time, also when the database is slower than the rate. Raises NoCustomers for a database that
    was not seeded, psycopg.Error for one that is not there.
    """
    chance = random.Random(seed)
    weights = [event.weight for event in _EVENTS]
    counts = {event.kind: 0 for event in _EVENTS}
    began = time.monotonic()
    with psycopg.connect(dsn, autocommit=True) as connection:
        if connection.execute("SELECT FROM customers LIMIT 1").fetchone() is None:
            raise NoCustomers("the database has no customers: run `omnipipe seed` first")
        for number in range(int(seconds * rate)):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            if time.monotonic() - began >= seconds:
                break
            (event,) = chance.choices(_EVENTS, weights)
            values = _values(chance)
            if rows := _do(connection, event, values):
                counts[event.kind] += rows
            else:  # it found nobody to happen to: no open trip, say
                counts[_REQUEST.kind] += _do(connection, _REQUEST, values)
            report(sum(counts.values()))
    return counts


def in_words(counts: dict[str, int]) -> str:
    """Counts by kind of change, such as ``trips_deleted``, as a sentence's part."""
    parts = []
    for kind, count in counts.items():
        rows, _, change = kind.partition("_")
        parts.append(f"{count:,} {rows.removesuffix('s') if count == 1 else rows} {change.replace('_', ' ')}")
    return ", ".join(parts)


def _do(connection: psycopg.Connection, event: _Event, values: dict[str, Any]) -> int:
    try:
        return connection.execute(event.statement, values).rowcount
    except psycopg.errors.ForeignKeyViolation:
        return 0  # somebody else deleted the customer, or gave it a trip, just before


def _values(chance: random.Random) -> dict[str, Any]:
    vehicle: Vehicle = chance.choices(VEHICLES, [vehicle.share for vehicle in VEHICLES])[0]
    km = round(0.3 + min(chance.expovariate(1 / vehicle.mean_km), 20), 2)
    minutes = km / vehicle.kmh * 60
    return {
        "place": chance.random(),
        "vehicle": vehicle.name,
        # Long enough ago that the trip is over when it is completed at once.
        "minutes_ago": 60 + 20 * chance.random(),
        "minutes": minutes,
        "km": km,
        "fare": round(vehicle.unlock_eur + vehicle.eur_per_minute * minutes, 2),
        "city": chance.choice(CITIES).name,
        "email": f"new.customer.{chance.getrandbits(40):x}@example.com",
    }
