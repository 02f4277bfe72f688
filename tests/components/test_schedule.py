"""A schedule: at times that Google takes, a call that Google's APIs take, not before its caller may make it."""

import base64
import json
from typing import Any

import pytest

from components.place import Place
from components.schedule import Schedule, ScheduleArgs, is_cron, is_time_zone
from components.workload import Workload, WorkloadArgs
from tests.components.mocks import UNKNOWN, Recorder, record

PLACE = Place("shop-prod", "europe-west1")
URI = "https://run.googleapis.com/v2/projects/shop-prod/locations/europe-west1/jobs/probe:run"


def schedule(*, preview: bool = False, **changed: Any) -> Recorder:
    def program() -> None:
        clock = Workload(
            "probe-clock", WorkloadArgs(place=PLACE, physical_name="probe-clock", purpose="Starts the probe")
        )
        args: dict[str, Any] = {
            "place": PLACE,
            "physical_name": "probe",
            "description": "Starts the probe.",
            "cron": "*/15 * * * *",
            "time_zone": "Europe/Berlin",
            "paused": False,
            "caller": clock.email,
            "uri": URI,
            "body": {"argument": '{"day": "Übermorgen"}'},
            "depends_on": [
                clock.grant_project("roles/run.viewer"),
                clock.grant_project("roles/logging.logWriter"),
            ],
        }
        Schedule("probe", ScheduleArgs(**args | changed))

    return record(program, preview=preview)


def test_it_is_called_when_and_where_it_is_told_to() -> None:
    program = schedule()
    job = program.named("probe-job")

    assert job.parent == "probe"
    assert program.exposed["probe"] == {}
    told = {key: job.inputs[key] for key in ("project", "region", "name", "schedule", "timeZone", "paused")}
    assert told == {
        "project": "shop-prod",
        "region": "europe-west1",
        "name": "probe",
        "schedule": "*/15 * * * *",
        "timeZone": "Europe/Berlin",
        "paused": False,
    }
    assert schedule(paused=True).named("probe-job").inputs["paused"] is True


@pytest.mark.parametrize("body", [{}, {"argument": '{"day": "Übermorgen"}'}])
def test_the_body_is_json_in_base64_as_the_api_of_the_scheduler_takes_it(body: dict[str, Any]) -> None:
    target = schedule(body=body).named("probe-job").inputs["httpTarget"]

    assert json.loads(base64.b64decode(target["body"], validate=True)) == body
    assert target["headers"] == {"Content-Type": "application/json"}
    assert (target["httpMethod"], target["uri"]) == ("POST", URI)


def test_google_takes_an_access_token_and_no_identity_token() -> None:
    target = schedule().named("probe-job").inputs["httpTarget"]

    assert target["oauthToken"] == {"serviceAccountEmail": "probe-clock@shop-prod.iam.gserviceaccount.com"}
    assert "oidcToken" not in target


@pytest.mark.parametrize("preview", [False, True])
def test_it_waits_for_the_rights_of_its_caller(preview: bool) -> None:
    job = schedule(preview=preview).named("probe-job")

    assert {"probe-clock-run-viewer", "probe-clock-logging-logwriter"} <= job.dependencies
    assert job.property_dependencies["httpTarget"] == {"probe-clock-account"}
    if preview:
        assert job.inputs["httpTarget"]["oauthToken"] == {"serviceAccountEmail": UNKNOWN}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (
            {"cron": "0 25 * * *"},
            "the schedule is '0 25 * * *': write a cron line of five fields, such as '0 5 * * *'",
        ),
        ({"time_zone": "Berlin"}, "the time zone is 'Berlin': write a name such as Europe/Berlin or Etc/UTC"),
        ({"cron": "", "time_zone": ""}, "the schedule is ''.*; the time zone is ''"),
    ],
)
def test_what_does_not_fit_is_told(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("*", r"\*").replace(r".\*;", ".*;")):
        schedule(**wrong)


@pytest.mark.parametrize(
    ("line", "may"),
    [
        ("0 5 * * *", True),
        ("*/15 8-18 1,15 * MON-FRI", True),
        ("0 5 * jan,JUL 7", True),
        ("0 5 * *", False),
        ("0 0 5 * * *", False),
        ("60 5 * * *", False),
        ("@daily", False),
        ("every 5 minutes from here", False),
        # Of other crons; Google's has no last day, no nearest weekday and no n-th one.
        ("0 5 L * *", False),
        ("0 5 * * L5", False),
        ("0 5 15W * *", False),
        ("0 5 * * 5#1", False),
        ("0 5 ? * *", False),
        ("0 5 * * *; reboot", False),
        ("", False),
    ],
)
def test_which_cron_lines_google_takes(line: str, may: bool) -> None:
    assert is_cron(line) is may


@pytest.mark.parametrize(
    ("name", "may"),
    [("Etc/UTC", True), ("Europe/Berlin", True), ("CEST", False), ("../etc/passwd", False), ("", False)],
)
def test_which_time_zones_there_are(name: str, may: bool) -> None:
    assert is_time_zone(name) is may
