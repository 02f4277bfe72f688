"""A workflow: what it is told, what its identity may do, and a clock of its own that starts it."""

import base64
import json
from typing import Any

import pytest

from components.place import Place
from components.workflow import Workflow, WorkflowArgs
from components.workload import Workload, WorkloadArgs
from tests.components.mocks import UNKNOWN, Recorder, record

SOURCE = "main: {steps: [{rest: {return: null}}]}"
PLACE = Place("shop-prod", "europe-west1")
WORKFLOW = "nightly-workflow@shop-prod.iam.gserviceaccount.com"
CLOCK = "nightly-schedule@shop-prod.iam.gserviceaccount.com"


def workflow(*, preview: bool = False, **changed: Any) -> Recorder:
    def program() -> None:
        args: dict[str, Any] = {
            "place": PLACE,
            "physical_name": "nightly",
            "description": "Runs at night.",
            "source": SOURCE,
            "roles": ["roles/run.viewer"],
            "argument": {"started_by": "the clock"},
            "workload": Workload(
                "nightly-workflow",
                WorkloadArgs(place=PLACE, physical_name="nightly-workflow", purpose="Runs the nightly workflow"),
            ),
            "environment": {"BIGQUERY_LOCATION": "EU", "DBT_JOB": "jobs/dbt"},
            "schedule": "0 5 * * *",
            "time_zone": "Europe/Berlin",
            "paused": False,
        }
        Workflow("nightly", WorkflowArgs(**args | changed))

    return record(program, preview=preview)


def test_it_runs_its_source_as_the_identity_that_it_is_given() -> None:
    made = workflow().named("nightly-workflow").inputs

    assert (made["sourceContents"], made["description"]) == (SOURCE, "Runs at night.")
    assert made["serviceAccount"] == WORKFLOW
    assert made["userEnvVars"] == {"BIGQUERY_LOCATION": "EU", "DBT_JOB": "jobs/dbt"}
    assert made["deletionProtection"] is False  # it holds no data, and Google's default is true
    assert (made["project"], made["region"], made["name"]) == ("shop-prod", "europe-west1", "nightly")


def test_a_log_entry_is_written_for_errors_only() -> None:
    assert workflow().named("nightly-workflow").inputs["callLogLevel"] == "LOG_ERRORS_ONLY"


@pytest.mark.parametrize("preview", [False, True])
def test_it_may_write_its_log_and_what_it_is_given_before_it_runs(preview: bool) -> None:
    program = workflow(preview=preview)

    rights = {f"nightly-workflow-{right}" for right in ("logging-logwriter", "run-viewer")}
    assert rights <= program.named("nightly-workflow").dependencies
    assert len([g for g in program.of("projects.IAMMember") if g.name.startswith("nightly-workflow-")]) == len(
        rights
    )
    assert {program.named(name).inputs["member"] for name in rights} == {
        UNKNOWN if preview else f"serviceAccount:{WORKFLOW}"
    }


@pytest.mark.parametrize("preview", [False, True])
def test_a_clock_of_its_own_starts_it_and_may_do_nothing_else(preview: bool) -> None:
    program = workflow(preview=preview)

    clock = program.named("nightly-schedule-job")
    assert "nightly-clock-workflows-invoker" in clock.dependencies
    assert clock.property_dependencies["httpTarget"] == {"nightly-workflow", "nightly-clock-account"}
    (grant,) = (g for g in program.of("projects.IAMMember") if g.parent == "nightly-clock")
    assert grant.inputs["role"] == "roles/workflows.invoker"
    if preview:
        assert clock.inputs["httpTarget"]["uri"] == UNKNOWN
    else:
        assert grant.inputs["member"] == f"serviceAccount:{CLOCK}"
        target = clock.inputs["httpTarget"]
        assert target["oauthToken"] == {"serviceAccountEmail": CLOCK}
        assert target["uri"] == "https://workflowexecutions.googleapis.com/v1/id/nightly-workflow/executions"


def test_the_clock_hands_it_its_argument_as_the_api_takes_it() -> None:
    body = json.loads(base64.b64decode(workflow().named("nightly-schedule-job").inputs["httpTarget"]["body"]))

    assert body.keys() == {"argument"}  # the API takes an execution, whose argument is JSON as text
    assert json.loads(body["argument"]) == {"started_by": "the clock"}


@pytest.mark.parametrize("paused", [False, True])
def test_the_settings_of_the_schedule_reach_the_clock(paused: bool) -> None:
    clock = (
        workflow(schedule="30 4 * * MON", time_zone="Etc/UTC", paused=paused).named("nightly-schedule-job").inputs
    )

    assert (clock["schedule"], clock["timeZone"], clock["paused"]) == ("30 4 * * MON", "Etc/UTC", paused)
    assert clock["name"] == "nightly"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"schedule": "nightly"}, "the schedule is 'nightly': write"),
        ({"time_zone": "CEST"}, "the time zone is 'CEST'"),
    ],
)
def test_an_impossible_schedule_is_told(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        workflow(**wrong)


@pytest.mark.parametrize("preview", [False, True])
def test_its_id_is_exposed_and_unknown_in_a_preview(preview: bool) -> None:
    program = workflow(preview=preview)

    assert program.exposed["nightly"]["id"] == (UNKNOWN if preview else "id/nightly-workflow")
    assert program.named("nightly-workflow").parent == "nightly"
    assert program.named("nightly-schedule-job").parent == "nightly-schedule"
