"""The probe's figures against real databases, and the job as Cloud Run runs it."""

import json
import os
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import main  # pyright: ignore[reportMissingImports] - conftest.py says where
import psycopg
import pytest
from google.cloud import bigquery

from omnipipe.contracts.sources.mobility import MOBILITY
from omnipipe.contracts.sources.weather import OPEN_METEO, WEATHER
from omnipipe.contracts.tables import (
    DEAD_LETTERS,
    KPIS,
    PIPELINE_RUNS,
    PUBLIC_HEARTBEAT,
    REVERSE_SYNC_DELIVERIES,
    REVERSE_SYNC_STATE,
    VALIDATION_RESULTS,
    DeadLetter,
    PipelineRun,
)
from omnipipe.laptop.services.artifacts.image import Image
from omnipipe.laptop.services.sql.postgres import Postgres
from omnipipe.runtime import log, warehouse
from tests.jobs.probe.rows import NOW, PIPELINE, check, delivery, hours_ago, run, tried_until
from tests.jobs.unencrypted import server_without_tls


class Lines(dict[tuple[str, str], float]):
    """The figures that were logged, by name and subject; ``errors`` are the other lines."""

    def __init__(self, output: str) -> None:
        super().__init__()
        self.errors: list[dict[str, Any]] = []
        for line in map(json.loads, output.splitlines()):
            if "figure" in line:
                self[line["figure"], line["subject"]] = line["value"]
            else:
                self.errors.append(line)


@pytest.fixture
def measure(probe: None, client: bigquery.Client, capsys: pytest.CaptureFixture[str]) -> Any:
    """Measure in this process, as of a moment."""

    def measured(now: datetime = NOW) -> Lines:
        log.configure("probe")
        capsys.readouterr()
        complete = main.measure(now)
        lines = Lines(capsys.readouterr().out)
        assert complete is not bool(lines.errors)
        return lines

    return measured


def test_a_platform_on_which_nothing_happened_yet(measure: Any, client: bigquery.Client) -> None:
    made = client.get_table(PIPELINE_RUNS.id).created
    assert made
    lines = measure(made + timedelta(hours=30))
    assert lines["hours_since_success", PIPELINE] == pytest.approx(30, abs=0.01)  # so the alert fires
    assert lines["failed_error_checks", PIPELINE] == lines["failed_warn_checks", PIPELINE] == 0
    assert lines["dead_letters", DEAD_LETTERS.id] == 0
    assert lines["undelivered_rows", "webhook"] == lines["undelivered_hours", "webhook"] == 0
    assert (OPEN_METEO.figure, WEATHER.id) in lines
    assert lines["probe_seconds", "probe"] < 30
    assert not lines.errors


@pytest.mark.parametrize(
    ("runs", "hours"),
    [
        ([run("succeeded", 3)], 3),
        ([run("succeeded", 30), run("failed", 6), run("running", 0)], 30),
        ([run("succeeded", 30), run("succeeded", 6)], 6),
        ([run("failed", 50), run("failed", 2)], 50.1),  # from the begin of the first
    ],
)
def test_hours_since_the_last_success(
    measure: Any, client: bigquery.Client, runs: list[PipelineRun], hours: float
) -> None:
    other = run("succeeded", 1)
    warehouse.insert(client, PIPELINE_RUNS, [*runs, PipelineRun(**{**vars(other), "pipeline": "other"})])
    assert measure()["hours_since_success", PIPELINE] == pytest.approx(hours, abs=0.01)


def test_only_the_newest_validated_run_counts_and_each_check_as_it_ended(
    measure: Any, client: bigquery.Client
) -> None:
    warehouse.insert(
        client,
        VALIDATION_RESULTS,
        [
            check("old", "a", "error", "failed", 30),
            check("new", "a", "error", "failed", 3),
            check("new", "a", "error", "passed", 2),  # tried again
            check("new", "b", "error", "error", 2),
            check("new", "c", "warn", "failed", 2),
            check("new", "d", "warn", "failed", 2),
            check("new", "e", "warn", "passed", 2),
        ],
    )
    lines = measure()
    assert lines["failed_error_checks", PIPELINE] == 1
    assert lines["failed_warn_checks", PIPELINE] == 2


def test_dead_letters_of_the_last_day(measure: Any, client: bigquery.Client) -> None:
    letters = [
        DeadLetter(
            dead_letter_id=str(hours),
            origin="cdc",
            payload="{}",
            reason="",
            run_id=None,
            recorded_at=hours_ago(hours),
        )
        for hours in (25, 23, 1)
    ]
    warehouse.insert(client, DEAD_LETTERS, letters)
    assert measure()["dead_letters", DEAD_LETTERS.id] == 2


