"""Whether the cost of a day's dbt run follows what changed: rows read by model, and times, over ten million trips.

    python -m bench.cost [--trips N]

Loads N trips of seed's generator into raw as one backfill, runs the job's own image once over all of them, and then for
two days on which 1 % changed: spread evenly over all keys, and the newest keys only. Each of the two comes twice: once
for the time, once to count. It ends by itself and leaves nothing behind; with ten million trips it takes some minutes,
3 GB of memory and 6 GB of disk.

Counted is each time that a statement scans a table, just before it runs:

- **named**: the rows that the conditions with literals on that table leave, so the partitions and the keys between
  which they lie. BigQuery bills these, in the columns that the statement names.
- **read**: of these, the rows that the statement's key finds, where it looks up keys; the others otherwise.
"""

import argparse
import io
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlglot
from google.cloud import bigquery
from sqlglot import exp

from bench.dbt import WEATHER
from bench.laptop import FIRST_PORT
from bench.proxy import Job, between
from bench.warehouse import Warehouse, running
from omnipipe.contracts.datastream import METADATA, METADATA_FIELD
from omnipipe.laptop.home import PROJECT_ROOT
from omnipipe.laptop.services.artifacts.image import Image
from omnipipe.laptop.services.artifacts.images import build
from omnipipe.laptop.services.datastream.table import metadata
from seed import generator

_BATCH_ROWS = 1_000_000
_COUNTED = {"raw", "staging", "prod", "analysis", "vault"}


# --- the data


def load(warehouse: Warehouse, plan: generator.Plan) -> None:
    """Load all customers and trips, each table as one backfill."""
    for table, batches in (("customers", generator.customers(plan)), ("trips", generator.trips(plan))):
        columns = [field.name for field in warehouse.client.get_table(f"raw.public_{table}").schema]
        waiting: list[pa.RecordBatch] = []
        for batch in batches:
            waiting.append(batch)
            if sum(map(len, waiting)) >= _BATCH_ROWS:
                _append(warehouse, f"raw.public_{table}", columns, waiting)
                waiting = []
        if waiting:
            _append(warehouse, f"raw.public_{table}", columns, waiting)


def _append(warehouse: Warehouse, table: str, columns: list[str], batches: list[pa.RecordBatch]) -> None:
    rows = pa.Table.from_batches(batches)
    count = len(rows)
    marks = metadata(pa.array([table] * count), [1] * count, ["a"] * count, ["INSERT"] * count)
    rows = rows.append_column(METADATA, marks).select(columns)
    body = io.BytesIO()
    pq.write_table(rows, body)
    body.seek(0)
    config = bigquery.LoadJobConfig(source_format="PARQUET", create_disposition="CREATE_NEVER")
    warehouse.client.load_table_from_file(body, table, job_config=config).result()


def change(warehouse: Warehouse, which: str, time_ms: int) -> int:
    """Let the trips that a condition finds change their fare; how many those are.

    The changes of the days before go: on Google their partitions are left out, and the emulator has no such partitions.
    """
    committed_at = METADATA_FIELD.source_timestamp
    warehouse.client.query_and_wait(f"DELETE FROM raw.public_trips WHERE {committed_at} > 1")
    names = [field.name for field in warehouse.client.get_table("raw.public_trips").schema]
    values = ", ".join("fare + 1" if name == "fare" else name for name in names if name != METADATA)
    sql = f"""
    INSERT INTO raw.public_trips
    SELECT {values},
      STRUCT(CONCAT('{time_ms}-', CAST(trip_id AS STRING)) AS uuid, {time_ms} AS source_timestamp,
        'a' AS change_sequence_number, 'UPDATE-INSERT' AS change_type, CAST([] AS ARRAY<STRING>) AS sort_keys)
    FROM raw.public_trips WHERE {committed_at} = 1 AND {which}"""
    return warehouse.client.query_and_wait(sql).num_dml_affected_rows or 0


# --- the counts


