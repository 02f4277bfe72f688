"""The command as a user sees it: its help, and one line with exit code 1 for what a user can mend."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from omnipipe.cli import app
from omnipipe.laptop import home
from omnipipe.laptop.home import PROJECT_ROOT
from tests.support.terminal import HERE

COMMAND = str(Path(sys.executable).with_name("omnipipe"))
COMMANDS = sorted(typer.main.get_group(app).commands)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments],
        env={**os.environ, "COLUMNS": "100", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refusal(*arguments: str, **environment: str) -> str:
    """Run it; it must fail as a command does that tells what to do. Returns its one line."""
    done = run(*arguments, **environment)
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    said = HERE.sub("", done.stderr)
    assert said.startswith("error: "), done.stderr
    assert said.count("\n") == 1, done.stderr
    return said


def test_help_lists_every_command() -> None:
    done = run("--help")

    assert done.returncode == 0
    for command in COMMANDS:
        assert re.search(rf"^\W*{command} +[A-Z]\w+", done.stdout, re.MULTILINE), command


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command: str) -> None:
    done = run(command, "--help")

    assert done.returncode == 0
    assert f"omnipipe {command}" in done.stdout
    options = [line for line in done.stdout.splitlines() if re.match(r"^\W*--[a-z]", line)]
    assert options
    for line in options:  # each option says what it is for
        assert re.search(r"[a-z]+ [a-z]+", line.split("--", 1)[1]), line


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_of_commands_names_every_command(command: str) -> None:
    assert re.search(rf"`omnipipe {command}\b", (PROJECT_ROOT / "docs" / "commands.md").read_text())


@pytest.mark.parametrize(
    "page",
    [PROJECT_ROOT / "README.md", *sorted((PROJECT_ROOT / "docs").rglob("*.md"))],
    ids=lambda page: page.stem,
)
def test_no_page_names_a_command_that_is_not_there(page: Path) -> None:
    named = set(re.findall(r"`omnipipe ([a-z]+)", page.read_text()))
    assert named - set(COMMANDS) == set()


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("status",),
        ("sql", "SELECT 1"),
        ("logs", "weather"),
        ("seed",),
        ("traffic",),
        ("replay", "--all"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_without_a_cloud_it_says_how_to_get_one(arguments: tuple[str, ...], tmp_path: Path) -> None:
    assert "run `omnipipe up`" in refusal(*arguments, OMNIPIPE_HOME=str(tmp_path))


def test_down_without_a_cloud_is_no_error(tmp_path: Path) -> None:
    done = run("down", "--purge", "--json", OMNIPIPE_HOME=str(tmp_path))
    assert done.returncode == 0
    assert json.loads(done.stdout)["stopped"] == []


def test_a_port_in_use_is_told_with_who_has_it_and_nothing_is_left_running(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        said = refusal("up", OMNIPIPE_HOME=str(tmp_path), OMNIPIPE_PORT=port)

    assert f"port {port}" in said
    assert f"(pid {os.getpid()})" in said
    assert "OMNIPIPE_PORT=" in said
    done = run("down", "--json", OMNIPIPE_HOME=str(tmp_path))
    assert json.loads(done.stdout)["stopped"] == []


@pytest.mark.parametrize("command", ["up", "down"])
def test_a_second_one_at_the_same_time_is_told_who_is_at_work(tmp_path: Path, command: str) -> None:
    (tmp_path / "current").write_text("omnipipe/dev")
    with home.lock(tmp_path):
        said = refusal(command, OMNIPIPE_HOME=str(tmp_path))
    assert f"pid {os.getpid()}" in said
    assert "wait until it has ended" in said


def test_a_home_that_cannot_be_is_told_with_the_way_out() -> None:
    said = refusal("up", OMNIPIPE_HOME="/dev/null/x")
    assert "cannot write to /dev/null/x/omnipipe/dev (Not a directory)" in said
    assert "OMNIPIPE_HOME" in said
    assert "run `omnipipe up`" in refusal("status", OMNIPIPE_HOME="/dev/null/x")


def test_a_home_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "current").mkdir()  # root may read everything but a folder
    assert f"cannot read {tmp_path} (Is a directory)" in refusal("status", OMNIPIPE_HOME=str(tmp_path))


@pytest.mark.parametrize("arguments", [(), ("an-id", "--all")], ids=["nothing", "both"])
def test_a_replay_of_nothing_that_can_be_told_is_refused(arguments: tuple[str, ...], tmp_path: Path) -> None:
    said = refusal("replay", *arguments, OMNIPIPE_HOME=str(tmp_path))
    assert "give the ids of dead letters, or --all" in said
    assert "FROM ops.dead_letters WHERE origin = 'webhook'" in said


@pytest.mark.parametrize("day", ["today", "2026-02-30", "01.02.2026"])
def test_a_date_that_is_none_is_told(day: str, tmp_path: Path) -> None:
    said = refusal("run", "--date", day, OMNIPIPE_HOME=str(tmp_path))
    assert f"--date is '{day}': write a day as YYYY-MM-DD" in said


def test_an_unknown_stack_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    said = refusal("up", "--stack", "test", OMNIPIPE_HOME=str(tmp_path))
    assert "no stack 'test': choose one of dev, prod" in said
    # It left nothing that another command takes for a cloud.
    assert "run `omnipipe up`" in refusal("status", OMNIPIPE_HOME=str(tmp_path))


@pytest.mark.parametrize("port", ["http", "80", "65001"])
def test_a_port_that_is_none_is_told(port: str, tmp_path: Path) -> None:
    said = refusal("up", OMNIPIPE_HOME=str(tmp_path), OMNIPIPE_PORT=port)
    assert f"OMNIPIPE_PORT is '{port}'" in said


@pytest.mark.parametrize(
    "arguments",
    [("up", "--sta"), ("run", "--when"), ("nothing",), ("seed", "--trips", "0"), ("traffic", "--rate", "many")],
    ids=" ".join,
)
def test_a_command_line_that_is_wrong_is_told_without_a_traceback(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
