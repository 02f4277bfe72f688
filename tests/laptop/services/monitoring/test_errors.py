"""An error of each kind of service fires its alert and no other; what is no error fires none."""

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from flask import Flask

from omnipipe.laptop import server
from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.iam.gate import Gate
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.scheduler import clock as scheduler
from omnipipe.laptop.services.scheduler.resources import SCHEDULE
from omnipipe.laptop.services.workflows.executions import Executions
from omnipipe.laptop.services.workflows.resources import WORKFLOW
from tests.laptop.conftest import PROJECT, RunningPostgres, serving
from tests.laptop.services.monitoring.watched import SERVICES, firing, watch


def structured(file: str, level: str) -> Callable[[Cloud, RunningPostgres], None]:
    """A line of a workload, by the runtime that writes them all."""

    def write(cloud: Cloud, _: RunningPostgres) -> None:
        code = f"import logging; from omnipipe.runtime import log; log.configure('x'); logging.{level}('so it is')"
        with cloud.home.log_file(file).open("ab") as output:
            subprocess.run([sys.executable, "-c", code], stdout=output, check=True)

    return write


def execution(source: str) -> Callable[[Cloud, RunningPostgres], None]:
    """An execution of a workflow, by the laptop's Workflows."""

    def run(cloud: Cloud, _: RunningPostgres) -> None:
        account = f"daily@{PROJECT}.iam.gserviceaccount.com"
        inputs = {
            "name": "daily",
            "region": "europe-west1",
            "serviceAccount": account,
            "sourceContents": source,
        }
        gate = Gate(cloud.registry, cloud.tokens, cloud.project)
        executions = Executions(cloud, gate, dict)
        started = executions.start(Resource(WORKFLOW, "daily", inputs, id="workflows/daily"), None)
        id_ = started["name"].rpartition("/")[2]
        while (found := executions.get(id_)) and found["state"] == "ACTIVE":
            time.sleep(0.01)

    return run


def call(status: int) -> Callable[[Cloud, RunningPostgres], None]:
    """An attempt of the scheduler, at a target that answers with a status."""

    def attempt(cloud: Cloud, _: RunningPostgres) -> None:
        app = Flask("target")
        app.add_url_rule("/", "target", lambda: ("", status), methods=["POST"])
        with serving(app) as target:
            job = Resource(SCHEDULE, "daily", {"name": "daily", "httpTarget": {"uri": target}}, id="jobs/daily")
            scheduler.call(cloud, server.endpoints(cloud), job)

    return attempt


def connection(user: str) -> Callable[[Cloud, RunningPostgres], None]:
    """What Postgres logs of somebody who connects."""

    def connect(cloud: Cloud, postgres: RunningPostgres) -> None:
        postgres.ensure_user("app", "the password")
        before = postgres.log_file.stat().st_size
        try:
            with psycopg.connect(
                host=str(postgres.socket_dir), user=user, password="the password", dbname="postgres"
            ) as connection:
                connection.execute("SELECT 1 / 0")
        except psycopg.Error:
            pass
        written = postgres.log_file.read_bytes()[before:]
        assert b"division by zero" in written or b"FATAL" in written
        cloud.home.log_file("postgres-oltp").write_bytes(written)

    return connect


def text(file: str, line: str) -> Callable[[Cloud, RunningPostgres], None]:
    def write(cloud: Cloud, _: RunningPostgres) -> None:
        cloud.home.log_file(file).write_text(line)

    return write


FAILS = "main:\n  steps:\n    - stop:\n        raise: the step failed\n"
SUCCEEDS = "main:\n  steps:\n    - stop:\n        return: 1\n"
# By kind of service: what makes its alert fire, and what does not.
CASES = {
    "function weather": (structured("weather", "error"), structured("weather", "warning")),
    "job dbt": (structured("dbt", "critical"), text("dbt", "Traceback of a library, which ends well\n")),
    "job probe": (structured("probe", "error"), structured("probe", "info")),
    "workflow daily": (execution(FAILS), execution(SUCCEEDS)),
    "schedule daily": (call(404), call(200)),
    "stream cdc": (structured("datastream-cdc", "error"), structured("datastream-cdc", "warning")),
    "database oltp": (connection("a stranger"), connection("app")),
}


def test_every_service_has_a_case() -> None:
    assert set(CASES) == {f"{service.kind.name} {service.name}" for service in SERVICES}


@pytest.mark.parametrize("service", CASES)
def test_an_error_of_a_service_fires_its_alert_and_no_other(
    cloud: Cloud, postgres: RunningPostgres, service: str
) -> None:
    watch(cloud)
    assert firing(cloud) == set()
    CASES[service][0](cloud, postgres)
    assert firing(cloud) == {f"Errors of the {service}"}
    assert firing(cloud, datetime.now(UTC) + timedelta(minutes=61)) == set()


@pytest.mark.parametrize("service", CASES)
def test_what_is_no_error_fires_nothing(cloud: Cloud, postgres: RunningPostgres, service: str) -> None:
    watch(cloud)
    CASES[service][1](cloud, postgres)
    assert firing(cloud) == set()


def test_a_restart_of_the_database_is_no_error(cloud: Cloud) -> None:
    watch(cloud)
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.000 UTC")
    lines = [
        f"{now} [7] FATAL:  terminating connection due to administrator command",
        f"{now} [8] FATAL:  the database system is shutting down",
        f"{now} [9] FATAL:  the database system is starting up",
    ]
    file = Path(cloud.home.log_file("postgres-oltp"))
    file.write_text("\n".join(lines) + "\n")
    assert firing(cloud) == set()
    file.write_text(f"{now} [9] PANIC:  could not write to the log\n")
    assert firing(cloud) == {"Errors of the database oltp"}
