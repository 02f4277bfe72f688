"""When a stack is idle, from pulumi's own words and BigQuery's rows."""

import json
import os
import re
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.cloud import bigquery
from typer.testing import CliRunner, Result

from omnipipe.cli import app, idle
from omnipipe.contracts.tables import PIPELINE_RUNS
from omnipipe.laptop import home
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.home import PROJECT_ROOT
from tests.support import emulator

NOW = datetime.now(UTC)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def entry(kind: str, when: datetime, result: str = "succeeded") -> dict[str, Any]:
    """An entry of the history, as `pulumi stack history --json` prints it."""
    started = when.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return {
        "kind": kind,
        "startTime": started,
        "message": "",
        "environment": {"git.head": "d329765", "exec.kind": "cli"},
        "config": {"gcp:project": {"value": emulator.PROJECT, "secret": False}},
        "result": result,
        "endTime": started,
        "version": 7,
        "resourceChanges": {"create": 3, "same": 120},
    }


class World:
    """A project with Pulumi's settings, a `pulumi` on PATH that prints a history, and BigQuery's table of runs."""

    def __init__(self, folder: Path, client: bigquery.Client) -> None:
        self._folder, self._client = folder, client
        (folder / "Pulumi.yaml").write_text((PROJECT_ROOT / "Pulumi.yaml").read_text())
        self.settings("dev", protectData=False)
        self.settings("prod")
        self.pulumi("cat history.json")
        self.history(entry("update", ago(30)))

    def settings(self, stack: str, project: str = emulator.PROJECT, **own: object) -> None:
        """What a stack's file says."""
        config = {"gcp:project": project, "omnipipe:webhookUrl": "https://hooks.example.com"}
        config |= {f"omnipipe:{name}": value for name, value in own.items()}
        (self._folder / f"Pulumi.{stack}.yaml").write_text(json.dumps({"config": config}))

    def pulumi(self, script: str) -> None:
        """What the command does; it writes down how it was called."""
        program = self._folder / "pulumi"
        program.write_text(f'#!/bin/sh\ncd {self._folder}\necho "$@" >> calls\n{script}\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def calls(self) -> str:
        """How pulumi was called."""
        return (self._folder / "calls").read_text()

    def history(self, *entries: dict[str, Any]) -> None:
        """What it prints."""
        (self._folder / "history.json").write_text(json.dumps(entries))

    def run(self, started_at: datetime, started_by: str | None) -> None:
        """A run of the pipeline."""
        row = {
            "run_id": started_at.isoformat(),
            "pipeline": "daily",
            "run_date": started_at.date().isoformat(),
            "status": "succeeded",
            "started_at": started_at.isoformat(),
            "started_by": started_by,
        }
        assert self._client.insert_rows_json(PIPELINE_RUNS.id, [row]) == []

    def ask(self, stack: str = "dev", days: int = 7) -> tuple[bool, str]:
        """The answer."""
        return idle.decide(idle.read(self._folder, stack), days, NOW)


@pytest.fixture
def world(tmp_path: Path, client: bigquery.Client, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(home, "PROJECT_ROOT", tmp_path)
    monkeypatch.setattr(bigquery, "Client", lambda project: client)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return World(tmp_path, client)


def test_a_stack_that_nobody_touched_is_idle(world: World) -> None:
    world.run(ago(8), "person")
    world.run(ago(0.2), "schedule")
    answer, reason = world.ask()
    assert answer, reason
    assert "--stack dev --json" in world.calls()


@pytest.mark.parametrize(
    ("days", "expected"),
    [(7, False), (6, False), (5, True)],
)
def test_a_deployment_counts_for_its_days(world: World, days: int, expected: bool) -> None:
    world.history(entry("refresh", ago(0.1)), entry("update", ago(5.5), "failed"), entry("update", ago(30)))
    assert world.ask(days=days)[0] is expected


@pytest.mark.parametrize("who", ["person", None])
def test_a_run_of_a_person_counts_and_one_that_does_not_say_is_a_persons(world: World, who: str | None) -> None:
    world.run(ago(2), who)
    world.run(ago(9), "person")
    answer, reason = world.ask()
    assert not answer
    assert reason.startswith("it had a run that a person started at ")


def test_no_run_at_all_leaves_the_deployment_to_decide(world: World) -> None:
    assert world.ask()[0]


def test_what_was_destroyed_is_not_destroyed_again(world: World, client: bigquery.Client) -> None:
    world.history(entry("destroy", ago(9)), entry("update", ago(20)))
    client.delete_table(PIPELINE_RUNS.id)  # as it went with it
    answer, reason = world.ask()
    assert (answer, reason) == (False, "it is not deployed: there is nothing to destroy")


def test_a_destroy_that_failed_is_tried_again(world: World) -> None:
    world.history(entry("destroy", ago(1), "failed"), entry("update", ago(20)))
    assert world.ask()[0]


def test_a_stack_that_was_never_deployed_is_not_idle(world: World) -> None:
    world.history()
    assert not world.ask()[0]


def test_a_stack_that_protects_its_data_is_never_idle(world: World) -> None:
    world.history(entry("update", ago(400)))
    answer, reason = world.ask("prod")  # true is the default
    assert not answer
    assert "protectData" in reason


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo \"error: no stack named 'dev' found\" >&2; exit 255", "no stack named 'dev' found"),
        ("echo 'warning: not JSON'", "JSONDecodeError"),
        ('echo \'[{"kind": "update"}]\'', "KeyError"),
        ('echo \'[{"kind": "update", "result": "succeeded", "startTime": "last week"}]\'', "ValueError"),
    ],
)
def test_a_history_that_cannot_be_read_gives_no_answer(world: World, script: str, said: str) -> None:
    world.pulumi(script)
    with pytest.raises(LaptopError, match=said):
        world.ask()


