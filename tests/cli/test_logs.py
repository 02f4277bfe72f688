"""`logs` shows what was written, with tracebacks, of one service or of all in the order of time."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from omnipipe.laptop import platform_log
from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.home import Home, make_current
from tests.cli.test_command import refusal, run

NOW = datetime.now(UTC)


def entry(message: str, minutes_ago: float, severity: str = "INFO", **fields: str) -> str:
    stamp = (NOW - timedelta(minutes=minutes_ago)).isoformat()
    return json.dumps({"timestamp": stamp, "severity": severity, "message": message, **fields}) + "\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A cloud that was up, whose two services have written."""
    cloud = Cloud(Home(tmp_path, "omnipipe", "dev"), "omnipipe-test", "europe-west1")
    cloud.home.prepare()
    cloud.remember()
    make_current(cloud.home)
    trace = "Traceback (most recent call last):\n  File \"main.py\", line 3\nKeyError: 'x'"
    cloud.home.log_file("weather").write_text(
        entry("asked", 90, run_id="r-1")
        + entry("step weather failed: 'x'", 10, "ERROR", stack_trace=trace, run_id="r-2")
        + "plain text\n"
    )
    cloud.home.log_file("dbt").write_text(entry("built", 50, run_id="r-1") + entry("built again", 5, run_id="r-2"))
    return tmp_path


def lines(home: Path, *arguments: str) -> list[str]:
    done = run("logs", *arguments, OMNIPIPE_HOME=str(home))
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_traceback_is_shown_below_its_message(home: Path) -> None:
    shown = lines(home, "weather")
    place = next(number for number, line in enumerate(shown) if "step weather failed" in line)
    assert "ERROR" in shown[place]
    assert shown[place + 1 : place + 4] == [
        "    Traceback (most recent call last):",
        '      File "main.py", line 3',
        "    KeyError: 'x'",
    ]


def test_without_a_name_all_are_shown_in_the_order_of_time(home: Path) -> None:
    messages = [line for line in lines(home) if not line.startswith("    ")]
    assert [line.split(" ", 2)[2].split() for line in messages if "plain" not in line] == [
        ["INFO", "weather", "asked"],
        ["INFO", "dbt", "built"],
        ["ERROR", "weather", "step", "weather", "failed:", "'x'"],
        ["INFO", "dbt", "built", "again"],
    ]


def test_only_the_last_entries_are_shown(home: Path) -> None:
    assert [line.split()[-1] for line in lines(home, "dbt", "-n", "1")] == ["again"]


def test_a_run_can_be_picked_by_the_beginning_of_its_id(home: Path) -> None:
    assert [line.rpartition("INFO")[2].split() for line in lines(home, "--run", "r-1")] == [
        ["weather", "asked"],
        ["dbt", "built"],
    ]


@pytest.mark.parametrize(
    "since", ["1h", "3600s", (NOW - timedelta(hours=1)).isoformat()], ids=["age", "seconds", "time"]
)
def test_only_what_is_newer_is_shown(home: Path, since: str) -> None:
    shown = "\n".join(lines(home, "--since", since))
    assert "asked" not in shown
    assert "built again" in shown


def test_a_machine_gets_an_object_a_line(home: Path) -> None:
    found = [json.loads(line) for line in lines(home, "dbt", "--json")]
    assert [(each["service"], each["severity"], each["message"], each["run_id"]) for each in found] == [
        ("dbt", "INFO", "built", "r-1"),
        ("dbt", "INFO", "built again", "r-2"),
    ]


def test_what_is_no_time_and_what_is_no_service_is_told(home: Path) -> None:
    assert "--since is 'soon': write an age" in refusal("logs", "--since", "soon", OMNIPIPE_HOME=str(home))
    assert "choose one of dbt, weather" in refusal("logs", "nix", OMNIPIPE_HOME=str(home))


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (
            {"message": "Execution load-1 has failed to complete."},
            "load: Execution load-1 has failed to complete.",
        ),
        ({"state": "FAILED", "failure": {"exception": "{}", "source": "no (in step x)"}}, "load: no (in step x)"),
        ({"url": "https://example.com", "debugInfo": "HTTP status 403"}, "load: HTTP status 403"),
        ({"url": "https://example.com", "debugInfo": ""}, "load: https://example.com"),
    ],
)
def test_what_google_logs_of_a_workload_is_a_line_of_words(home: Path, payload: dict, words: str) -> None:
    cloud = Cloud.open(Home(home, "omnipipe", "dev"))
    labels = {"project_id": "p", "location": "l", "job_name": "load"}
    platform_log.write(cloud.home, "cloud_run_job", labels, "ERROR", payload)

    (line,) = lines(home, "platform")
    assert line.endswith(f"ERROR   {words}")