def changed(client: bigquery.Client, city: str, hours: float) -> str:
    """A KPI row that changed some hours ago; its key."""
    client.query_and_wait(
        f"INSERT INTO {KPIS.id} (city, day, trips, riders, revenue, trips_wet, trips_dry, content_hash, updated_at)"
        f" VALUES ('{city}', '2026-06-01', 1, 1, 1, 0, 0, 'x', TIMESTAMP '{hours_ago(hours).isoformat()}')"
    )
    return f"{city}/2026-06-01"


def test_the_backlog_is_what_was_not_sent_yet(measure: Any, client: bigquery.Client) -> None:
    keys = [changed(client, city, hours) for city, hours in (("Berlin", 10), ("Hamburg", 5), ("Vienna", 4))]
    lines = measure()
    assert lines["undelivered_rows", "webhook"] == 3
    assert lines["undelivered_hours", "webhook"] == pytest.approx(10, abs=0.01)
    warehouse.insert(client, REVERSE_SYNC_DELIVERIES, [delivery(keys[0], "sent", 3)])
    warehouse.insert(client, REVERSE_SYNC_STATE, [tried_until(10)])
    lines = measure()
    assert lines["undelivered_rows", "webhook"] == 2
    assert lines["undelivered_hours", "webhook"] == pytest.approx(5, abs=0.01)


def test_without_a_destination_nothing_waits(
    measure: Any, client: bigquery.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed(client, "Berlin", 10)
    monkeypatch.setenv("DELIVERS", "false")
    lines = measure()
    assert not [figure for figure, _ in lines if figure.startswith("undelivered")]
    assert ("dead_letters", DEAD_LETTERS.id) in lines


@pytest.mark.parametrize(
    ("became", "waits"),
    [
        (["attempting", "sent"], False),
        (["attempting", "failed"], True),
        (["attempting", "unsent"], True),
        (["attempting"], True),  # cut off: the receiver may have it, or not
        (["attempting", "sent", "attempting", "unknown"], True),
        (["attempting", "failed", "attempting", "dead"], False),  # it is a dead letter, which is another figure
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_a_row_waits_until_it_is_sent_or_given_up_also_behind_the_watermark(
    measure: Any, client: bigquery.Client, became: list[str], waits: bool
) -> None:
    key = changed(client, "Berlin", 30)
    rows = [delivery(key, status, 20 - number) for number, status in enumerate(became)]
    warehouse.insert(client, REVERSE_SYNC_DELIVERIES, rows)
    warehouse.insert(client, REVERSE_SYNC_STATE, [tried_until(1)])
    lines = measure()
    assert lines["undelivered_rows", "webhook"] == waits
    assert lines["undelivered_hours", "webhook"] == pytest.approx(30 if waits else 0, abs=0.01)


def test_without_the_table_of_kpis_nothing_waits(measure: Any, client: bigquery.Client) -> None:
    client.delete_table(KPIS.id)
    assert measure()["undelivered_rows", "webhook"] == 0


def test_the_age_of_each_source_s_tables_but_not_of_the_platform_s_own(
    measure: Any, client: bigquery.Client
) -> None:
    tables = ("raw.public_trips", PUBLIC_HEARTBEAT.id)
    for table in tables:
        client.delete_table(table, not_found_ok=True)
        client.query_and_wait(f"CREATE TABLE {table} (id INT64)")
    lines = measure(datetime.now(UTC) + timedelta(hours=5))
    for table in tables:
        client.delete_table(table)
    assert (MOBILITY.figure, PUBLIC_HEARTBEAT.id) not in lines
    assert lines[MOBILITY.figure, "raw.public_trips"] == pytest.approx(5, abs=0.05)
    assert lines[OPEN_METEO.figure, WEATHER.id] == pytest.approx(5, abs=0.05)


def test_every_logical_slot_of_the_database(measure: Any, postgres: Postgres, database: str) -> None:
    assert not [figure for figure, _ in measure() if figure.startswith(("slot", "capture_"))]
    with psycopg.connect(postgres.admin_dsn(database), autocommit=True) as admin:
        for slot in ("read", "orphan"):
            admin.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [f"{slot}_{database}"])
        admin.execute("CREATE TABLE filler AS SELECT repeat('x', 1000) FROM generate_series(1, 2000)")
    lines = measure()
    for slot in (f"read_{database}", f"orphan_{database}"):
        assert lines["slot_wal_bytes", slot] > 2_000_000
        assert 2_000_000 < lines["capture_lag_bytes", slot] <= lines["slot_wal_bytes", slot]
        assert 0 <= lines["slot_idle_hours", slot] < 0.1


def until(reached: Callable[[], bool]) -> None:
    """Wait for it."""
    deadline = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def reading(dsn: str, slot: str, position: str = "0/0") -> Iterator[psycopg.Connection]:
    """Somebody who reads a slot, of the publication `read`, from a position on."""
    active = "SELECT active FROM pg_replication_slots WHERE slot_name = %s"
    with psycopg.connect(dsn, autocommit=True) as observer:

        def is_read() -> bool:
            return observer.execute(active, [slot]).fetchone() == (True,)

        with closing(psycopg.connect(f"{dsn} replication=database", autocommit=True)) as reader:
            options = "proto_version '1', publication_names 'read'"
            reader.pgconn.send_query(f'START_REPLICATION SLOT "{slot}" LOGICAL {position} ({options})'.encode())
            until(is_read)
            reader.pgconn.get_result()  # from here on it is a conversation
            yield reader
        until(lambda: not is_read())


def test_a_slot_that_is_read_has_been_idle_for_no_time(measure: Any, postgres: Postgres, database: str) -> None:
    """A figure that stays away would keep the alert of a slot that was idle before from ending."""
    slot = f"read_{database}"
    with psycopg.connect(postgres.admin_dsn(database), autocommit=True) as admin:
        admin.execute("CREATE PUBLICATION read")
        admin.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [slot])
    with reading(postgres.admin_dsn(database), slot):
        assert measure()["slot_idle_hours", slot] == 0


def test_a_stream_that_was_left_to_another_instance_is_told(
    measure: Any, postgres: Postgres, database: str
) -> None:
    """It reads where it was: its slot has a reader, and no lag. Only its position tells."""
    slot = f"read_{database}"
    with psycopg.connect(postgres.admin_dsn(database), autocommit=True) as admin:
        admin.execute("CREATE PUBLICATION read")
        admin.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [slot])
        confirmed = (
            "SELECT confirmed_flush_lsn > pg_current_wal_lsn() FROM pg_replication_slots WHERE slot_name = %s"
        )
        with reading(postgres.admin_dsn(database), slot, "FF/0") as reader:
            position = 0xFF << 32
            # https://www.postgresql.org/docs/current/protocol-replication.html (standby status update)
            reader.pgconn.put_copy_data(struct.pack("!cqqqqb", b"r", position, position, position, 0, 0))
            reader.pgconn.flush()
            until(lambda: admin.execute(confirmed, [slot]).fetchone() == (True,))
            admin.execute("CREATE TABLE skipped AS SELECT 1 AS one")
            lines = measure()
    (problem,) = lines.errors
    assert problem["severity"] == "ERROR"  # of which the job's own alert tells
    assert (
        f"{slot}: confirmed up to a position that the log of this database has not reached" in problem["message"]
    )
    assert lines["slot_idle_hours", slot] == 0
    assert ("capture_lag_bytes", slot) not in lines


