"""A real BigQuery emulator process for tests, with the tables that the program declares."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
from duckdb_extensions import import_extension
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from omnipipe.contracts.schema import Table
from omnipipe.contracts.tables import DATASETS, DECLARED_TABLES, KPIS

PROJECT = "omnipipe-test"
_ARGUMENTS = ("start", "--rest-port", "0", "--grpc-port", "0", "--ephemeral", "--log-format", "json")
TABLES = (*DECLARED_TABLES, KPIS)


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Run the emulator, its data in memory and its log in ``folder``, and yield its address."""
    with duckdb.connect() as connection:
        import_extension("spatial", con=connection)
    log = folder / "bqemulator.log"
    program = Path(sys.executable).with_name("bqemulator")
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                program,
                *[
                    "start",
                    "--rest-port",
                    "0",
                    "--grpc-port",
                    "0",
                    "--ephemeral",
                    "--log-format",
                    "json",
                    "--log-level",
                    "info",
                ],
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _address(process, log)
    finally:
        process.terminate()
        process.wait(timeout=20)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_text().splitlines():
            if '"rest.listen"' in line:
                return f"http://127.0.0.1:{json.loads(line)['port']}"
        time.sleep(0.05)
    raise RuntimeError(f"the BigQuery emulator did not start:\n{log.read_text()}")


def client() -> bigquery.Client:
    """Return a client of the emulator that BIGQUERY_EMULATOR_HOST names."""
    return bigquery.Client(project=PROJECT, credentials=AnonymousCredentials())


def recreate_tables(client: bigquery.Client) -> None:
    """Leave every declared table there and empty."""
    for dataset in DATASETS:
        client.create_dataset(dataset, exists_ok=True)
    for table in TABLES:
        client.delete_table(table.id, not_found_ok=True)
        client.create_table(_resource(table))


def _resource(table: Table) -> bigquery.Table:
    schema = [bigquery.SchemaField.from_api_repr(field) for field in table.schema()]
    return bigquery.Table(f"{PROJECT}.{table.id}", schema=schema)


def rows(client: bigquery.Client, sql: str) -> list[dict[str, Any]]:
    """Return the rows of a query as dictionaries."""
    return [dict(row) for row in client.query_and_wait(sql)]
