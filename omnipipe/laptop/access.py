"""Ways into the running laptop cloud for the command and for tests: its databases, its workflows and its jobs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import requests

from omnipipe.laptop import lifecycle, workloads
from omnipipe.laptop.cloud import GOOGLE, Cloud
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.datastream.resources import PROFILE
from omnipipe.laptop.services.run.resources import JOB
from omnipipe.laptop.services.secretmanager import resources as secretmanager


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


def login(cloud: Cloud, *, job: str, user: str, password: str) -> str:
    """The connection string of a login that a job is told to make.

    ``user`` and ``password`` are the names of its variables that say which, the password's from a secret; PGHOST,
    PGPORT and PGDATABASE say where.

    Raises LaptopError when the program registers no such job.
    """
    from psycopg.conninfo import make_conninfo

    template = workloads.job(cloud, job).inputs["template"]["template"]
    variables = {entry["name"]: entry for entry in template["containers"][0].get("envs") or []}
    try:
        secret = variables[password]["valueSource"]["secretKeyRef"]
        return make_conninfo(
            host=variables["PGHOST"]["value"],
            port=variables["PGPORT"]["value"],
            dbname=variables["PGDATABASE"]["value"],
            user=variables[user]["value"],
            password=secretmanager.read(cloud, secret["secret"], secret["version"]),
        )
    except KeyError as missing:
        raise LaptopError(f"the job {job} makes no login: it has no {missing}") from missing


def log_position(cloud: Cloud, stream: Resource) -> str:
    """Where the write-ahead log of a stream's source ends now, in PostgreSQL's notation.

    Raises LaptopError when the database does not answer.
    """
    import psycopg

    source = cloud.registry.find(PROFILE, stream.inputs["sourceConfig"]["sourceConnectionProfile"])
    server = source.inputs["postgresqlProfile"]
    try:
        with psycopg.connect(
            host=server["hostname"],
            port=int(server.get("port", 5432)),
            user=server["username"],
            password=server["password"],
            dbname=server["database"],
            autocommit=True,
        ) as connection:
            return connection.execute("SELECT pg_current_wal_lsn()::text").fetchall()[0][0]
    except psycopg.OperationalError as error:
        raise LaptopError("the database does not answer: `omnipipe up` brings it back") from error


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while a run went on: the text says what was stopped, and what goes on; ``run_id`` which run it was."""

    def __init__(self, text: str, run_id: str) -> None:
        super().__init__(text)
        self.run_id = run_id


def run_workflow(
    cloud: Cloud,
    name: str,
    argument: Mapping[str, Any],
    on_step: Callable[[str, str], None] = lambda *_: None,
) -> dict[str, Any]:
    """Start a workflow through the Workflows API and follow it to its end; returns the execution.

    ``on_step`` is told which step runs, and the last that it wrote. Ctrl-C cancels the execution and raises
    Interrupted.

    Raises LaptopError for no workflow, and when a process of the laptop cloud ends on the way.
    """
    workflow = workloads.workflow(cloud, name)
    started = _call(cloud, "POST", f"{workflow.id}/executions", {"argument": json.dumps(argument)})
    execution = started
    steps = workloads.steps(cloud, workflow)
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
            _call(cloud, "POST", f"{started['name']}:cancel")
        if isinstance(cause, KeyboardInterrupt):
            run_id = started["name"].rpartition("/")[2]
            began = f"The step {step} had begun, and ends by itself; nothing" if step in steps else "Nothing"
            raise Interrupted(f"The run {run_id} was cancelled. {began} after it is started.", run_id) from None
        raise
    return execution


def answer_of(execution: Mapping[str, Any]) -> Any:
    """What an execution of a workflow has returned. Raises LaptopError, with its words, for one that failed."""
    if execution["state"] == "SUCCEEDED":
        return json.loads(execution.get("result", "null"))
    raise LaptopError(failure_of(execution))


def failure_of(execution: Mapping[str, Any]) -> str:
    """Why an execution of a workflow failed, in its own words."""
    failure = raised_by(execution)
    return str(failure.get("message", failure))


def raised_by(execution: Mapping[str, Any]) -> dict[str, Any]:
    """What an execution of a workflow that failed has raised. One that was cancelled has no words of its own."""
    payload = execution.get("error", {}).get("payload")
    if payload is None:
        return {"message": f"the execution is {execution['state']}"}
    try:
        said = json.loads(payload)
    except ValueError:  # a text of Workflows' own
        said = payload
    return said if isinstance(said, dict) else {"message": str(said)}


def run_job(cloud: Cloud, name: str, environment: Mapping[str, str] | None = None) -> str | None:
    """Execute a Cloud Run job; returns None, or the last that it wrote when it failed.

    ``environment`` is added to the job's own. Raises LaptopError, with those that there are, for no job.
    """
    job = workloads.job(cloud, name)
    if GOOGLE not in cloud.processes.running():  # a job needs no other: `migrate` mends what a stream ended of
        require_whole(cloud)
    with _naming_what_is_gone(cloud):
        failure = cloud.run_job(job.id, environment)
    return failure and cloud.processes.last_words(name)


def run_step(
    cloud: Cloud, workflow: str, step: str, body: Mapping[str, Any], environment: Mapping[str, str]
) -> str | None:
    """Start one step of a workflow as it would: a function with ``body``, a job with ``environment``.

    Returns why it failed, or None. Raises LaptopError, with those that there are, for no step.
    """
    started_by = workloads.workflow(cloud, workflow)
    steps = workloads.steps(cloud, started_by)
    if step not in steps:
        raise LaptopError(f"the workflow {workflow} has no step {step!r}: choose one of {', '.join(steps)}")
    resource = steps[step]
    if resource.type == JOB:
        return run_job(cloud, resource.inputs["name"], environment)
    url = resource.outputs["serviceConfig"]["uri"]
    # As the workflow's account: the function takes no calls from outside.
    account = started_by.inputs["serviceAccount"].rpartition("/")[2]
    headers = {"Authorization": f"Bearer {cloud.tokens.issue(account, url)}"}
    with _naming_what_is_gone(cloud):
        answer = requests.post(url, json=body, headers=headers, timeout=600)
    if answer.ok:
        return None
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"it answered {answer.status_code}: {answer.text[:500]}"


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


def _said(cloud: Cloud, name: str, since: float) -> str:
    """The last line that a step has written since a moment, or nothing."""
    with suppress(FileNotFoundError):
        if cloud.home.log_file(name).stat().st_mtime >= since:
            return cloud.processes.last_words(name)
    return ""


def _call(cloud: Cloud, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    with _naming_what_is_gone(cloud):
        url = f"{cloud.google}/v1/{path}"
        answer = requests.request(method, url, json=body, headers=cloud.as_owner(), timeout=30)
        answer.raise_for_status()
    return answer.json()


@contextmanager
def _naming_what_is_gone(cloud: Cloud) -> Iterator[None]:
    """Raise LaptopError for a request that fails: with the process that is gone, if one is, or else the words."""
    try:
        yield
    except requests.RequestException as error:
        require_whole(cloud)
        raise LaptopError(f"the laptop's services do not answer as they should: {error}") from error
