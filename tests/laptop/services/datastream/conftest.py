"""A stream of its own for each test: database, publication, slot, dataset and worker process."""

import itertools
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from google.cloud import bigquery
from psycopg import sql
from psycopg.conninfo import make_conninfo

from omnipipe.contracts.tables import DEAD_LETTERS
from tests.laptop.conftest import PROJECT, Emulator, RunningPostgres
from tests.laptop.services.datastream.catching_up import wait_caught_up

_NUMBERS = itertools.count()
SCHEMA_SQL = Path(__file__).resolve().parents[4] / "seed" / "schema.sql"


class Pipeline:
    """A database, a dataset, and the worker between them."""

    def __init__(self, name: str, postgres: RunningPostgres, emulator: Emulator, folder: Path) -> None:
        self.name, self.postgres, self.emulator = name, postgres, emulator
        self.state_dir = folder / "state"
        self._folder = folder
        self.log = folder / "worker.log"
        self.process: subprocess.Popen[bytes] | None = None
        postgres.ensure_user("app", "app")
        with psycopg.connect(postgres.admin_dsn("postgres"), autocommit=True) as admin:
            admin.execute("ALTER ROLE app REPLICATION")
        postgres.ensure_database(name)
        self.stream: dict[str, Any] = {
            "streamId": name,
            "desiredState": "RUNNING",
            "sourceConfig": {"postgresqlSourceConfig": {"publication": "changes", "replicationSlot": name}},
            "destinationConfig": {
                "bigqueryDestinationConfig": {
                    "appendOnly": {},
                    "dataFreshness": "900s",
                    "singleTargetDataset": {"datasetId": f"{PROJECT}:{name}"},
                }
            },
            "backfillAll": {},
        }
        self.profile = {
            "postgresqlProfile": {
                "hostname": str(postgres.socket_dir),
                "port": 5432,
                "username": "app",
                "password": "app",
                "database": name,
            }
        }
        self.emulator.client.create_dataset(name)

    def connect(self) -> psycopg.Connection:
        """An ordinary user's connection to the source."""
        return psycopg.connect(
            make_conninfo(host=str(self.postgres.socket_dir), user="app", password="app", dbname=self.name),
            autocommit=True,
        )

    def execute(self, *statements: str) -> None:
        """Run statements, each in a transaction of its own."""
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def publish(self, tables: str, *ddl: str) -> None:
        """Make tables, the publication of some, and the slot."""
        self.execute(
            *ddl,
            f"CREATE PUBLICATION changes FOR TABLE {tables}",
            f"SELECT pg_create_logical_replication_slot('{self.name}', 'pgoutput')",
        )

    def write_config(self) -> Path:
        """The worker's configuration, as the laptop cloud writes it."""
        path = self._folder / "config.json"
        config = {
            "stream": self.stream,
            "source_profile": self.profile,
            "destination_profile": {"bigqueryProfile": {}},
            "bigquery_endpoint": self.emulator.endpoint,
            "project": PROJECT,
            "token_key": str(self.state_dir.parent / "token-key"),
            "state_dir": str(self.state_dir),
            "dead_letters": DEAD_LETTERS.id,
        }
        path.write_text(json.dumps(config))
        return path

    def start(self) -> None:
        """Start the worker."""
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "omnipipe.laptop.services.datastream", str(self.write_config())]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self) -> None:
        """Kill the worker."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Stop the worker cleanly; its exit code."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def refusal(self) -> list[str]:
        """Start a worker that must refuse; the lines that it says why with."""
        self.start()
        assert self.process
        assert self.process.wait(20) == 1, self.log.read_text()
        return [line["message"] for line in self.logged() if line["severity"] == "ERROR"]

    def logged(self) -> list[dict[str, Any]]:
        """The worker's log: nothing but JSON lines."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def wait_logged(self, text: str, times: int = 1) -> None:
        """Wait until the worker has logged something so many times."""
        deadline = time.monotonic() + 20
        while sum(text in line["message"] for line in self.logged()) < times:
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def catch_up(self, timeout_s: float = 30) -> None:
        """Wait until all that is committed now is in BigQuery."""
        with self.connect() as connection:
            row = connection.execute("SELECT pg_current_wal_lsn()::text").fetchone()
        assert row
        assert self.process
        assert self.process.poll() is None, self.log.read_text()
        wait_caught_up(self.state_dir, row[0], timeout_s)

    def rows(self, query: str) -> list[tuple]:
        """Rows of BigQuery; a table is named ``{t.NAME}``."""
        return self.emulator.rows(re.sub(r"\{(\w+)\}", rf"`{self.name}.\1`", query))

    def changes(self, table: str, columns: str) -> list[tuple]:
        """The change types and some columns of a table, in the changes' order."""
        return self.rows(
            f"SELECT datastream_metadata.change_type, {columns} FROM {{{table}}}"
            " ORDER BY datastream_metadata.change_sequence_number"
        )

    def close(self) -> None:
        """Leave nothing that keeps the server's log."""
        if self.process and self.process.poll() is None:
            self.kill()
        with psycopg.connect(self.postgres.admin_dsn("postgres"), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots"
                " WHERE slot_name = %s AND active",
                [self.name],
            )
            connection.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s",
                [self.name],
            )
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(self.name)))


@pytest.fixture
def pipeline(
    request: pytest.FixtureRequest, postgres: RunningPostgres, emulated: Emulator, tmp_path: Path
) -> Iterator[Pipeline]:
    """A pipeline that is not started."""
    name = f"s{next(_NUMBERS)}_" + re.sub(r"\W", "_", request.node.name)[:45].lower()
    made = Pipeline(name, postgres, emulated, tmp_path)
    yield made
    made.close()


@pytest.fixture
def dead_letters(emulated: Emulator) -> None:
    """The table of dead letters, as the program declares it."""
    emulated.client.create_dataset(DEAD_LETTERS.dataset, exists_ok=True)
    schema = [bigquery.SchemaField.from_api_repr(field) for field in DEAD_LETTERS.schema()]
    emulated.client.create_table(bigquery.Table(f"{PROJECT}.{DEAD_LETTERS.id}", schema), exists_ok=True)
