"""What the tests of dbt and of validation are made of: hand-made raw rows, and a dbt that stays."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench.warehouse import Warehouse
from omnipipe.contracts.datastream import DELETES, DatastreamMetadata
from omnipipe.contracts.sources.mobility import PUBLIC_CUSTOMERS, PUBLIC_TRIPS, Customer, Trip
from omnipipe.contracts.sources.weather import WEATHER, WeatherHour

ROOT = Path(__file__).resolve().parents[2]

# --- rows as Datastream writes them


def change(row: Any, kind: str, time: int, position: str = "a") -> Any:
    """``row`` as the change ``kind`` of the time ``time`` (milliseconds); deletes carry nothing but the key."""
    _key, *others = [field.name for field in fields(row)]
    metadata = DatastreamMetadata(
        uuid=f"{type(row).__name__}-{getattr(row, _key)}-{kind}-{time}-{position}",
        source_timestamp=time,
        change_sequence_number=position,
        change_type=kind,
        sort_keys=[str(time), position],
    )
    if kind in DELETES:
        row = replace(row, **dict.fromkeys(others))
    return replace(row, datastream_metadata=metadata)


def backfill(time: int, *rows: Any) -> list[Any]:
    """Rows as one backfill of their table writes them: with one uuid, time and position for all."""
    metadata = DatastreamMetadata(
        uuid=f"backfill-{type(rows[0]).__name__}-{time}",
        source_timestamp=time,
        change_sequence_number="",
        change_type="INSERT",
        sort_keys=[str(time), ""],
    )
    return [replace(row, datastream_metadata=metadata) for row in rows]


def at(day: int, hour: int = 12, minute: int = 0) -> datetime:
    """A time in March 2026."""
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def customer(customer_id: int, **values: Any) -> Customer:
    """A customer with personal data that is easy to find again."""
    row = Customer(
        customer_id=customer_id,
        full_name=f"Name-{customer_id}",
        email=f"mail-{customer_id}@example.com",
        phone=f"+49-phone-{customer_id}",
        city="Berlin",
        marketing_opt_in=False,
        created_at=at(1),
        updated_at=at(1),
        datastream_metadata=None,
    )
    return replace(row, **values)


def trip(trip_id: int, **values: Any) -> Trip:
    """A completed trip of customer 1 in Berlin on March 2nd at noon, of 1.5 km for 2.50 euros."""
    row = Trip(
        trip_id=trip_id,
        customer_id=1,
        city="Berlin",
        vehicle_type="bike",
        status="completed",
        requested_at=at(2),
        started_at=at(2, 12, 5),
        ended_at=at(2, 12, 15),
        distance_km=Decimal("1.5"),
        fare=Decimal("2.5"),
        updated_at=at(2),
        datastream_metadata=None,
    )
    return replace(row, **values)


def weather(
    city: str, day: int, hour: int, mm: float | None, *, fetched_at: datetime | None = None
) -> WeatherHour:
    """An hour of weather at 10 degrees."""
    return WeatherHour(
        city=city,
        hour=at(day, hour),
        temperature_c=10.0,
        precipitation_mm=mm,
        wind_speed_kmh=5.0,
        fetched_at=fetched_at or datetime.now(UTC),
        run_id="weather",
    )


TABLES = {Customer: PUBLIC_CUSTOMERS, Trip: PUBLIC_TRIPS, WeatherHour: WEATHER}


def deliver(to: Warehouse, *rows: Any) -> None:
    """Let rows of any of the raw tables arrive."""
    for kind, table in TABLES.items():
        if chosen := [row for row in rows if isinstance(row, kind)]:
            to.insert(table, chosen)


# --- dbt


class Dbt:
    """dbt in a process of its own, with the packages of the job's requirements, that stays for many commands."""

    def __init__(
        self, python: Path, environment: dict[str, str], scratch: Path, project: Path = ROOT / "dbt"
    ) -> None:
        self.target = scratch / "target"
        # What the project's macros said in the last command, and what it asked BigQuery.
        self.messages: list[str] = []
        self.statements: list[str] = []
        self._process = subprocess.Popen(
            [python, "-c", _RUNNER, str(scratch)],
            cwd=project,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **variables: str) -> dict[str, Any]:
        """Run a command; the message of each node by its name, and under ``error`` what went wrong."""
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps([*arguments, "--vars", json.dumps(variables)]), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        self.messages, self.statements = answer.pop("messages"), answer.pop("statements")
        return answer

    def build(self, *arguments: str, **variables: str) -> dict[str, Any]:
        """Build models, without their tests; raises AssertionError unless all succeed."""
        results = self.run("run", *arguments, **variables)
        assert not results["error"], results
        return results

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(timeout=20)


_RUNNER = """
import json, os, sys
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
from dbt.cli.main import dbtRunner
scratch = sys.argv[1]
paths = [
    "--log-path", scratch, "--target-path", scratch + "/target", "--project-dir", ".", "--profiles-dir", ".",
    "--no-partial-parse",
]
manifest = dbtRunner().invoke(["--log-level", "none", "parse", *paths]).result
for line in sys.stdin:
    messages, statements = [], []
    def listen(event):
        if event.info.name == "JinjaLogInfo":
            messages.append(event.info.msg)
        elif event.info.name == "SQLQuery":
            statements.append(event.data.sql)
    arguments = ["--log-level", "none", *json.loads(line), *paths]
    outcome = dbtRunner(manifest=manifest, callbacks=[listen]).invoke(arguments)
    results = getattr(outcome.result, "results", None) or []
    answer = {result.node.name: f"{result.status}: {result.message}" for result in results}
    failed = [result.node.name for result in results if result.status in ("error", "fail", "skipped")]
    answer["messages"], answer["statements"] = list(dict.fromkeys(messages)), statements
    answer["error"] = str(outcome.exception or "") or failed or (not outcome.success and "failed")
    print(json.dumps(answer), file=answers, flush=True)
"""


@contextmanager
def dbt_for(warehouse: Warehouse, python: Path, scratch: Path, project: Path = ROOT / "dbt") -> Iterator[Dbt]:
    """A ``Dbt`` on a warehouse; ``project`` is its folder."""
    dbt = Dbt(python, warehouse.environment, scratch, project)
    try:
        yield dbt
    finally:
        dbt.close()


def job_python(job: str) -> Path:
    """The Python with exactly the packages of a job."""
    from omnipipe.laptop.environments import environment

    return environment(ROOT / "jobs" / job / "requirements.txt") / "bin" / "python"
