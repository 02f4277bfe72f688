"""The source of a workflow: the day's takes its arguments, and that of another pipeline does as it is declared."""

import threading
from dataclasses import replace
from typing import Any

import pytest
import yaml
from flask import Flask, jsonify, request

from components.platform.workflow_source import workflow_source
from omnipipe.contracts.pipelines import DAILY, Pipeline, Step
from omnipipe.laptop.services.workflows.interpreter import Environment, WorkflowError, parse
from tests.functions.conftest import serving

SOURCE = workflow_source(DAILY)


def test_a_full_refresh_that_is_asked_for_reaches_dbt_alone() -> None:
    """By an override of the job's environment; the argument's name is the one that people and the command write."""
    source = yaml.safe_load(SOURCE)
    (steps,) = (step["all_steps"]["try"]["steps"] for step in source["main"]["steps"] if "all_steps" in step)
    given = {name: step["args"].get("full_refresh") for entry in steps for name, step in entry.items()}
    assert {name: value for name, value in given.items() if value} == {"dbt": "${full_refresh}"}
    assert "${input.full_refresh}" in SOURCE
    (execute,) = (step["execute"]["try"] for step in source["run_job"]["steps"] if "execute" in step)
    (container,) = execute["args"]["body"]["overrides"]["containerOverrides"]
    assert {"name": "FULL_REFRESH", "value": "${full_refresh}"} in container["env"]


def replay(answer: tuple[dict[str, Any], int]) -> tuple[Any, list[Any]]:
    """Run the source with {"replay": …} and a function that answers so; the result, and what the function was sent."""
    app, sent = Flask("reverse-sync"), []

    @app.post("/")
    def function() -> tuple[dict[str, Any], int]:
        sent.append(request.get_json())
        return answer

    with serving(app) as address:
        env = {"REVERSE_SYNC_FUNCTION_URL": address}  # all that it needs: no run is recorded, no other step begins
        here = Environment(
            project="p",
            project_number="1",
            location="l",
            workflow_id="daily",
            execution_id="e",
            service_account="daily@p.iam.gserviceaccount.com",
            env=env,
            token=lambda kind, audience: f"{kind} for {audience}",
        )
        try:
            return parse(SOURCE, "daily.yaml").run({"replay": ["an-id"]}, here), sent
        except WorkflowError as error:
            return error.error, sent


def test_a_replay_is_handed_to_reverse_sync_and_starts_no_run() -> None:
    answer = {"rows": 1, "message": "1 dead letters sent"}
    assert replay((answer, 200)) == (answer, [{"replay": ["an-id"]}])


def test_a_replay_that_fails_says_why() -> None:
    result, _ = replay(({"error": "refused again: Berlin"}, 500))
    assert result == {"step": "replay", "message": "refused again: Berlin"}


STORE = Step(name="store", kind="function", folder="store", timeout_s=240)
CARTS = Step(name="carts", kind="job", folder="carts", timeout_s=900, retries=2, writes=("raw.carts",))
REPORT = Step(name="send_report", kind="function", folder="report", timeout_s=30)
HOURLY = Pipeline(
    name="hourly",
    title="The store's hour.",
    description="Fetch, and report.",
    remark="Both sources are asked at the same time.",
    schedule="0 * * * *",
    order=((STORE, CARTS), REPORT),
)


