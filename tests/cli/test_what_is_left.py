"""What a command leaves behind: its exit code for a script, how much it prints, and the files of a stack."""

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from omnipipe.cli import app, runs
from omnipipe.laptop import lifecycle
from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.home import PROJECT_ROOT, Home, make_current
from omnipipe.laptop.processes import Spec, clean_environment
from tests.cli.test_command import run
from tests.laptop.conftest import PROJECT

FAILED = {"status": "failed", "error": {"message": "no"}}


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    """A cloud that was up, beside another stack's data."""
    made = Cloud(Home(tmp_path, "omnipipe", "dev"), PROJECT, "europe-west1", program=PROJECT_ROOT)
    made.home.prepare()
    made.remember()
    make_current(made.home)
    (made.home.path("bigquery") / "data").write_text("rows")
    Home(tmp_path, "omnipipe", "prod").path("bigquery")
    return made


@pytest.mark.parametrize(("outcome", "code"), [({"status": "succeeded"}, 0), (FAILED, 1)])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_run_ends_as_its_day_did(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, outcome: dict[str, Any], code: int, options: list[str]
) -> None:
    result = {"run_id": "r", "seconds": 1.0, "steps": [], **outcome}
    monkeypatch.setenv("OMNIPIPE_HOME", str(cloud.home.root))
    monkeypatch.setattr(lifecycle, "is_whole", lambda cloud: True)
    monkeypatch.setattr(runs, "daily_run", lambda cloud, run_date, *, full_refresh, quiet: result)

    done = CliRunner().invoke(app, ["run", *options])

    assert done.exit_code == code, done.output
    if options:
        assert json.loads(done.stdout) == result


@pytest.mark.parametrize(
    ("count", "shown"), [("1", ["third"]), ("2", ["second", "third"]), ("9", ["first", "second", "third"])]
)
def test_logs_shows_the_last_so_many(cloud: Cloud, count: str, shown: list[str]) -> None:
    entries = [
        {"timestamp": f"2026-03-01T00:00:0{second}+00:00", "severity": "INFO", "message": message}
        for second, message in enumerate(("first", "second", "third"))
    ]
    cloud.home.log_file("dbt").write_text("".join(json.dumps(entry) + "\n" for entry in entries))

    done = run("logs", "dbt", "--lines", count, OMNIPIPE_HOME=str(cloud.home.root))

    assert done.returncode == 0, done.stderr
    assert [line.split()[-1] for line in done.stdout.splitlines()] == shown


@pytest.mark.parametrize("purge", [False, True])
def test_down_ends_what_runs_and_keeps_the_data_unless_it_is_to_be_purged(cloud: Cloud, purge: bool) -> None:
    cloud.processes.ensure(Spec("sleeper", ["sleep", "60"], clean_environment()))
    pid = cloud.processes.running()["sleeper"].pid
    # Its parent is this process, which has to take its end, as init does for a user's.
    threading.Thread(target=os.waitpid, args=(pid, 0), daemon=True).start()
    sockets = cloud.home.sockets  # made when it is asked for
    options = ["--purge"] if purge else []

    done = run("down", "--json", *options, OMNIPIPE_HOME=str(cloud.home.root))

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"stopped": ["sleeper"], "purged": purge}
    assert cloud.processes.running() == {}
    assert (cloud.home.directory / "bigquery" / "data").exists() is not purge
    assert cloud.home.directory.exists() is not purge
    assert sockets.exists() is not purge
    assert (cloud.home.root / "current").exists() is not purge
    assert (cloud.home.root / "omnipipe" / "prod" / "bigquery").exists()  # another stack's data is its own


def test_after_a_purge_there_is_no_cloud_to_speak_of(cloud: Cloud) -> None:
    home = str(cloud.home.root)
    assert "The data is removed" in run("down", "--purge", OMNIPIPE_HOME=home).stdout
    assert "run `omnipipe up`" in run("status", OMNIPIPE_HOME=home).stderr
