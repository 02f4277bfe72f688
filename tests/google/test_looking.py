"""`status`, `logs` and `sql` at Google: what is there, and nothing that it cannot know."""

import json
from typing import Any

import pytest

from omnipipe.cli import at_google
from omnipipe.google import api
from tests.google.conftest import PLACE, Simulated, omnipipe, plain, refusal, table

RUNS = ("run_id:STRING", "status:STRING", "run_date:STRING", "started_at:TIMESTAMP")
PROJECT = "projects/omnipipe-dev"


def everything(google: Simulated, **changed: Any) -> None:
    """A stack that is up and well, but for what a test changes."""
    said: dict[str, Any] = {
        "stream": {"name": f"{PLACE}/streams/cdc", "state": "RUNNING"},
        "job": {
            "name": f"{PLACE}/jobs/dbt",
            "latestCreatedExecution": {"completionStatus": "EXECUTION_SUCCEEDED"},
        },
        "alerts": [],
        "activation": "ALWAYS",
    } | changed
    instance = {"name": "oltp-1", "state": "RUNNABLE", "settings": {"activationPolicy": said["activation"]}}
    google.on(f"GET sqladmin/v1/{PROJECT}/instances", {"items": [instance]})
    google.on(
        f"GET cloudfunctions/v2/{PLACE}/functions",
        {"functions": [{"name": f"{PLACE}/functions/weather", "state": "ACTIVE"}]},
    )
    google.on(f"GET run/v2/{PLACE}/jobs", {"jobs": [said["job"], {"name": f"{PLACE}/jobs/probe"}]})
    google.on(
        f"GET workflows/v1/{PLACE}/workflows",
        {"workflows": [{"name": f"{PLACE}/workflows/daily", "state": "ACTIVE"}]},
    )
    google.on(
        f"GET cloudscheduler/v1/{PLACE}/jobs", {"jobs": [{"name": f"{PLACE}/jobs/daily", "state": "PAUSED"}]}
    )
    google.on(f"GET datastream/v1/{PLACE}/streams", {"streams": [said["stream"]]})
    google.on(f"GET monitoring/v3/{PROJECT}/alertPolicies", {"alertPolicies": [{"displayName": "Dead letters"}]})
    google.on(f"GET monitoring/v3/{PROJECT}/alerts", {"alerts": said["alerts"]})
    table(google, *RUNS, rows=[["r", "succeeded", "2026-01-02", "1767323045000000"]])


def test_all_is_well_in_five_lines(google: Simulated) -> None:
    everything(google)
    done = omnipipe("status")
    assert done.exit_code == 0, done.output
    lines = plain(done.stdout).splitlines()
    assert lines[0] == "all well    yes: 1 database, 1 function, 2 jobs, 1 schedule, 1 workflow"
    assert lines[1] == "capture     cdc is RUNNING"
    assert lines[2] == "last run    succeeded for 2026-01-02, began 2026-01-02 03:04:05 UTC"
    assert lines[3] == "alerts      1 ok"
    assert "status --all --stack dev" in lines[4]
    assert len(lines) == 5


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"stream": {"name": "s/cdc", "state": "FAILED", "errors": [{"message": "the slot is gone"}]}},
            ["cdc is FAILED", "the slot is gone"],
        ),
        (
            {"job": {"name": "j/dbt", "latestCreatedExecution": {"completionStatus": "EXECUTION_FAILED"}}},
            ["job dbt is failed"],
        ),
        (
            {
                "alerts": [
                    {"openTime": "2026-01-02T03:04:05Z", "policy": {"displayName": "Dead letters"}, "metric": {}}
                ]
            },
            ["1 alert fires", "1 FIRING: Dead letters"],
        ),
        ({"activation": "NEVER"}, ["database oltp-1 is stopped"]),
    ],
)
def test_what_is_not_well_is_named(google: Simulated, changed: dict[str, Any], said: list[str]) -> None:
    everything(google, **changed)
    done = omnipipe("status")
    text = plain(done.stdout)
    assert text.startswith("all well    no: ")
    for words in said:
        assert words in text
    assert json.loads(omnipipe("status", "--json").stdout)["problems"]


def test_a_stack_that_rests_is_well(google: Simulated) -> None:
    everything(google, activation="NEVER", stream={"name": "s/cdc", "state": "PAUSED"})
    done = omnipipe("status")
    assert plain(done.stdout).startswith("all well    it rests: 1 database")
    assert json.loads(omnipipe("status", "--json").stdout)["problems"] == []


def test_a_table_of_runs_that_cannot_be_read_is_a_problem(google: Simulated) -> None:
    everything(google)
    google.on("POST bigquery/bigquery/v2/projects/omnipipe-dev/jobs", lambda *_: (403, "Access Denied: ops"))
    found = json.loads(omnipipe("status", "--json").stdout)
    assert "ops.pipeline_runs cannot be read: Access Denied: ops" in " ".join(found["problems"])
    assert "last_run" not in found


