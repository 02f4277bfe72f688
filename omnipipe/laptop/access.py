"""Ways into the running laptop cloud for the command and for tests: queries, the database, a daily run."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import requests

from omnipipe.laptop import lifecycle, workloads
from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.services.bigquery.client import query
from omnipipe.laptop.services.run.resources import JOB
from omnipipe.laptop.services.secretmanager import resources as secretmanager
from omnipipe.laptop.services.workflows.resources import WORKFLOW

# A run that is cancelled cannot write its own end.
_CUT_OFF = """
    UPDATE ops.pipeline_runs
    SET status = 'interrupted', finished_at = CURRENT_TIMESTAMP(), error = 'cancelled by Ctrl-C'
    WHERE run_id = @run_id AND status = 'running'
"""
PROBE = "probe"


def running_cloud() -> Cloud:
    """The laptop cloud of this home, with every process running.

    Raises LaptopError when one is missing.
    """
    cloud = Cloud.current()
    require_whole(cloud)
    return cloud


def require_whole(cloud: Cloud) -> None:
    """Raise LaptopError, naming it, when a process of a cloud is not running."""
    if missing := lifecycle.missing_processes(cloud):
        raise LaptopError(f"not running: {', '.join(missing)}. `omnipipe up` brings it back")


def connection_string(cloud: Cloud) -> str:
    """How the application that owns customers and trips connects to its database.

    Raises LaptopError when the program registers no database.
    """
    from psycopg.conninfo import make_conninfo

    for job in cloud.registry.of_type(JOB):
        # The job that makes the application's login is told all that it takes.
        variables = {
            entry["name"]: entry for entry in job.inputs["template"]["template"]["containers"][0].get("envs") or []
        }
        if {"APP_USER", "APP_PASSWORD"} <= variables.keys():
            secret = variables["APP_PASSWORD"]["valueSource"]["secretKeyRef"]
            return make_conninfo(
                host=variables["PGHOST"]["value"],
                port=variables["PGPORT"]["value"],
                dbname=variables["PGDATABASE"]["value"],
                user=variables["APP_USER"]["value"],
                password=secretmanager.read(cloud, secret["secret"], secret["version"]),
            )
    raise LaptopError("the program registers no database for the application: run `omnipipe up`")


def log_position(cloud: Cloud) -> str:
    """Where the database's write-ahead log ends now, in PostgreSQL's notation.

    Raises LaptopError when the database does not answer.
    """
    import psycopg

    try:
        with psycopg.connect(connection_string(cloud), autocommit=True) as connection:
            return connection.execute("SELECT pg_current_wal_lsn()::text").fetchall()[0][0]
    except psycopg.OperationalError as error:
        raise LaptopError("the database does not answer: `omnipipe up` brings it back") from error


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while a run went on: the text says what was stopped, and what goes on."""


def run_daily(
    cloud: Cloud, run_date: str | None, on_step: Callable[[str, str], None], full_refresh: str | None = None
) -> dict[str, Any]:
    """Start the daily workflow through the Workflows API and follow it to its end; returns the execution.

    ``on_step`` is told which step runs, and the last that it wrote; ``full_refresh`` is a model, or ``*``. Ctrl-C
    cancels the execution, records that, and raises Interrupted.

    Raises LaptopError when a process of the laptop cloud ends on the way.
    """
    given = {"run_date": run_date, "full_refresh": full_refresh}
    started = _start(cloud, {name: value for name, value in given.items() if value})
    name, execution = started["name"], started
    steps = workloads.steps(cloud)
    step, since = "", time.time()
    try:
        for execution in _followed(cloud, started):
            current = execution["status"]["currentSteps"]
            if current and current[0]["step"] != step:
                step, since = current[0]["step"], time.time()
            if step:
                on_step(step, _said(cloud, steps[step].inputs["name"], since) if step in steps else "")
    except (KeyboardInterrupt, LaptopError) as cause:
        with suppress(LaptopError):  # the service that would cancel may be the one that is gone
            _call(cloud, "POST", f"{name}:cancel")
        run_id = name.rpartition("/")[2]
        if isinstance(cause, KeyboardInterrupt):
            with suppress(LaptopError):
                query(cloud, _CUT_OFF, run_id=run_id)
            began = f"The step {step} had begun, and ends by itself; nothing" if step in steps else "Nothing"
            raise Interrupted(f"The run {run_id} was cancelled. {began} after it is started.") from None
        raise
    return execution


def replay(cloud: Cloud, wanted: str | list[str]) -> dict[str, Any]:
    """Have reverse sync send dead letters again: of these ids, or ``"all"``. Returns its answer.

    The workflow is asked, as on Google: the function takes no calls from outside. Raises LaptopError with the
    function's words when it does not send them.
    """
    *_, execution = _followed(cloud, _start(cloud, {"replay": wanted}))
    if execution["state"] != "SUCCEEDED":
        failure = json.loads(execution["error"]["payload"])
        raise LaptopError(str(failure.get("message", failure)))
    return json.loads(execution["result"])


def _start(cloud: Cloud, argument: dict[str, Any]) -> dict[str, Any]:
    """Start the workflow through the Workflows API; returns the execution."""
    workflows = cloud.registry.of_type(WORKFLOW)
    if not workflows:
        raise LaptopError("the program registers no workflow: run `omnipipe up`")
    return _call(cloud, "POST", f"{workflows[0].id}/executions", {"argument": json.dumps(argument)})


def _followed(cloud: Cloud, execution: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The execution as it is, and each time that it is looked at, until it has ended.

    Raises LaptopError when a process of the laptop cloud ends on the way: clients wait minutes for one that is gone.
    """
    yield execution
    checked = time.monotonic()
    while execution["state"] == "ACTIVE":
        time.sleep(0.1)
        if time.monotonic() - checked > 1:
            require_whole(cloud)
            checked = time.monotonic()
        execution = _call(cloud, "GET", execution["name"])
        yield execution


def run_step(cloud: Cloud, step: str, run_date: str | None) -> tuple[str, str | None]:
    """Start one step of the day as the workflow would, with a run id of its own.

    Returns that id, and why the step failed, or None. Raises LaptopError, with those that there are, for no step.
    """
    steps = workloads.steps(cloud)
    if step not in steps:
        raise LaptopError(f"the day has no step {step!r}: choose one of {', '.join(steps)}")
    run_id, day = str(uuid.uuid4()), run_date or datetime.now(UTC).date().isoformat()
    resource = steps[step]
    if resource.type == JOB:
        failure = cloud.run_job(resource.id, {"RUN_ID": run_id, "RUN_DATE": day})
        return run_id, failure and cloud.processes.last_words(resource.inputs["name"])
    url = resource.outputs["serviceConfig"]["uri"]
    # As the workflow's account: the function takes no calls from outside.
    account = cloud.registry.of_type(WORKFLOW)[0].inputs["serviceAccount"].rpartition("/")[2]
    headers = {"Authorization": f"Bearer {cloud.tokens.issue(account, url)}"}
    answer = requests.post(url, json={"run_id": run_id, "run_date": day}, headers=headers, timeout=600)
    if answer.ok:
        return run_id, None
    try:
        return run_id, str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return run_id, f"it answered {answer.status_code}: {answer.text[:500]}"


def _said(cloud: Cloud, name: str, since: float) -> str:
    """The last line that a step has written since a moment, or nothing."""
    with suppress(FileNotFoundError):
        if cloud.home.log_file(name).stat().st_mtime >= since:
            return cloud.processes.last_words(name)
    return ""


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
