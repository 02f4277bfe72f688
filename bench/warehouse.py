"""A warehouse for a program that is measured or tested: a real emulator, and credentials as a workload finds them."""

import json
import os
import subprocess
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from omnipipe.contracts.schema import Table
from omnipipe.contracts.tables import DATASETS, DATASTREAM_TABLES, DECLARED_TABLES
from omnipipe.laptop.services.bigquery import emulator as laptop
from omnipipe.runtime import warehouse

PROJECT = "omnipipe-test"
POLICY_TAG_HIGH = "projects/p/locations/eu/taxonomies/1/policyTags/2"


class _Metadata(BaseHTTPRequestHandler):
    """As much of a metadata server as application default credentials ask for."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.endswith("/token"):
            answer = json.dumps({"access_token": "test", "expires_in": 3600, "token_type": "Bearer"})
        elif path.endswith("/service-accounts/default/"):
            # Without an address: with one, the client would look up its regional limits at Google.
            answer = json.dumps({"aliases": ["default"], "email": "default", "scopes": []})
        else:
            answer = PROJECT if path.endswith("/project-id") else "googleapis.com"
        self.send_response(200)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Type", "application/json" if answer.startswith("{") else "application/text")
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Not on the test's output."""


class Warehouse:
    """A running BigQuery. ``environment`` is what a program that is to use it gets."""

    def __init__(self, address: str, metadata: str) -> None:
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("GOOGLE_", "DBT_"))},
            "BIGQUERY_EMULATOR_HOST": address,
            "BIGQUERY_LOCATION": "EU",
            "GCE_METADATA_HOST": metadata,
            "GCE_METADATA_IP": metadata,
            "GCE_METADATA_ROOT": metadata,
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "PII_POLICY_TAG_HIGH": POLICY_TAG_HIGH,
        }
        self.client = bigquery.Client(
            PROJECT, AnonymousCredentials(), client_options={"api_endpoint": address}, location="EU"
        )

    def reset(self) -> None:
        """Drop every table, then make those that Datastream and the program make, empty."""
        for dataset in DATASETS:
            self.client.delete_dataset(dataset, delete_contents=True, not_found_ok=True)
            self.client.create_dataset(dataset)
        for table in (*DATASTREAM_TABLES, *DECLARED_TABLES):
            self.create(table)

    def create(self, table: Table) -> None:
        """Make a declared table, empty."""
        schema = [bigquery.SchemaField.from_api_repr(field) for field in table.schema()]
        self.client.create_table(bigquery.Table(f"{PROJECT}.{table.id}", schema=schema), exists_ok=True)

    def insert(self, table: Table, rows: Iterable[Any]) -> None:
        """Append rows of a declared table."""
        warehouse.insert(self.client, table, rows)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return [tuple(row.values()) for row in self.client.query(sql).result()]

    def contents(self, table: str, *, without: tuple[str, ...] = ()) -> list[tuple[Any, ...]]:
        """All rows of a table, sorted, leaving out some columns."""
        columns = [field.name for field in self.client.get_table(f"{PROJECT}.{table}").schema]
        chosen = ", ".join(column for column in columns if column not in without)
        return sorted(self.rows(f"SELECT {chosen} FROM {table}"), key=repr)


@contextmanager
def emulator(folder: Path, port: int) -> Iterator[str]:
    """Run the laptop's BigQuery, its data and its log in ``folder``, and yield its address."""
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(laptop.argv(folder / "data", port, PROJECT), stdout=log, stderr=log)
    try:
        laptop.wait_ready(port, 30)
        yield f"http://{laptop.HOST}:{port}"
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def running(folder: Path, port: int) -> Iterator[Warehouse]:
    """Run an emulator with its data in ``folder``, and a metadata server."""
    metadata = ThreadingHTTPServer(("127.0.0.1", 0), _Metadata)
    threading.Thread(target=metadata.serve_forever, daemon=True).start()
    try:
        with emulator(folder, port) as address:
            yield Warehouse(address, f"127.0.0.1:{metadata.server_address[1]}")
    finally:
        metadata.shutdown()
