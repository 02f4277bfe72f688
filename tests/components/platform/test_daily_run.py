"""The daily workflow's own source, run by the interpreter on a BigQuery emulator, with steps that do nothing."""

import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import yaml
from flask import Flask, Response, jsonify, request
from google.cloud import bigquery

from components.platform.workflow_source import workflow_source
from omnipipe.contracts.pipelines import DAILY
from omnipipe.contracts.tables import PIPELINE_LEASES, PIPELINE_RUNS, PipelineLease, PipelineRun
from omnipipe.laptop.services.workflows.interpreter import Environment, WorkflowError, parse
from omnipipe.runtime import warehouse
from tests.functions.conftest import serving
from tests.support import emulator

SOURCE = workflow_source(DAILY)
PLACE = f"projects/{emulator.PROJECT}/locations/europe-west1"
NOW = datetime.now(UTC)
WORKFLOW = f"{PLACE}/workflows/daily"


Forward = Callable[[], Any]


@dataclass
class Steps:
    """What the workflow calls: the functions, Cloud Run's jobs and Workflows' executions, as Google answers."""

    states: dict[str, str] = field(default_factory=dict)  # of executions, by their ids
    calls: list[str] = field(default_factory=list)  # of functions and jobs
    going_on: list[str] = field(default_factory=list)  # jobs of an earlier run, each seen once
    looks: list[str] = field(default_factory=list)  # after which calls a job that was going on was seen
    failing: str = ""
    enter: threading.Event | None = None  # the first step says that it has begun
    leave: threading.Event | None = None  # and waits for this
    queries: list[dict[str, Any]] = field(default_factory=list)  # that BigQuery was asked
    take: Callable[[Forward], Any] | None = None  # what becomes of a statement that takes the lease

    def app(self, bigquery: str) -> Flask:
        app = Flask("steps")

        @app.post("/bigquery/<path:path>")
        def query(path: str) -> Any:
            body, headers = request.get_json(), {"Content-Type": "application/json"}

            def forward() -> Any:
                answer = requests.post(f"{bigquery}/bigquery/{path}", json=body, headers=headers, timeout=60)
                return Response(answer.content, answer.status_code, content_type=answer.headers["Content-Type"])

            self.queries.append(body)
            if self.take and body["query"].startswith("UPDATE ops.pipeline_leases SET run_id = @run_id"):
                return self.take(forward)
            return forward()

        @app.post("/function/<name>")
        def function(name: str) -> Response | tuple[Response, int]:
            self.calls.append(name)
            if self.enter and self.leave:
                self.enter.set()
                assert self.leave.wait(30)
            if name == self.failing:
                return jsonify(error=f"{name} is broken"), 500
            return jsonify(rows=1, message="done")

        @app.get(f"/v1/{WORKFLOW}/executions/<execution>")
        def state(execution: str) -> Response | tuple[Response, int]:
            if execution == "forbidden":
                return jsonify(error={"code": 403, "message": "denied"}), 403
            if execution not in self.states:
                return jsonify(error={"code": 404, "message": "not found"}), 404
            return jsonify(name=f"{WORKFLOW}/executions/{execution}", state=self.states[execution])

        @app.get(f"/v2/{PLACE}/jobs/<job>")
        def look(job: str) -> Response:
            latest = {"name": "e-1", "createTime": "2026-01-01T00:00:00Z"}
            if job in self.going_on:
                self.going_on.remove(job)
                self.looks.append(job)
            else:
                latest["completionTime"] = "2026-01-01T00:01:00Z"
            return jsonify(name=f"{PLACE}/jobs/{job}", latestCreatedExecution=latest)

        @app.post(f"/v2/{PLACE}/jobs/<job>:run")
        def run(job: str) -> Response:
            self.calls.append(job)
            assert request.get_json()["overrides"]["containerOverrides"]
            if job == self.failing:
                return jsonify(name=f"{PLACE}/operations/1", done=True, error={"code": 10, "message": "it failed"})
            return jsonify(name=f"{PLACE}/operations/1", done=True, response={"name": "e-2"})

        return app


