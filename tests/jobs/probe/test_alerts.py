"""Each figure of the probe, from real databases through its real log, makes its alert fire, or does not."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import main  # pyright: ignore[reportMissingImports] - conftest.py says where
import psycopg
import pytest
from google.cloud import bigquery

from components.monitoring_alerts import Figure
from components.platform.figures import FIGURES, HEARTBEAT, SILENCE
from omnipipe.contracts.tables import (
    DEAD_LETTERS,
    KPIS,
    PIPELINE_RUNS,
    REVERSE_SYNC_DELIVERIES,
    REVERSE_SYNC_STATE,
    VALIDATION_RESULTS,
    DeadLetter,
)
from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.logs import sources
from omnipipe.laptop.services.monitoring import alerts
from omnipipe.laptop.services.sql.postgres import Postgres
from omnipipe.runtime import log, warehouse
from tests.jobs.probe.rows import NOW, check, delivery, hours_ago, run, tried_until
from tests.laptop.services.monitoring.watched import firing, state, watch

# What a test cannot bring about in full size, it brings about in small.
SMALL = {
    "slot_wal_bytes": 1_000_000,
    "capture_lag_bytes": 1_000_000,
    "slot_idle_hours": 0.0015,  # 5.4 s: longer than a measurement takes on a machine that is busy
    "undelivered_rows": 3,
}
TITLES = {figure.name: figure.title for figure in FIGURES}


class World:
    """The databases that the probe measures."""

    def __init__(self, client: bigquery.Client, postgres: Postgres, database: str) -> None:
        self.client, self._dsn, self._slot = client, postgres.admin_dsn(database), f"slot_{database}"
        self.now = NOW

    def kpis(self, count: int, hours: float) -> None:
        """KPI rows that changed some hours ago."""
        at = hours_ago(hours).isoformat()
        rows = ", ".join(
            f"('Berlin', DATE '2026-06-{day:02}', 1, 1, 1, 0, 0, 'x', TIMESTAMP '{at}')"
            for day in range(1, count + 1)
        )
        self.client.query_and_wait(
            f"INSERT INTO {KPIS.id}"
            f" (city, day, trips, riders, revenue, trips_wet, trips_dry, content_hash, updated_at) VALUES {rows}"
        )

    def delivered(self, day: int, status: str) -> None:
        """What became of the message of a day, which changed before the watermark."""
        warehouse.insert(self.client, REVERSE_SYNC_DELIVERIES, [delivery(f"Berlin/2026-06-{day:02}", status, 1)])
        warehouse.insert(self.client, REVERSE_SYNC_STATE, [tried_until(0)])

    def checks(self, severity: str, status: str) -> None:
        """A run that was validated, with one check."""
        warehouse.insert(self.client, VALIDATION_RESULTS, [check("run", "a", severity, status, 1)])

    def dead_letter(self, hours: float) -> None:
        """Something was given up some hours ago."""
        at = hours_ago(hours)
        letter = DeadLetter(dead_letter_id="1", origin="cdc", payload="{}", reason="", run_id=None, recorded_at=at)
        warehouse.insert(self.client, DEAD_LETTERS, [letter])

    def succeeded(self, hours: float) -> None:
        """The pipeline succeeded some hours ago."""
        warehouse.insert(self.client, PIPELINE_RUNS, [run("succeeded", hours)])

    def captured(self, hours: float) -> None:
        """Capture has made a table, and as much time has passed since."""
        self.client.query_and_wait("CREATE TABLE raw.public_trips (trip_id INT64)")
        self.now = datetime.now(UTC) + timedelta(hours=hours)
        self.succeeded(-hours)

    def fetched(self, hours: float) -> None:
        """The weather was fetched some hours ago: the table was made then."""
        self.now = datetime.now(UTC) + timedelta(hours=hours)
        self.succeeded(-hours)

    def slot(self, *, filled: bool, idle_s: float) -> None:
        """A slot that nobody reads, and perhaps two megabytes of changes since."""
        with psycopg.connect(self._dsn, autocommit=True) as admin:
            admin.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [self._slot])
            if filled:
                admin.execute("CREATE TABLE filler AS SELECT repeat('x', 1000) FROM generate_series(1, 2000)")
        time.sleep(idle_s)


@pytest.fixture
def world(probe: None, client: bigquery.Client, postgres: Postgres, database: str) -> Iterator[World]:
    made = World(client, postgres, database)
    yield made
    client.delete_table("raw.public_trips", not_found_ok=True)


# By figure: what makes its alert fire, and what is just not enough.
CASES: dict[str, tuple[Callable[[World], None], Callable[[World], None]]] = {
    "hours_since_success": (lambda w: w.succeeded(26.1), lambda w: w.succeeded(25.9)),
    "slot_wal_bytes": (lambda w: w.slot(filled=True, idle_s=0), lambda w: w.slot(filled=False, idle_s=0)),
    "capture_lag_bytes": (lambda w: w.slot(filled=True, idle_s=0), lambda w: w.slot(filled=False, idle_s=0)),
    "slot_idle_hours": (lambda w: w.slot(filled=False, idle_s=6), lambda w: w.slot(filled=False, idle_s=0)),
    "mobility_age_hours": (lambda w: w.captured(24.1), lambda w: w.captured(23.9)),
    "weather_age_hours": (lambda w: w.fetched(26.1), lambda w: w.fetched(25.9)),
    "failed_error_checks": (lambda w: w.checks("error", "failed"), lambda w: w.checks("error", "passed")),
    "failed_warn_checks": (lambda w: w.checks("warn", "failed"), lambda w: w.checks("warn", "passed")),
    "dead_letters": (lambda w: w.dead_letter(23), lambda w: w.dead_letter(25)),
    "undelivered_rows": (lambda w: w.kpis(3, 1), lambda w: w.kpis(2, 1)),
    "undelivered_hours": (
        lambda w: (w.kpis(1, 6.1), w.delivered(1, "failed"))[0],
        lambda w: (w.kpis(1, 6.1), w.delivered(1, "sent"))[0],
    ),
}


@pytest.fixture
def measure(world: World, cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> Callable[[], None]:
    """Measure the world into the log of the job."""
    watch(cloud, SMALL)

    def measured() -> None:
        log.configure("probe")
        capsys.readouterr()
        assert main.measure(world.now)
        with cloud.home.log_file("probe").open("a") as file:
            file.write(capsys.readouterr().out)

    return measured


def test_the_probe_logs_exactly_the_figures_that_are_declared(
    world: World, measure: Callable[[], None], cloud: Cloud
) -> None:
    world.captured(0)
    world.slot(filled=False, idle_s=0)
    measure()
    lines = cloud.home.log_file("probe").read_text()
    logged = {part.split('"')[0] for part in lines.split('"figure": "')[1:]}
    assert logged == {figure.name for figure in FIGURES} | {HEARTBEAT}
    assert set(CASES) == {figure.name for figure in FIGURES}


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_a_figure_at_its_threshold_fires(
    world: World, measure: Callable[[], None], cloud: Cloud, figure: Figure
) -> None:
    assert state(cloud, figure.title) == alerts.NO_DATA
    CASES[figure.name][0](world)
    measure()
    assert state(cloud, figure.title) == alerts.FIRING


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_a_figure_below_its_threshold_does_not(
    world: World, measure: Callable[[], None], cloud: Cloud, figure: Figure
) -> None:
    CASES[figure.name][1](world)
    measure()
    assert state(cloud, figure.title) == alerts.OK


def test_an_alert_ends_when_what_it_is_about_is_over(
    world: World, measure: Callable[[], None], cloud: Cloud
) -> None:
    world.succeeded(30)
    measure()
    assert firing(cloud) == {"No successful run"}
    (alert,) = (found for found in alerts.evaluate(cloud, sources(cloud)) if found.state == alerts.FIRING)
    assert (alert.subject, alert.severity) == ("daily", "CRITICAL")
    assert alert.value == pytest.approx(30, abs=0.1)
    assert alert.since is not None
    world.succeeded(0.1)
    measure()
    later = datetime.now(UTC) + timedelta(minutes=29)  # the first measurement has left the window
    assert "No successful run" in firing(cloud, later)
    assert firing(cloud, later + timedelta(minutes=2)) == set()


def test_a_silent_probe_fires_after_an_hour_and_only_if_it_ever_spoke(
    measure: Callable[[], None], cloud: Cloud
) -> None:
    now = datetime.now(UTC)
    assert state(cloud, SILENCE.title) == alerts.NO_DATA
    measure()
    assert state(cloud, SILENCE.title, now + timedelta(minutes=59)) == alerts.OK
    assert state(cloud, SILENCE.title, now + timedelta(minutes=62)) == alerts.FIRING
