"""Ways into the running laptop cloud for the command and for tests: queries, the database, a daily run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
import requests
from psycopg.conninfo import make_conninfo

from omnipipe.laptop import lifecycle
from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.datastream.status import StillBehind, wait_caught_up
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.home import current
from omnipipe.laptop.services import datastream, sql
from omnipipe.laptop.services.run import JOB
from omnipipe.laptop.services.workflows import WORKFLOW

APP_USER = "mobility_app"
PROBE = "probe"


def current_cloud() -> Cloud:
    """The laptop cloud of this home, up or not.

    Raises LaptopError when there was none.
    """
    home = current()
    if home is None:
        raise LaptopError("there is no laptop cloud yet: run `omnipipe up`")
    return Cloud.open(home)


def running_cloud() -> Cloud:
    """The laptop cloud of this home, with every process running.

    Raises LaptopError when one is missing.
    """
    cloud = current_cloud()
    require_whole(cloud)
    return cloud


def require_whole(cloud: Cloud) -> None:
    """Raise LaptopError, naming it, when a process of a cloud is not running."""
    if missing := lifecycle.missing_processes(cloud):
        raise LaptopError(f"not running: {', '.join(missing)}. `omnipipe up` brings it back")


def query(cloud: Cloud, statement: str, **parameters: str) -> tuple[list[str], list[list[Any]]]:
    """Run a statement in BigQuery, with text parameters; returns the columns' names and the rows.

    Raises LaptopError with BigQuery's words when it refuses.
    """
    from google.api_core.exceptions import GoogleAPICallError
    from google.api_core.retry import Retry
    from google.cloud import bigquery

    from omnipipe.laptop.iam.credentials import LocalCredentials
    from omnipipe.laptop.iam.tokens import OWNER

    if "bigquery" not in cloud.processes.running():
        raise LaptopError("BigQuery is not running: run `omnipipe up`")
    client = bigquery.Client(
        cloud.project,
        credentials=LocalCredentials(cloud.tokens, OWNER),
        client_options={"api_endpoint": cloud.bigquery_url},
    )
    try:
        given = [bigquery.ScalarQueryParameter(name, "STRING", value) for name, value in parameters.items()]
        # No retries: on this machine an error is an answer.
        never = Retry(predicate=lambda _: False)
        config = bigquery.QueryJobConfig(query_parameters=given)
        # Not query_and_wait: the emulator answers a failed statement there with no rows and no error.
        result = client.query(statement, job_config=config, retry=never, job_retry=never).result(retry=never)
    except GoogleAPICallError as error:
        reason = error.errors[0]["message"] if error.errors else str(error.message)
        raise LaptopError(f"BigQuery refused the query: {reason.splitlines()[0]}") from error
    except requests.ConnectionError as error:
        raise LaptopError("BigQuery does not answer: `omnipipe up` brings it back") from error
    return [field.name for field in result.schema], [list(row.values()) for row in result]


def connection_string(cloud: Cloud) -> str:
    """How the application that owns customers and trips connects to its database.

    Raises LaptopError when the program registers no database.
    """
    instances, users = cloud.registry.of_type(sql.INSTANCE), cloud.registry.of_type(sql.USER)
    databases = cloud.registry.of_type("gcp:sql/database:Database")
    passwords = {user.inputs["name"]: user.inputs.get("password") for user in users}
    if not instances or not databases or APP_USER not in passwords:
        raise LaptopError("the program registers no database for the application: run `omnipipe up`")
    return make_conninfo(
        host=instances[0].outputs["pscServiceAttachmentLink"],
        port=5432,
        dbname=databases[0].inputs["name"],
        user=APP_USER,
        password=passwords[APP_USER],
    )


def log_position(cloud: Cloud) -> str:
    """Where the database's write-ahead log ends now, in PostgreSQL's notation.

    Raises LaptopError when the database does not answer.
    """
    try:
        with psycopg.connect(connection_string(cloud), autocommit=True) as connection:
            return connection.execute("SELECT pg_current_wal_lsn()::text").fetchall()[0][0]
    except psycopg.OperationalError as error:
        raise LaptopError("the database does not answer: `omnipipe up` brings it back") from error


def wait_for_streams(cloud: Cloud, timeout_s: float = 300) -> None:
    """Wait until every change that is committed now is in BigQuery.

    Raises LaptopError when a stream fails, does not get there in time, or waits for a process that is gone.
    """
    position = log_position(cloud)
    deadline = time.monotonic() + timeout_s
    for stream in cloud.registry.of_type(datastream.STREAM):
        while True:
            try:
                wait_caught_up(datastream.state_dir(cloud, stream), position, timeout_s=1)
                break
            except StillBehind:
                require_whole(cloud)
                if time.monotonic() > deadline:
                    raise


def run_daily(
    cloud: Cloud, run_date: str | None, on_step: Callable[[str], None], full_refresh: str | None = None
) -> dict[str, Any]:
    """Start the daily workflow through the Workflows API and follow it to its end; returns the execution.

    ``on_step`` is told of each step as it begins; ``full_refresh`` is a model, or ``*``. Ctrl-C cancels the execution.

    Raises LaptopError when a process of the laptop cloud ends on the way.
    """
    workflow = cloud.registry.of_type(WORKFLOW)[0]
    given = {"run_date": run_date, "full_refresh": full_refresh}
    argument = json.dumps({name: value for name, value in given.items() if value})
    execution = _call(cloud, "POST", f"{workflow.id}/executions", {"argument": argument})
    name = execution["name"]
    seen = None
    try:
        checked = time.monotonic()
        while execution["state"] == "ACTIVE":
            time.sleep(0.1)
            if time.monotonic() - checked > 1:
                require_whole(cloud)  # clients wait minutes for a service that is gone
                checked = time.monotonic()
            execution = _call(cloud, "GET", name)
            steps = execution["status"]["currentSteps"]
            if steps and steps[0]["step"] != seen:
                seen = steps[0]["step"]
                on_step(seen)
    except (KeyboardInterrupt, LaptopError):
        with suppress(LaptopError):  # the service that would cancel may be the one that is gone
            _call(cloud, "POST", f"{name}:cancel")
        raise
    return execution


def run_probe(cloud: Cloud) -> str | None:
    """Run the job that measures; returns why it failed, or None.

    Raises LaptopError when the program registers no such job.
    """
    found = [job for job in cloud.registry.of_type(JOB) if job.inputs["name"] == PROBE]
    if not found:
        raise LaptopError(f"the program registers no job {PROBE}: run `omnipipe up`")
    return cloud.run_job(found[0].id) and cloud.processes.last_words(PROBE)


def _call(cloud: Cloud, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    try:
        url = f"{cloud.google}/v1/{path}"
        answer = requests.request(method, url, json=body, headers=cloud.as_owner(), timeout=30)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise LaptopError(
            f"the laptop's Workflows service does not answer ({error}): run `omnipipe up`"
        ) from error
    return answer.json()