def test_a_server_without_tls_hears_neither_a_name_nor_a_token(
    measure: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server_without_tls() as server:
        monkeypatch.setenv("PGHOST", "127.0.0.1")
        monkeypatch.setenv("PGPORT", str(server.port))
        monkeypatch.setenv("PGSSLMODE", "prefer")
        (problem,) = measure().errors
    assert "server does not support SSL, but SSL was required" in problem["message"]
    assert server.asked
    assert server.heard == b""


def test_what_cannot_be_measured_is_named_and_the_rest_is_measured(
    measure: Any, client: bigquery.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOST", "/nowhere")
    client.delete_table(DEAD_LETTERS.id)
    lines = measure()
    problems = [line["message"] for line in lines.errors]
    assert [line["severity"] for line in lines.errors] == ["ERROR", "ERROR"]
    assert problems[0].startswith("not measured: runs, checks and dead letters: ")
    assert "dead_letters" in problems[0]
    assert problems[1].startswith("not measured: replication slots: ")
    assert "/nowhere" in problems[1]
    assert ("undelivered_rows", "webhook") in lines
    assert ("probe_seconds", "probe") in lines


def job(image: Image, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the job as Cloud Run does: the image's entry point, its packages and no others."""
    _, script = image.entrypoint
    return subprocess.run(
        [Path(image.environment, "bin", "python"), script],
        cwd=f"{image.root}{image.workdir}",
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_job_logs_one_line_a_figure(
    image: Image, environment: dict[str, str], client: bigquery.Client
) -> None:
    done = job(image, environment)
    assert (done.returncode, done.stderr) == (0, "")
    first = json.loads(done.stdout.splitlines()[0])
    assert first["message"].startswith(f"hours since the last successful run of {PIPELINE}: 0.0")
    assert {"severity", "message", "timestamp", "service", "figure", "subject", "value"} <= first.keys()
    assert (first["severity"], first["service"]) == ("INFO", "probe")


@pytest.mark.parametrize("name", ["BIGQUERY_LOCATION", "PIPELINE", "DELIVERS", "PGHOST", "PGDATABASE", "PGUSER"])
def test_a_missing_variable_is_named(image: Image, environment: dict[str, str], name: str) -> None:
    done = job(image, environment | {name: ""})
    assert done.returncode == 1
    line = json.loads(done.stdout)
    assert (line["severity"], line["message"]) == ("ERROR", f"{name}: not set; the job's component must give it")