class Reads:
    """Counts what statements read, by the model that they are of."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self.named: dict[str, int] = defaultdict(int)
        self.read: dict[str, int] = defaultdict(int)

    def count(self, model: str, sql: str) -> None:
        """Count the scans of a statement that reads or merges."""
        tree = sqlglot.parse_one(sql, dialect="bigquery")
        if isinstance(tree, exp.Create) and tree.kind == "VIEW":
            return
        if isinstance(tree, exp.Merge):
            scope = {tree.this.alias_or_name, tree.args["using"].alias_or_name}
            self._scan(model, tree.this, _conjuncts(tree.args["on"]), scope, tree.args["using"])
        for select in tree.find_all(exp.Select):
            joins = select.args.get("joins") or []
            origin = select.args.get("from_") or select.args.get("from")
            sources = [source.this for source in (origin, *joins) if source]
            conditions = [part for part in (select.args.get("where"), *joins) if part]
            conjuncts = [
                conjunct
                for part in conditions
                if (condition := part.args.get("on") or (part.this if isinstance(part, exp.Where) else None))
                for conjunct in _conjuncts(condition)
            ]
            scope = {
                name for source in sources for name in (source.alias_or_name, *source.alias_column_names) if name
            }
            tables = [source for source in sources if isinstance(source, exp.Table)]
            for table in tables:
                self._scan(model, table, conjuncts, scope, alone=len(tables) == 1)

    def _scan(
        self,
        model: str,
        table: exp.Table,
        conditions: list[Any],
        scope: set[str],
        using: Any = None,
        *,
        alone: bool = False,
    ) -> None:
        if table.db not in _COUNTED or "__" in table.name:
            return  # a CTE, or a temporary table: the copy of what was counted when it was made
        name, alias = f"{table.db}.{table.name}", table.alias_or_name

        def is_own(column: exp.Column) -> bool:
            """Whether a column is the table's, and not another one's of the statement, or an unnested value."""
            if column.table in scope:
                return column.table == alias
            return alone and column.name not in scope

        own = [
            condition
            for condition in conditions
            if not condition.find(exp.Select, exp.Subquery)
            and (alone or condition.find(exp.Column))
            and all(map(is_own, condition.find_all(exp.Column)))
        ]
        # The emulator's _PARTITIONTIME is the present: it would find all rows or none.
        literal = [
            condition.sql("bigquery") for condition in own if "_partitiontime" not in condition.sql().lower()
        ]
        where = " AND ".join(f"({condition})" for condition in literal) or "TRUE"
        named = self._one(f"SELECT COUNT(*) FROM {name} AS {alias} WHERE {where}")
        read = named
        if using is not None:
            keys = " AND ".join(
                condition.sql("bigquery")
                for condition in conditions
                if {column.table for column in condition.find_all(exp.Column)} == {alias, using.alias_or_name}
            )
            source = using.sql("bigquery")
            read = self._one(
                f"SELECT COUNT(*) FROM {name} AS {alias} WHERE {where} AND EXISTS (SELECT 1 FROM {source} WHERE {keys})"
            )
        self.named[model] += named
        self.read[model] += read

    def _one(self, sql: str) -> int:
        ((count,),) = self._warehouse.rows(sql)
        return count


def _conjuncts(condition: Any) -> list[Any]:
    condition = condition.unnest()
    return list(condition.flatten()) if isinstance(condition, exp.And) else [condition]


@contextmanager
def counting(warehouse: Warehouse, reads: Reads) -> Iterator[str]:
    """BigQuery behind a proxy that has each statement of a model counted before it passes it on."""

    def hear(job: Job) -> None:
        node = job["configuration"].get("labels", {}).get("node_id", "")
        if node.startswith("model_"):
            reads.count(node.removeprefix("model_omnipipe_"), job["configuration"]["query"]["query"])

    with between(warehouse.environment["BIGQUERY_EMULATOR_HOST"], hear) as address:
        yield address


# --- the runs


def run(image: Image, warehouse: Warehouse, name: str, address: str | None = None) -> float:
    """Run the job once; the seconds that it took."""
    given = {"BIGQUERY_EMULATOR_HOST": address} if address else {}
    began = time.monotonic()
    done = subprocess.run(
        [f"{image.environment}/bin/python", "main.py"],
        cwd=f"{image.root}{image.workdir}",
        env=warehouse.environment | given | {"RUN_ID": name, "RUN_DATE": "2026-03-28"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stdout[-4000:] + done.stderr[-4000:])
    return time.monotonic() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Whether the cost of a day's dbt run follows what changed")
    parser.add_argument("--trips", type=int, default=10_000_000)
    trips = parser.parse_args().trips
    days = {
        "spread evenly": "MOD(trip_id, 100) = 7",
        "the newest only": f"trip_id > {trips - trips // 100}",
    }
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), FIRST_PORT) as warehouse:
        warehouse.reset()
        image = build(PROJECT_ROOT, PROJECT_ROOT / "jobs" / "dbt" / "Dockerfile", Path(folder) / "images")
        load(warehouse, generator.Plan(trips, date(2026, 3, 29)))
        warehouse.client.query_and_wait(WEATHER)
        first = run(image, warehouse, "first")
        print(f"first run over {trips:,} trips: {first:.1f} s", flush=True)
        nothing = run(image, warehouse, "nothing")
        print(f"nothing changed: {nothing:.1f} s, {nothing / first:.0%} of the first", flush=True)
        time_ms = 2
        for name, which in days.items():
            changed = change(warehouse, which, time_ms)
            seconds = run(image, warehouse, f"{name}, timed")
            print(
                f"{changed:,} trips changed, {name}: {seconds:.1f} s, {seconds / first:.0%} of the first",
                flush=True,
            )
            change(warehouse, which, time_ms + 1)
            time_ms += 2
            reads = Reads(warehouse)
            with counting(warehouse, reads) as address:
                run(image, warehouse, f"{name}, counted", address)
            print(f"| model | rows read | of {trips:,} | rows named |\n|---|---:|---:|---:|")
            for model in sorted(reads.read):
                share = reads.read[model] / trips
                print(f"| {model} | {reads.read[model]:,} | {share:.1%} | {reads.named[model]:,} |", flush=True)


if __name__ == "__main__":
    main()