def test_no_stack_is_told(google: Simulated) -> None:
    for each in ("functions", "streams", "workflows"):
        host = {"functions": "cloudfunctions/v2", "streams": "datastream/v1", "workflows": "workflows/v1"}[each]
        google.on(f"GET {host}/{PLACE}/{each}", {})
    google.on(f"GET run/v2/{PLACE}/jobs", {})
    google.on(f"GET cloudscheduler/v1/{PLACE}/jobs", {})
    google.on(f"GET sqladmin/v1/{PROJECT}/instances", {})
    google.on(f"GET monitoring/v3/{PROJECT}/alertPolicies", {})
    google.on(f"GET monitoring/v3/{PROJECT}/alerts", {})
    done = omnipipe("status")
    assert "no: nothing is up: pulumi up --stack dev" in plain(done.stdout)


def test_an_api_that_refuses_is_told_in_googles_words(google: Simulated) -> None:
    everything(google)
    google.on(f"GET run/v2/{PLACE}/jobs", lambda *_: (403, "Permission 'run.jobs.list' denied"))
    assert refusal("status") == "run.googleapis.com says 403: Permission 'run.jobs.list' denied"


def test_without_credentials_it_says_how_to_get_them(google: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "credentials", lambda: None)
    assert "gcloud auth application-default login" in refusal("status")
    assert not google.asked


ENTRIES = [
    {
        "insertId": "2",
        "timestamp": "2026-01-02T03:04:06.5Z",
        "severity": "ERROR",
        "resource": {"type": "cloud_run_revision", "labels": {"service_name": "weather"}},
        "jsonPayload": {"message": "no answer", "run_id": "r1"},
    },
    {
        "insertId": "1",
        "timestamp": "2026-01-02T03:04:05Z",
        "resource": {"type": "cloud_run_job", "labels": {"job_name": "dbt"}},
        "textPayload": "Running with dbt",
    },
]


def test_logs_are_shown_the_oldest_first_with_their_services(google: Simulated) -> None:
    google.on("POST logging/v2/entries:list", {"entries": ENTRIES})
    done = omnipipe("logs", "--run", "r1", "--since", "2026-01-01T00:00")
    assert plain(done.stdout).splitlines() == [
        "2026-01-02 03:04:05         dbt Running with dbt",
        "2026-01-02 03:04:06 ERROR   weather no answer",
    ]
    (body,) = google.bodies("POST logging/v2/entries:list")
    assert 'jsonPayload.run_id=~"^r1"' in body["filter"]
    assert 'timestamp>="2026-01-01T00:00:00+00:00"' in body["filter"]
    assert body["resourceNames"] == [PROJECT]


def test_logs_of_one_service_and_what_google_says_itself(google: Simulated) -> None:
    own = {
        "insertId": "3",
        "timestamp": "2026-01-02T03:04:07Z",
        "severity": "ERROR",
        "resource": {"type": "cloud_scheduler_job", "labels": {"project_id": "p", "job_id": "daily"}},
        "jsonPayload": {"url": "https://example.com", "status": "UNAUTHENTICATED"},
    }
    google.on("POST logging/v2/entries:list", {"entries": [own]})
    done = omnipipe("logs", "daily")
    assert "daily: https://example.com" in done.stdout
    assert 'resource.labels.job_id="daily"' in google.bodies("POST logging/v2/entries:list")[0]["filter"]


def test_following_shows_each_entry_once(google: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = [{"entries": ENTRIES[1:]}, {"entries": ENTRIES[::-1]}, {"entries": ENTRIES[::-1]}]
    google.on("POST logging/v2/entries:list", pages)
    left = iter([None, None])

    def wait(_: float) -> None:
        if next(left, "end"):
            raise KeyboardInterrupt

    monkeypatch.setattr(at_google.time, "sleep", wait)
    done = omnipipe("logs", "--follow")
    assert done.stdout.count("Running with dbt") == 1
    assert done.stdout.count("no answer") == 1


def test_sql_is_exact_and_says_how_many_there_are(google: Simulated) -> None:
    table(google, "a:NUMERIC", "b:BYTES", "c:DATE", rows=[["0.001", "YWJj", "2026-01-02"], [None, None, None]])
    done = omnipipe("sql", "SELECT 1", "--csv")
    assert done.stdout == "a,b,c\n0.001,YWJj,2026-01-02\n,,\n"
    limited = omnipipe("sql", "SELECT 1", "--limit", "1")
    assert "1 of 2 rows; --limit 0 for all" in limited.stderr
    query = google.bodies("POST bigquery/bigquery/v2/projects/omnipipe-dev/jobs")[0]["configuration"]["query"]
    assert query["maximumBytesBilled"] == str(2**40)


def test_what_bigquery_refuses_is_told_in_its_words(google: Simulated) -> None:
    google.on("POST bigquery/bigquery/v2/projects/omnipipe-dev/jobs", lambda *_: (400, "Syntax error: Unexpected"))
    assert refusal("sql", "SELEC") == "Syntax error: Unexpected"
