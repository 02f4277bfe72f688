"""`run`, `probe` and `replay` at Google: an execution is started, followed to its end, and what it did is shown."""

import json
from typing import Any

import pytest

from omnipipe.google import executions
from tests.google.conftest import PLACE, RUN_ID, Simulated, omnipipe, plain, refusal, run_of_the_day, table

EXECUTIONS = f"POST workflowexecutions/v1/{PLACE}/workflows/daily/executions"
STEPS = ("step:STRING", "status:STRING", "rows:INTEGER", "seconds:FLOAT", "message:STRING")


def job(google: Simulated, name: str, **end: Any) -> None:
    """Let an execution of a job end so."""
    operation = f"{PLACE}/operations/o"
    execution = f"{PLACE}/jobs/{name}/executions/{name}-x1"
    started = {"name": operation, "metadata": {"name": execution}}
    google.on(f"POST run/v2/{PLACE}/jobs/{name}:run", started)
    google.on(f"GET run/v2/{operation}", [started, started | {"done": True} | end])


def test_the_day_is_followed_and_its_steps_are_shown(google: Simulated) -> None:
    run_of_the_day(google, result="{}")
    table(
        google,
        *STEPS,
        rows=[["capture", "succeeded", None, "1.25", "caught up"], ["dbt", "succeeded", "12", "60", ""]],
    )

    done = omnipipe("run", "--date", "2026-01-02")

    assert done.exit_code == 0, done.output
    assert done.stderr.startswith("At Google: the stack dev, project omnipipe-dev, europe-west1\n")
    assert json.loads(google.bodies(EXECUTIONS)[0]["argument"]) == {"run_date": "2026-01-02"}
    lines = [line.split() for line in plain(done.stdout).splitlines()]
    assert ["capture", "succeeded", "1.25", "caught", "up"] in lines
    assert ["dbt", "succeeded", "12", "60.00"] in lines
    assert f"Run {RUN_ID} succeeded after" in done.stdout


def test_a_full_refresh_is_an_argument_of_the_workflow(google: Simulated) -> None:
    run_of_the_day(google, result="{}")
    table(google, *STEPS, rows=[])
    assert omnipipe("run", "--full-refresh", "fct_trip").exit_code == 0
    assert json.loads(google.bodies(EXECUTIONS)[0]["argument"]) == {"full_refresh": "fct_trip"}


def test_a_run_that_fails_says_why_and_where_its_logs_are(google: Simulated) -> None:
    run_of_the_day(google, "FAILED", error={"payload": json.dumps({"step": "dbt", "message": "no"})})
    table(google, *STEPS, rows=[["dbt", "failed", None, "3", "fct_trip: division by zero"]])

    done = omnipipe("run")

    assert done.exit_code == 1
    assert "failed: fct_trip: division by zero" in plain(done.stderr)
    assert f"logs --run {RUN_ID[:8]} --stack dev" in done.stderr