@dataclass
class Day:
    """Runs the workflow."""

    client: bigquery.Client
    address: str
    steps: Steps

    def run(self, run_id: str | None = None, argument: Any = None) -> dict[str, Any]:
        """One run; its result, or the error that it ended with."""
        run_id = run_id or str(uuid.uuid4())
        function = f"{self.address}/function"
        environment = Environment(
            project=emulator.PROJECT,
            project_number="1",
            service_account="daily@p.iam.gserviceaccount.com",
            location="europe-west1",
            workflow_id="daily",
            execution_id=run_id,
            env={
                "BIGQUERY_LOCATION": "EU",
                "CAPTURE_JOB": f"{PLACE}/jobs/capture",
                "WEATHER_FUNCTION_URL": f"{function}/weather",
                "DBT_JOB": f"{PLACE}/jobs/dbt",
                "VALIDATE_JOB": f"{PLACE}/jobs/validate",
                "REVERSE_SYNC_FUNCTION_URL": f"{function}/reverse_sync",
            },
            endpoints={
                "bigquery.googleapis.com": self.address,
                "run.googleapis.com": self.address,
                "workflowexecutions.googleapis.com": self.address,
            },
            token=lambda kind, target: "token",
        )
        self.steps.states[run_id] = "ACTIVE"
        try:
            result = parse(SOURCE, "daily.yaml").run(argument, environment)
        except WorkflowError as error:
            self.steps.states[run_id] = "FAILED"
            return error.error
        self.steps.states[run_id] = "SUCCEEDED"
        return result

    def leave(self, run_id: str, state: str | None, *, hours: float = 1) -> None:
        """Leave the lease and the record of a run that was cut off, or is going on, in that state."""
        sql = f"""
            INSERT INTO {PIPELINE_LEASES.id} (pipeline, run_id, taken_at, expires_at)
            VALUES ('daily', '{run_id}', TIMESTAMP '2026-03-01 05:00:00 UTC',
            TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL {round(hours * 60)} MINUTE))
        """
        emulator.rows(self.client, sql)
        if state:
            self.steps.states[run_id] = state

    def runs(self) -> dict[str, tuple[str, str | None]]:
        found = emulator.rows(self.client, f"SELECT run_id, status, error FROM {PIPELINE_RUNS.id}")
        return {row["run_id"]: (row["status"], row["error"]) for row in found}

    def holders(self) -> list[str | None]:
        return [row["run_id"] for row in emulator.rows(self.client, f"SELECT run_id FROM {PIPELINE_LEASES.id}")]


@pytest.fixture
def day(client: bigquery.Client, bigquery_address: str) -> Iterator[Day]:
    steps = Steps()
    with serving(steps.app(bigquery_address)) as address:
        yield Day(client, address, steps)


ALL = [step.name for step in DAILY.steps]


def test_a_run_takes_the_lease_and_gives_it_back(day: Day) -> None:
    day.steps.enter, day.steps.leave = threading.Event(), threading.Event()
    results: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: results.append(day.run("one")))
    thread.start()
    assert day.steps.enter.wait(30)
    assert day.holders() == ["one"]
    day.steps.leave.set()
    thread.join(30)

    assert results[0]["run_id"] == "one"
    assert day.steps.calls == ALL
    assert day.holders() == [None]
    assert day.run("two")["run_id"] == "two"
    assert day.runs() == {"one": ("succeeded", None), "two": ("succeeded", None)}


def test_nothing_begins_before_raw_is_up_to_date(day: Day) -> None:
    day.steps.failing = "capture"

    failure = day.run("one")

    assert failure["step"] == "capture"
    assert day.steps.calls == ["capture"]
    assert day.runs()["one"][0] == "failed"


def test_a_second_run_is_refused_with_the_name_of_the_first_and_does_nothing(day: Day) -> None:
    day.leave("first", "ACTIVE")

    refused = day.run("second")

    assert refused["step"] == "init"
    assert "run first of daily has been going on since 2026-03-01 05:00:00 UTC" in refused["message"]
    assert day.steps.calls == []
    assert day.holders() == ["first"]
    assert day.runs() == {"second": ("refused", refused["message"])}


def together(day: Day, *names: str) -> dict[str, dict[str, Any]]:
    """Runs that begin at the same time, each to its end; the one that goes on ends last."""
    day.steps.enter, day.steps.leave = threading.Event(), threading.Event()
    results: dict[str, dict[str, Any]] = {}
    threads = [threading.Thread(target=lambda name=name: results.update({name: day.run(name)})) for name in names]
    for thread in threads:
        thread.start()
    assert day.steps.enter.wait(60)
    deadline = time.monotonic() + 60
    while sum(thread.is_alive() for thread in threads) > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    day.steps.leave.set()
    for thread in threads:
        thread.join(60)
    return results


def test_of_runs_that_start_together_one_goes_on(day: Day) -> None:
    # All see a free lease before the first takes it. The statements themselves come one after the other.
    free, one_by_one = threading.Barrier(4), threading.Lock()

    def take(forward: Forward) -> Any:
        free.wait(60)
        with one_by_one:
            return forward()

    day.steps.take = take

    results = together(day, "a", "b", "c", "d")

    (went_on,) = (name for name in results if "run_id" in results[name])
    assert day.steps.calls == ALL
    refused = [results[name]["message"] for name in results if name != went_on]
    assert len(refused) == 3
    assert all(f"run {went_on} of daily" in message for message in refused), results
    assert set(day.holders()) == {None}