class Hour:
    """What the workflow of the store's hour calls. The two of its group wait for each other, as long as both go on."""

    def __init__(self, failing: str = "") -> None:
        self.calls: list[str] = []
        self.statements: list[str] = []
        self._failing, self._holder = failing, ""
        self._both = threading.Barrier(2)

    def app(self) -> Flask:
        app = Flask("hour")

        @app.post("/bigquery/v2/projects/p/queries")
        def query() -> Any:
            body = request.get_json()
            given = {each["name"]: each["parameterValue"]["value"] for each in body["queryParameters"]}
            statement = body["query"]
            self.statements.append(statement)
            if statement.startswith("UPDATE ops.pipeline_leases"):
                self._holder = given["run_id"] if "SET run_id = @run_id" in statement else ""
            rows = [{"f": [{"v": self._holder}, {"v": "now"}]}] if self._holder else []
            return jsonify(jobComplete=True, **({"rows": rows} if statement.startswith("SELECT") else {}))

        @app.get("/v2/jobs/carts")
        def look() -> Any:
            self.calls.append("look at carts")
            return jsonify(name="jobs/carts")

        @app.post("/v2/jobs/carts:run")
        def job() -> Any:
            self._together("carts")
            return jsonify(name="operations/1", done=True, response={"name": "e-1"})

        @app.post("/function/<name>")
        def function(name: str) -> Any:
            if name == STORE.name:
                self._together(name)
            else:
                self.calls.append(name)
            return (jsonify(error=f"{name} is broken"), 500) if name == self._failing else jsonify(rows=1)

        return app

    def _together(self, name: str) -> None:
        self._both.wait(30)  # it ends with an error when the other one does not begin meanwhile
        self.calls.append(name)

    def run(self) -> Any:
        """The result of a run, or its error."""
        with serving(self.app()) as address:
            here = Environment(
                project="p",
                project_number="1",
                location="l",
                workflow_id="hourly",
                execution_id="e",
                service_account="hourly@p.iam.gserviceaccount.com",
                env={
                    "BIGQUERY_LOCATION": "EU",
                    "STORE_FUNCTION_URL": f"{address}/function/store",
                    "CARTS_JOB": "jobs/carts",
                    "SEND_REPORT_FUNCTION_URL": f"{address}/function/send_report",
                },
                endpoints={"bigquery.googleapis.com": address, "run.googleapis.com": address},
                token=lambda kind, audience: "token",
            )
            try:
                return parse(workflow_source(HOURLY), "hourly.yaml").run(None, here)
            except WorkflowError as error:
                return error.error


def test_steps_of_a_group_run_at_the_same_time_and_the_next_one_after_them() -> None:
    hour = Hour()

    assert hour.run()["run_id"] == "e"
    assert (
        hour.calls[0] == "look at carts"
    )  # a job that writes tables, and may be going on from a run that was cut off
    assert sorted(hour.calls[1:3]) == ["carts", "store"]
    assert hour.calls[3:] == ["send_report"]
    assert "SET status = 'succeeded'" in hour.statements[-2]
    assert "SET run_id = NULL" in hour.statements[-1]


def test_what_comes_after_a_group_is_not_begun_when_one_of_it_fails() -> None:
    hour = Hour(failing="store")

    failure = hour.run()
    assert "send_report" not in hour.calls
    (branch,) = failure["branches"]
    assert branch["error"]["payload"] == {"step": "store", "message": "store is broken"}
    assert "SET status = 'failed'" in hour.statements[-2]
    assert "SET run_id = NULL" in hour.statements[-1]


def test_a_pipeline_takes_no_argument_that_none_of_its_steps_does() -> None:
    for pipeline, taken in ((DAILY, True), (HOURLY, False)):
        source = workflow_source(pipeline)
        assert ("full_refresh" in source) is taken
        assert ("replay" in source) is taken


def test_the_workflow_waits_for_all_attempts_of_a_step() -> None:
    source = yaml.safe_load(workflow_source(HOURLY))

    (job,) = (step["execute"]["try"] for step in source["run_job"]["steps"] if "execute" in step)
    assert job["args"]["connector_params"]["timeout"] > 3 * CARTS.timeout_s
    (function,) = (
        step["call_function"]["try"] for step in source["run_function"]["steps"] if "call_function" in step
    )
    assert function["args"]["timeout"] > STORE.timeout_s
    assert "# 3 attempts of 900 s, and its start" in workflow_source(HOURLY)


@pytest.mark.parametrize("step", [STORE, CARTS])
def test_what_calls_nothing_of_a_kind_has_no_routine_for_it(step: Step) -> None:
    source = yaml.safe_load(workflow_source(replace(HOURLY, order=(step,))))

    assert ("run_function" in source, "run_job" in source, "wait_for_job" in source) == (
        step is STORE,
        step is CARTS,
        step is CARTS,
    )
    parse(yaml.safe_dump(source), "one.yaml")
