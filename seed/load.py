"""Fills the operational database with generated customers and trips: all of them, or none."""

import io
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
import pyarrow as pa
import pyarrow.csv
from psycopg import sql

from seed import generator
from seed.generator import Plan


@dataclass(frozen=True)
class Loaded:
    """What is in the database: ``changed`` says whether this call has put it there, ``message`` says it in words."""

    customers: int
    trips: int
    changed: bool
    message: str


class SeedRefused(RuntimeError):
    """The database holds other data than what is asked for; the text says what to do."""


def load(dsn: str, plan: Plan, report: Callable[[str, int], None] = lambda *_: None) -> Loaded:
    """Load ``plan`` by COPY, in one transaction, as a user who may write rows (APP_USER).

    ``report`` is told, again and again, how many rows of a table were sent. A database that was seeded before is left
    as it is. Raises SeedRefused when fewer trips were loaded then than ``plan`` has, or other data is there;
    psycopg.Error when the database is not there or not migrated.
    """
    with psycopg.connect(dsn) as connection:
        # Against a second load at the same time; readers and the capture of changes go on.
        connection.execute("LOCK TABLE customers, trips IN SHARE ROW EXCLUSIVE MODE")
        if (earlier := _earlier(connection, plan)) is not None:
            return earlier
        _copy(connection, "customers", generator.customers(plan), report)
        _copy(connection, "trips", generator.trips(plan), report)
        # The keys were given; what comes after them takes the next ones.
        for table, key, last in (("customers", "customer_id", plan.customers), ("trips", "trip_id", plan.trips)):
            connection.execute("SELECT setval(pg_get_serial_sequence(%s, %s), %s)", [table, key, last])
    message = f"{plan.customers:,} customers and {plan.trips:,} trips until {plan.end} loaded"
    return Loaded(plan.customers, plan.trips, changed=True, message=message)


def _earlier(connection: psycopg.Connection, plan: Plan) -> Loaded | None:
    """Return what is there already, or None for empty tables.

    The sequence, not a count, says how many trips were loaded at least: traffic deletes trips, and a sequence never
    goes back.
    """
    row = connection.execute(
        """
        SELECT (SELECT COUNT(*) FROM customers), (SELECT COUNT(*) FROM trips),
            pg_sequence_last_value(pg_get_serial_sequence('trips', 'trip_id')::regclass)
        """
    ).fetchone()
    customers, trips, last_key = row or (0, 0, None)
    if not customers:
        return None
    if (last_key or 0) < plan.trips:
        raise SeedRefused(
            f"the database holds {trips:,} trips already, so {plan.trips:,} cannot be loaded into it: "
            "begin with an empty one (omnipipe down --purge, omnipipe up)"
        )
    message = f"seeded before: {customers:,} customers and {trips:,} trips are there, nothing was changed"
    return Loaded(customers, trips, changed=False, message=message)


def _copy(
    connection: psycopg.Connection,
    table: str,
    batches: Iterator[pa.RecordBatch],
    report: Callable[[str, int], None],
) -> None:
    options = pyarrow.csv.WriteOptions(include_header=False)
    first = next(batches)
    columns = sql.SQL(", ").join(map(sql.Identifier, first.schema.names))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(sql.Identifier(table), columns)
    sent = 0
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for batch in itertools.chain([first], batches):
            text = io.BytesIO()
            pyarrow.csv.write_csv(batch, text, options)
            copy.write(text.getbuffer())
            sent += batch.num_rows
            report(table, sent)