def test_a_run_whose_statement_met_another_ones_is_refused_with_its_name(day: Day) -> None:
    # BigQuery tries the second statement again, and may give up: the words are its own.
    words = "Could not serialize access to table ops.pipeline_leases due to concurrent update"
    taken = threading.Barrier(2)
    second = iter([False, True])

    def take(forward: Forward) -> Any:
        first = not next(second)
        answer = forward() if first else None
        taken.wait(60)
        return answer or (jsonify(error={"code": 400, "message": words}), 400)

    day.steps.take = take

    results = together(day, "a", "b")

    (went_on,) = (name for name in results if "run_id" in results[name])
    (refused,) = (results[name]["message"] for name in results if name != went_on)
    assert f"run {went_on} of daily" in refused
    assert day.steps.calls == ALL


def test_a_lease_that_cannot_be_taken_fails_with_the_cause(day: Day) -> None:
    day.steps.take = lambda forward: (jsonify(error={"code": 400, "message": "quota exceeded"}), 400)

    assert "quota exceeded" in str(day.run("one"))
    assert day.steps.calls == []


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "SUCCEEDED", None])
def test_what_a_run_that_was_cut_off_holds_is_taken_over_at_once(day: Day, state: str | None) -> None:
    day.leave("cut-off", state)

    assert day.run("next")["run_id"] == "next"
    assert day.holders() == [None]


def test_after_its_longest_time_a_run_has_no_right_to_go_on(day: Day) -> None:
    day.leave("hanging", "ACTIVE", hours=-0.1)

    assert day.run("next")["run_id"] == "next"


def test_a_lease_is_kept_when_workflows_does_not_tell_how_its_run_is(day: Day) -> None:
    day.leave("forbidden", None)

    refused = day.run("next")

    assert "run forbidden holds the lease" in refused["message"]
    assert "403" in refused["message"]
    assert day.holders() == ["forbidden"]


def test_the_lease_is_given_back_by_a_run_that_fails(day: Day) -> None:
    day.steps.failing = "weather"

    assert "weather is broken" in day.run("one")["message"]
    assert day.holders() == [None]
    assert day.runs()["one"][0] == "failed"


def test_the_lease_is_longer_than_all_steps_together() -> None:
    source = yaml.safe_load(SOURCE)
    longest = {
        "run_function": source["run_function"]["steps"][0]["call_function"]["try"]["args"]["timeout"],
        "run_job": source["run_job"]["steps"][0]["execute"]["try"]["args"]["connector_params"]["timeout"],
        # A job of a run that was cut off has at most the time that a job has.
        "wait_for_job": source["run_job"]["steps"][0]["execute"]["try"]["args"]["connector_params"]["timeout"],
    }
    (steps,) = (step["all_steps"]["try"]["steps"] for step in source["main"]["steps"] if "all_steps" in step)
    calls = [call["call"] for step in steps for call in step.values()]
    (lease,) = re.findall(r"INTERVAL (\d+) SECOND", SOURCE)

    # Two jobs of the run before end at the same time; init and finish are some queries of a minute at most.
    together = sum(longest[call] for call in calls) - longest["wait_for_job"] + 1200
    assert int(lease) > together, f"the steps may take {together} s"


def test_a_job_that_outlived_its_run_is_waited_for(day: Day) -> None:
    day.steps.going_on = ["dbt"]

    day.run("next")

    assert day.steps.looks == ["dbt"]
    assert day.steps.calls == ALL


def test_a_run_without_an_end_is_told_as_interrupted_and_other_pipelines_are_left_alone(day: Day) -> None:
    def running(run_id: str, pipeline: str) -> PipelineRun:
        return PipelineRun(
            run_id=run_id,
            pipeline=pipeline,
            run_date=NOW.date(),
            status="running",
            started_at=NOW,
            finished_at=None,
            error=None,
            started_by="schedule",
        )

    warehouse.insert(day.client, PIPELINE_RUNS, [running("before", "daily"), running("others", "hourly")])
    lease = PipelineLease(pipeline="hourly", run_id="others", taken_at=NOW, expires_at=NOW + timedelta(hours=1))
    warehouse.insert(day.client, PIPELINE_LEASES, [lease])

    day.run("next")

    found = day.runs()
    assert found["before"] == ("interrupted", "no end was recorded before run next began")
    assert found["others"] == ("running", None)
    assert found["next"] == ("succeeded", None)
    assert sorted(day.holders(), key=str) == [None, "others"]


def test_each_query_says_whose_it_is_and_how_much_it_may_cost(day: Day) -> None:
    day.run("one")

    assert len(day.steps.queries) > 5
    for body in day.steps.queries:
        assert body["labels"] == {"app": "omnipipe", "step": "workflow", "run_id": "one"}
        assert 0 < int(body["maximumBytesBilled"]) <= warehouse.MAXIMUM_BYTES_BILLED