def test_a_run_that_somebody_cancels_has_an_end(google: Simulated) -> None:
    run_of_the_day(google, "CANCELLED")
    table(google, *STEPS, rows=[])
    done = omnipipe("run", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["error"] == {"message": "the execution is CANCELLED"}
    assert done.stderr == ""


@pytest.mark.parametrize("payload", ["the workflow was stopped", '"the workflow was stopped"'])
def test_what_failed_without_a_record_is_told_all_the_same(google: Simulated, payload: str) -> None:
    run_of_the_day(google, "FAILED", error={"payload": payload})
    table(google, *STEPS, rows=[])
    assert json.loads(omnipipe("run", "--json").stdout)["error"] == {"message": "the workflow was stopped"}


def test_a_workflow_by_its_name_that_returns_nothing(google: Simulated) -> None:
    google.on(f"GET run/v2/{PLACE}/jobs", {})
    workflow = {"name": f"{PLACE}/workflows/daily", "state": "ACTIVE"}
    google.on(f"GET workflows/v1/{PLACE}/workflows", {"workflows": [workflow]})
    run_of_the_day(google)
    done = omnipipe("run", "daily", "--data", '{"run_date": "2026-01-02"}')
    assert done.exit_code == 0, done.output
    assert "daily succeeded after" in done.stdout
    assert "--data is not JSON" in refusal("run", "daily", "--data", "{")


def test_what_is_lost_on_the_way_does_not_end_a_run(google: Simulated) -> None:
    run_of_the_day(google, result="{}")
    name = f"{PLACE}/workflows/daily/executions/{RUN_ID}"
    google.on(
        f"GET workflowexecutions/v1/{name}",
        [(503, "busy"), (429, "too many"), {"name": name, "state": "SUCCEEDED", "result": "{}"}],
    )
    table(google, *STEPS, rows=[])
    assert omnipipe("run").exit_code == 0


def test_an_answer_that_stays_away_is_told_with_what_goes_on(
    google: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_of_the_day(google)
    name = f"{PLACE}/workflows/daily/executions/{RUN_ID}"
    google.on(f"GET workflowexecutions/v1/{name}", lambda *_: (503, "busy"))
    said = refusal("run")
    assert "workflowexecutions.googleapis.com says 503: busy" in said
    assert f"The run {RUN_ID} goes on at Google. To end it: gcloud workflows executions cancel {RUN_ID}" in said


def test_ctrl_c_leaves_the_run_and_says_how_to_end_it(google: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    run_of_the_day(google)

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(executions.time, "sleep", interrupted)
    done = omnipipe("run")
    assert done.exit_code == 130
    assert f"gcloud workflows executions cancel {RUN_ID} --workflow=daily --location=europe-west1" in done.stderr


def test_a_stack_that_is_not_up_is_told(google: Simulated) -> None:
    assert "there is no daily in omnipipe-dev, europe-west1: `pulumi up --stack dev` makes it" in refusal("run")


def test_a_step_alone_runs_on_the_laptop_only(google: Simulated) -> None:
    assert "one step alone runs on the laptop" in refusal("run", "--only", "dbt")
    assert not google.asked


def test_a_job_by_its_name(google: Simulated) -> None:
    google.on(f"GET run/v2/{PLACE}/jobs", {"jobs": [{"name": f"{PLACE}/jobs/migrate"}]})
    google.on(
        f"GET workflows/v1/{PLACE}/workflows",
        {"workflows": [{"name": f"{PLACE}/workflows/daily", "state": "ACTIVE"}]},
    )
    job(google, "migrate", response={})
    done = omnipipe("run", "migrate")
    assert done.exit_code == 0, done.output
    assert "migrate succeeded after" in done.stdout

    job(google, "migrate", error={"code": 9, "message": "the container exited with 1"})
    failed = omnipipe("run", "migrate")
    assert failed.exit_code == 1
    assert "the container exited with 1" in failed.stderr
    assert "choose one of daily, migrate" in refusal("run", "nix")


def test_the_probe_measures_and_the_open_alerts_are_shown(google: Simulated) -> None:
    job(google, "probe", response={})
    policies = [{"displayName": name, "severity": "ERROR"} for name in ("Capture lags behind", "Dead letters")]
    google.on("GET monitoring/v3/projects/omnipipe-dev/alertPolicies", {"alertPolicies": policies})
    opened = {
        "state": "OPEN",
        "openTime": "2026-01-02T03:04:05Z",
        "policy": {"displayName": "Dead letters", "severity": "ERROR"},
        "metric": {"labels": {"subject": "ops.dead_letters"}},
    }
    google.on("GET monitoring/v3/projects/omnipipe-dev/alerts", {"alerts": [opened]})

    done = omnipipe("probe", "--json")

    assert [(each["policy"], each["state"], each["subject"]) for each in json.loads(done.stdout)] == [
        ("Capture lags behind", "ok", ""),
        ("Dead letters", "FIRING", "ops.dead_letters"),
    ]
    assert ("GET monitoring/v3/projects/omnipipe-dev/alerts", {}, {"filter": 'state="OPEN"'}) in google.asked


def test_replay_asks_the_workflow(google: Simulated) -> None:
    run_of_the_day(google, result=json.dumps({"message": "2 dead letters sent"}))
    done = omnipipe("replay", "--all")
    assert done.stdout == "2 dead letters sent.\n"
    assert json.loads(google.bodies(EXECUTIONS)[0]["argument"]) == {"replay": "all"}

    run_of_the_day(google, "FAILED", error={"payload": json.dumps({"message": "0 messages sent; not sent: a"})})
    assert refusal("replay", "a") == "0 messages sent; not sent: a"


@pytest.mark.parametrize(
    ("action", "environment"),
    [
        (("seed", "--trips", "50"), {"ACTION": "seed", "TRIPS": "50"}),
        (("traffic", "--seconds", "2", "--rate", "7"), {"ACTION": "traffic", "SECONDS": "2.0", "RATE": "7.0"}),
    ],
)
def test_the_business_is_played_by_a_job_in_the_network(
    google: Simulated, action: tuple[str, ...], environment: dict[str, str]
) -> None:
    job(google, "business", response={})
    entry = {
        "insertId": "1",
        "timestamp": "2026-01-02T03:04:05Z",
        "resource": {"type": "cloud_run_job", "labels": {"job_name": "business"}},
        "jsonPayload": {"message": "5 customers and 50 trips loaded"},
    }
    google.on("POST logging/v2/entries:list", {"entries": [entry]})

    done = omnipipe(*action)

    assert done.exit_code == 0, done.output
    assert "5 customers and 50 trips loaded. Next: " in done.stdout
    (body,) = google.bodies(f"POST run/v2/{PLACE}/jobs/business:run")
    (overridden,) = body["overrides"]["containerOverrides"]
    assert {each["name"]: each["value"] for each in overridden["env"]} == environment
    assert 'execution_name"="business-x1"' in google.bodies("POST logging/v2/entries:list")[0]["filter"]

    job(google, "business", error={"code": 9, "message": "exit 1"})
    assert refusal(*action) == "5 customers and 50 trips loaded", "its last words say why"