def test_a_history_without_a_deployment_in_sight_gives_no_answer(world: World) -> None:
    world.history(*[entry("refresh", ago(1))] * 100)
    with pytest.raises(LaptopError, match="last 100 entries"):
        world.ask()


def test_no_pulumi_gives_no_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LaptopError, match="FileNotFoundError"):
        world.ask()


def test_runs_that_cannot_be_read_give_no_answer(world: World, client: bigquery.Client) -> None:
    client.delete_table(PIPELINE_RUNS.id)
    with pytest.raises(LaptopError, match=r"ops\.pipeline_runs"):
        world.ask()


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"protectData": "no"}, "protectData of the stack dev is 'no': write true or false"),
        ({"project": ""}, "Pulumi.dev.yaml does not set gcp:project"),
        ({"protectDatta": False}, "is it omnipipe:protectData?"),
    ],
)
def test_settings_that_cannot_be_read_give_no_answer(world: World, own: dict[str, Any], said: str) -> None:
    world.settings("dev", **own)
    with pytest.raises(LaptopError, match=re.escape(said)):
        world.ask()


def test_a_stack_that_is_not_there_gives_no_answer(world: World) -> None:
    with pytest.raises(LaptopError, match="no stack 'staging': choose one of dev, prod"):
        world.ask("staging")


def command(*arguments: str) -> Result:
    """Run `omnipipe idle`."""
    return CliRunner().invoke(app, ["idle", *arguments])


def test_the_command_prints_json_for_a_machine(world: World) -> None:
    done = command("--json", "--stack", "dev", "--days", "7")
    assert done.exit_code == 0
    answer = json.loads(done.stdout)
    assert list(answer) == ["stack", "idle", "reason", "last_deployment", "last_run_by_person"]
    assert (answer["stack"], answer["idle"], answer["last_run_by_person"]) == ("dev", True, None)
    assert answer["last_deployment"].startswith(f"{ago(30):%Y-%m-%d}")


@pytest.mark.parametrize(
    ("days", "expected"), [("7", "dev is idle: neither"), ("40", "dev is not idle: it was deployed")]
)
def test_the_command_prints_a_sentence_for_a_person(world: World, days: str, expected: str) -> None:
    done = command("--days", days)
    assert done.exit_code == 0
    assert expected in done.stdout


def test_without_an_answer_the_command_prints_none(world: World) -> None:
    world.pulumi("exit 1")
    done = command("--json", "--stack", "dev", "--days", "7")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "it cannot be said whether dev is idle" in str(done.exception)


@pytest.mark.parametrize("days", ["0", "-3", "week"])
def test_days_that_mean_nothing_are_refused(days: str) -> None:
    assert command("--stack", "dev", "--days", days).exit_code == 2


def test_it_needs_no_program_to_run(world: World, tmp_path: Path) -> None:
    """It asks; it must not start the program, whose modules cost a second and a login."""
    world.history()
    code = "import sys; from pathlib import Path; from omnipipe.cli import idle; "
    code += f"print(idle.read(Path({str(tmp_path)!r}), 'dev').is_up, 'pulumi' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
