"""What the dbt job costs: a first run, a run without changes, and a run after some trips changed.

    python -m bench.dbt [--trips N] [--changed N]

Each run is the job's own image in a process of its own, cold, on an emulator with N trips of 28 days. The breakdown
tells imports, parsing and the models apart. Nothing but the emulator and the job should run beside it.
"""

import argparse
import json
import subprocess
import tempfile
import time
from datetime import datetime
from pathlib import Path

from bench.laptop import FIRST_PORT
from bench.warehouse import Warehouse, running
from omnipipe.laptop.home import PROJECT_ROOT
from omnipipe.laptop.services.artifacts.image import Image
from omnipipe.laptop.services.artifacts.images import build

CITIES = "['Berlin', 'Hamburg', 'Munich', 'Cologne', 'Vienna', 'Zurich', 'Amsterdam', 'Copenhagen']"


def trips(first: int, count: int, change: str, milliseconds: int) -> str:
    """The statement that lets trips arrive."""
    return f"""
    INSERT INTO raw.public_trips
    SELECT
      id, MOD(id, 10000) + 1, {CITIES}[OFFSET(MOD(id, 8))], ['bike', 'car'][OFFSET(MOD(id, 2))],
      IF(MOD(id, 10) = 0, 'cancelled', 'completed'), requested_at, requested_at, requested_at,
      CAST(MOD(id, 90) AS NUMERIC), CAST(MOD(id, 20) AS NUMERIC), requested_at,
      STRUCT(IF('{change}' = 'INSERT', 'backfill', CAST(id AS STRING)) AS uuid, {milliseconds} AS source_timestamp,
        'a' AS change_sequence_number, '{change}' AS change_type, CAST([] AS ARRAY<STRING>) AS sort_keys)
    FROM (
      SELECT id, TIMESTAMP_ADD(TIMESTAMP '2026-03-01 00:00:00+00', INTERVAL MOD(id * 7919, 2419200) SECOND)
        AS requested_at
      FROM UNNEST(GENERATE_ARRAY({first}, {first + count - 1})) AS id
    )"""


CUSTOMERS = """
INSERT INTO raw.public_customers
SELECT
  id, CONCAT('Name ', CAST(id AS STRING)), CONCAT(CAST(id AS STRING), '@example.com'), '+49 1', 'Berlin', TRUE,
  TIMESTAMP '2026-03-01 00:00:00+00', TIMESTAMP '2026-03-01 00:00:00+00',
  STRUCT('backfill' AS uuid, 1 AS source_timestamp, 'a' AS change_sequence_number, 'INSERT' AS change_type,
    CAST([] AS ARRAY<STRING>) AS sort_keys)
FROM UNNEST(GENERATE_ARRAY(1, 10000)) AS id"""

WEATHER = f"""
INSERT INTO raw.weather
SELECT city, hour, 10.0, 0.1 * MOD(EXTRACT(HOUR FROM hour), 3), 5.0, CURRENT_TIMESTAMP(), 'weather'
FROM UNNEST({CITIES}) AS city
CROSS JOIN UNNEST(GENERATE_TIMESTAMP_ARRAY(
  TIMESTAMP '2026-03-01 00:00:00+00', TIMESTAMP '2026-03-28 23:00:00+00', INTERVAL 1 HOUR)) AS hour"""


def run(image: Image, warehouse: Warehouse, name: str) -> None:
    """Run the job once and print what it took."""
    began = time.time()
    done = subprocess.run(
        [f"{image.environment}/bin/python", "main.py"],
        cwd=f"{image.root}{image.workdir}",
        env=warehouse.environment | {"RUN_ID": name, "RUN_DATE": "2026-03-28"},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.time() - began
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    times = [began, *(datetime.fromisoformat(entry["timestamp"]).timestamp() for entry in entries)]
    nodes = [entry["message"] for entry in entries if " OK created " in entry["message"]]
    start, first_node, last = times[1], times[2], times[-1]
    longest = max(float(node.rpartition(" in ")[2].rstrip("s]")) for node in nodes)
    print(
        f"{name:>12}: {seconds:5.1f} s  = until the step begins {start - began:.1f} + import dbt, parse, first model "
        f"{first_node - start:.1f} + the other models and tests {last - first_node:.1f} + exit "
        f"{began + seconds - last:.1f}; longest model {longest:.1f} s; {entries[-1]['message']}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What the dbt job costs")
    parser.add_argument("--trips", type=int, default=100_000)
    parser.add_argument("--changed", type=int, default=1_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), FIRST_PORT) as warehouse:
        warehouse.reset()
        image = build(PROJECT_ROOT, PROJECT_ROOT / "jobs" / "dbt" / "Dockerfile", Path(folder) / "images")
        for sql in (CUSTOMERS, WEATHER, trips(1, arguments.trips, "INSERT", 1)):
            warehouse.client.query(sql).result()
        run(image, warehouse, "first")
        run(image, warehouse, "no change")
        changed = trips(arguments.trips // 2, arguments.changed, "UPDATE-INSERT", 2)
        warehouse.client.query(changed.replace("MOD(id, 20)", "1 + MOD(id, 20)")).result()
        run(image, warehouse, f"{arguments.changed} changed")


if __name__ == "__main__":
    main()
