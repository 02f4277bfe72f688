"""Cloud Run jobs: executions of tasks as subprocesses, with the task contract, and the API that starts them.

Contract: https://cloud.google.com/run/docs/container-contract#jobs. Each task has its index, the number of tasks and
the number of the attempt in its environment; exit code 0 is success; a task is tried again up to ``maxRetries``
times, each attempt for at most ``timeout``; all tasks are attempted; one that fails in the end fails the execution.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, abort, jsonify, request

from omnipipe.laptop import platform_log
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.iam.control import PROJECT, needs
from omnipipe.laptop.kind import location
from omnipipe.laptop.services.run.resources import JOB
from omnipipe.laptop.services.run.tasks import Task, task

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource

# Google's API answers a poll at once. Here it answers when the job has ended, or after this many seconds.
LONG_POLL_S = 20
NAME = PROJECT + "/locations/{location}/jobs/{job}"
"""A job in IAM's words (https://cloud.google.com/run/docs/reference/iam/permissions)."""
DEFAULT_TASK_TIMEOUT_S = 600
DEFAULT_MAX_RETRIES = 3


class Jobs:
    """Runs jobs. Executions live as long as this process: a restart ends them, as it ends their tasks."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._operations: dict[str, dict[str, Any]] = {}
        self._ended: dict[str, threading.Event] = {}
        self._latest: dict[str, dict[str, Any]] = {}  # reference of a job's newest execution, by the job's id
        self._by_execution: dict[str, str] = {}
        self._attempts: set[subprocess.Popen[bytes]] = set()
        self._starting = threading.Lock()
        self._closed = False

    def start(self, job: Resource, overrides: dict[str, Any]) -> dict[str, Any]:
        """Start an execution; returns the long-running operation."""
        name = job.inputs["name"]
        execution = f"{job.id}/executions/{name}-{uuid.uuid4().hex[:5]}"
        operation = f"{job.id.rpartition('/jobs/')[0]}/operations/{uuid.uuid4()}"
        self._operations[operation] = {"name": operation, "done": False, "metadata": {"name": execution}}
        self._ended[operation] = threading.Event()
        self._latest[job.id] = {"name": execution, "createTime": _now(), "completionStatus": "EXECUTION_RUNNING"}
        self._by_execution[execution] = operation
        threading.Thread(target=self._execute, args=(job, overrides, execution, operation), daemon=True).start()
        return self._operations[operation]

    def get(self, job: Resource) -> dict[str, Any]:
        """The job as the API shows it, as far as it is asked for here: its name, and its newest execution if any."""
        latest = self._latest.get(job.id)
        return {"name": job.id} | ({"latestCreatedExecution": latest} if latest else {})

    def wait(self, operation: str, timeout_s: float) -> dict[str, Any] | None:
        """The operation, when it has ended or the time is over; None if there is no such operation."""
        if operation not in self._operations:
            return None
        self._ended[operation].wait(timeout_s)
        return self._operations[operation]

    def operation_of(self, place: str, execution: str) -> str | None:
        """The operation that runs an execution, by the place that its name begins with and by its short name."""
        for name, operation in self._by_execution.items():
            if name.startswith(place) and name.endswith(f"/executions/{execution}"):
                return operation
        return None

    def close(self) -> None:
        """End every task, and start no other attempt: a task must not outlive the process that tries it again."""
        with self._starting:
            self._closed = True
            attempts = list(self._attempts)
        for attempt in attempts:
            _end(attempt)

    def _execute(self, job: Resource, overrides: dict[str, Any], execution: str, operation: str) -> None:
        template = job.inputs["template"]
        tasks = int(overrides.get("taskCount") or template.get("taskCount") or 1)
        with ThreadPoolExecutor(min(tasks, int(template.get("parallelism") or tasks))) as pool:
            run = [pool.submit(self._task, job, overrides, execution, index, tasks) for index in range(tasks)]
        failures = [index for index, result in enumerate(run) if result.exception() or not result.result()]
        for result in run:
            if error := result.exception():
                self._log(job, f"the task could not be started: {error}")
        done: dict[str, Any] = {"name": operation, "done": True, "metadata": {"name": execution}}
        if failures:
            message = f"Task {execution.rpartition('/')[2]}-task{failures[0]} failed with message: "
            done["error"] = {"code": 10, "message": message + "The container exited with an error."}
        else:
            done["response"] = {"name": execution, "job": job.id, "taskCount": tasks, "succeededCount": tasks}
        try:
            if failures:
                self._log_failure(job, execution)
        finally:  # who waits for the end must not wait for ever because the disk is full
            self._operations[operation] = done
            status = "EXECUTION_FAILED" if failures else "EXECUTION_SUCCEEDED"
            if (latest := self._latest[job.id])["name"] == execution:
                self._latest[job.id] = latest | {"completionTime": _now(), "completionStatus": status}
            self._ended[operation].set()

    def _task(self, job: Resource, overrides: dict[str, Any], execution: str, index: int, count: int) -> bool:
        """Attempt a task until it succeeds or has no attempt left."""
        template = job.inputs["template"]["template"]
        prepared = task(self._cloud, job, overrides, execution.rpartition("/")[2], index, count)
        timeout_s = _seconds(overrides.get("timeout") or template.get("timeout"), DEFAULT_TASK_TIMEOUT_S)
        retries = template.get("maxRetries")
        for attempt in range(1 + (DEFAULT_MAX_RETRIES if retries is None else int(retries))):
            process = self._start(job, prepared, {"CLOUD_RUN_TASK_ATTEMPT": str(attempt)})
            try:
                if process.wait(timeout_s) == 0:
                    return True
            except subprocess.TimeoutExpired:
                self._log(job, f"the task was ended after its timeout of {timeout_s:.0f} s")
            finally:
                _end(process)
                self._attempts.discard(process)
        return False

    def _start(self, job: Resource, prepared: Task, which: dict[str, str]) -> subprocess.Popen[bytes]:
        name = job.inputs["name"]
        with self._starting, self._cloud.home.log_file(name).open("ab") as log:
            if self._closed:
                raise LaptopError("the laptop cloud is being taken down")
            attempt = subprocess.Popen(
                prepared.argv,
                env={**prepared.environment, **which, **self._cloud.processes.marker(name)},
                cwd=prepared.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._attempts.add(attempt)
        return attempt

    def _log_failure(self, job: Resource, execution: str) -> None:
        """Log what Cloud Run logs of an execution that failed."""
        platform_log.write(
            self._cloud.home,
            "cloud_run_job",
            {
                "project_id": self._cloud.project,
                "location": location(self._cloud, job),
                "job_name": job.inputs["name"],
            },
            "ERROR",
            {"message": f"Execution {execution.rpartition('/')[2]} has failed to complete."},
        )

    def _log(self, job: Resource, message: str) -> None:
        with self._cloud.home.log_file(job.inputs["name"]).open("a") as log:
            log.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {message}\n")


def _end(attempt: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):  # what it started ends with the container
        os.killpg(attempt.pid, signal.SIGKILL)
    attempt.wait()


def find(cloud: Cloud, project: str, location: str, job: str) -> Resource:
    """The job of that name. Answers the request with 404, in Google's words, when there is none."""
    cloud.registry.refresh()
    id_ = f"projects/{project}/locations/{location}/jobs/{job}"
    found = [resource for resource in cloud.registry.of_type(JOB) if resource.id == id_]
    if not found:
        abort(404, f"Resource '{job}' of kind 'JOB' in region '{location}' in project '{project}' does not exist.")
    return found[0]


