"""The daily workflow: started by a clock of its own, and told all that its source asks for."""

import base64
import json
import re
from typing import Any

import pytest
import yaml
from flask import Flask, request

from components.daily_workflow import SOURCE, DailyWorkflow, DailyWorkflowArgs
from components.place import Place
from components.workload import Workload, WorkloadArgs
from omnipipe.laptop.services.workflows.interpreter import Environment, WorkflowError, parse
from tests.components.mocks import UNKNOWN, Recorder, record
from tests.functions.conftest import serving

PLACE = Place("shop-prod", "europe-west1")
WORKFLOW = "daily-workflow@shop-prod.iam.gserviceaccount.com"
CLOCK = "daily-schedule@shop-prod.iam.gserviceaccount.com"


def workflow(*, preview: bool = False, **changed: Any) -> Recorder:
    def program() -> None:
        args: dict[str, Any] = {
            "place": PLACE,
            "physical_name": "daily",
            "workload": Workload(
                "daily-workflow",
                WorkloadArgs(place=PLACE, physical_name="daily-workflow", purpose="Runs the daily workflow"),
            ),
            "environment": {"BIGQUERY_LOCATION": "EU", "DBT_JOB": "jobs/dbt"},
            "schedule": "0 5 * * *",
            "time_zone": "Europe/Berlin",
            "paused": False,
        }
        DailyWorkflow("daily", DailyWorkflowArgs(**args | changed))

    return record(program, preview=preview)


def test_it_runs_the_source_beside_the_component_as_the_identity_that_it_is_given() -> None:
    made = workflow().named("daily-workflow").inputs

    assert made["sourceContents"] == SOURCE.read_text()
    assert "main" in yaml.safe_load(made["sourceContents"])
    assert made["serviceAccount"] == WORKFLOW
    assert made["userEnvVars"] == {"BIGQUERY_LOCATION": "EU", "DBT_JOB": "jobs/dbt"}
    assert made["deletionProtection"] is False  # it holds no data, and Google's default is true
    assert (made["project"], made["region"], made["name"]) == ("shop-prod", "europe-west1", "daily")


def test_a_log_entry_is_written_for_errors_only() -> None:
    assert workflow().named("daily-workflow").inputs["callLogLevel"] == "LOG_ERRORS_ONLY"


@pytest.mark.parametrize("preview", [False, True])
def test_it_may_write_its_log_and_follow_its_jobs_and_runs_before_it_runs(preview: bool) -> None:
    program = workflow(preview=preview)

    rights = {f"daily-workflow-{right}" for right in ("logging-logwriter", "run-viewer", "workflows-viewer")}
    assert rights <= program.named("daily-workflow").dependencies
    assert {program.named(name).inputs["member"] for name in rights} == {
        UNKNOWN if preview else f"serviceAccount:{WORKFLOW}"
    }


@pytest.mark.parametrize("preview", [False, True])
def test_a_clock_of_its_own_starts_it_and_may_do_nothing_else(preview: bool) -> None:
    program = workflow(preview=preview)

    clock = program.named("daily-schedule-job")
    assert "daily-clock-workflows-invoker" in clock.dependencies
    assert clock.property_dependencies["httpTarget"] == {"daily-workflow", "daily-clock-account"}
    (grant,) = (g for g in program.of("projects.IAMMember") if g.parent == "daily-clock")
    assert grant.inputs["role"] == "roles/workflows.invoker"
    if preview:
        assert clock.inputs["httpTarget"]["uri"] == UNKNOWN
    else:
        assert grant.inputs["member"] == f"serviceAccount:{CLOCK}"
        target = clock.inputs["httpTarget"]
        assert target["oauthToken"] == {"serviceAccountEmail": CLOCK}
        assert target["uri"] == "https://workflowexecutions.googleapis.com/v1/id/daily-workflow/executions"


def test_the_clock_says_who_it_is_in_words_that_the_source_reads() -> None:
    body = json.loads(base64.b64decode(workflow().named("daily-schedule-job").inputs["httpTarget"]["body"]))

    assert body.keys() == {"argument"}  # the API takes an execution, whose argument is JSON as text
    argument = json.loads(body["argument"])
    assert argument == {"started_by": "schedule"}
    assert argument.keys() <= set(re.findall(r"input\.(\w+)", SOURCE.read_text()))


def test_a_full_refresh_that_is_asked_for_reaches_dbt_alone() -> None:
    """By an override of the job's environment; the argument's name is the one that people and the command write."""
    source = yaml.safe_load(SOURCE.read_text())
    (steps,) = (step["all_steps"]["try"]["steps"] for step in source["main"]["steps"] if "all_steps" in step)
    given = {name: step["args"].get("full_refresh") for entry in steps for name, step in entry.items()}
    assert {name: value for name, value in given.items() if value} == {"dbt": "${full_refresh}"}
    assert "${input.full_refresh}" in SOURCE.read_text()
    (execute,) = (step["execute"]["try"] for step in source["run_job"]["steps"] if "execute" in step)
    (container,) = execute["args"]["body"]["overrides"]["containerOverrides"]
    assert {"name": "FULL_REFRESH", "value": "${full_refresh}"} in container["env"]


@pytest.mark.parametrize("paused", [False, True])
def test_the_settings_of_the_schedule_reach_the_clock(paused: bool) -> None:
    clock = (
        workflow(schedule="30 4 * * MON", time_zone="Etc/UTC", paused=paused).named("daily-schedule-job").inputs
    )

    assert (clock["schedule"], clock["timeZone"], clock["paused"]) == ("30 4 * * MON", "Etc/UTC", paused)
    assert clock["name"] == "daily"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"schedule": "daily"}, "the schedule is 'daily': write"),
        ({"time_zone": "CEST"}, "the time zone is 'CEST'"),
    ],
)
def test_an_impossible_schedule_is_told(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        workflow(**wrong)


@pytest.mark.parametrize("preview", [False, True])
def test_its_id_is_exposed_and_unknown_in_a_preview(preview: bool) -> None:
    program = workflow(preview=preview)

    assert program.exposed["daily"]["id"] == (UNKNOWN if preview else "id/daily-workflow")
    assert program.named("daily-workflow").parent == "daily"
    assert program.named("daily-schedule-job").parent == "daily-schedule"


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
            return parse(SOURCE.read_text(), SOURCE.name).run({"replay": ["an-id"]}, here), sent
        except WorkflowError as error:
            return error.error, sent


def test_a_replay_is_handed_to_reverse_sync_and_starts_no_run() -> None:
    answer = {"rows": 1, "message": "1 dead letters sent"}
    assert replay((answer, 200)) == (answer, [{"replay": ["an-id"]}])


def test_a_replay_that_fails_says_why() -> None:
    result, _ = replay(({"error": "refused again: Berlin"}, 500))
    assert result == {"step": "replay", "message": "refused again: Berlin"}