def blueprint(jobs: Jobs, cloud: Cloud) -> Blueprint:
    """The part of Cloud Run's API (v2) that starts a job, shows it and follows its operation."""
    routes = Blueprint("run", __name__, url_prefix="/v2/projects/<project>/locations/<location>")

    @routes.get("/jobs/<job>", endpoint="job")
    @needs("run.jobs.get", NAME)
    def get(project: str, location: str, job: str) -> Response:
        return jsonify(jobs.get(find(cloud, project, location, job)))

    @routes.post("/jobs/<job>:run")
    @needs("run.jobs.run", NAME, with_overrides="run.jobs.runWithOverrides")
    def run(project: str, location: str, job: str) -> Response:
        overrides = (request.get_json(silent=True) or {}).get("overrides") or {}
        return jsonify(jobs.start(find(cloud, project, location, job), overrides))

    @routes.get("/operations/<operation>")
    @needs("run.operations.get")
    def operation(project: str, location: str, operation: str) -> Response:
        found = jobs.wait(f"projects/{project}/locations/{location}/operations/{operation}", LONG_POLL_S)
        if found is None:
            abort(404, f"there is no operation {operation}")
        return jsonify(found)

    return routes


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _seconds(duration: str | None, default: float) -> float:
    return float(duration.removesuffix("s")) if duration else default
