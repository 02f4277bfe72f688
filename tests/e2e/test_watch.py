"""`up --watch`: what is saved is deployed, a mistake is told and does not end it, Ctrl-C ends only the watching."""

import signal
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import Copy
from tests.support.following import Following, following

pytestmark = pytest.mark.e2e

COMMAND = [sys.executable, "-c", "from omnipipe.cli import main; main()"]


def interrupted(watching: Following, copy: Copy) -> str:
    """What it says to Ctrl-C; nothing that ran may have ended."""
    before = copy.processes().keys()
    watching.process.send_signal(signal.SIGINT)
    said = watching.until("The watching has ended")
    assert watching.process.wait(60) == 0
    assert copy.processes().keys() == before
    return said


def test_what_is_saved_is_deployed_and_a_mistake_does_not_end_it(copy: Copy) -> None:
    with following([*COMMAND, "up", "--watch"], copy.environment, copy.tree) as watching:
        watching.until("Watching ")
        before = {name: process.pid for name, process in copy.processes().items()}
        time.sleep(2)  # until every folder is watched

        with copy.added("functions/weather/main.py", "# a comment more\n"):
            said = watching.until("  deployed, after ")
            assert "functions/weather/main.py\n" in said
            assert "  changed cloudfunctionsv2.Function omnipipe-daily-weather-function\n" in said
            after = {name: process.pid for name, process in copy.processes().items()}
            assert {name for name in before if before[name] != after.get(name)} == {"weather"}
        watching.until("  deployed, after ")

        with copy.mistake("Pulumi.dev.yaml", "schedulePaused: true", "schedulePaused: maybe"):
            said = watching.until("not deployed")
            assert "error: Pulumi.dev.yaml:5: schedulePaused is 'maybe'" in said
        watching.until("  nothing to deploy, after ")

        with copy.mistake("components/platform/capture.py", 'DATABASE = "mobility"', 'DATABASE = "rides"'):
            said = watching.until("not deployed")
            assert "its data lost: name mobility becomes rides" in said  # it asks nobody, and loses nothing
        watching.until("to deploy, after ")
        interrupted(watching, copy)


def test_ctrl_c_carries_a_deployment_that_has_begun_to_its_end(copy: Copy) -> None:
    with following([*COMMAND, "up", "--watch"], copy.environment, copy.tree) as watching:
        watching.until("Watching ")
        time.sleep(2)
        with copy.added("functions/weather/main.py", "# a comment more\n"):
            watching.until("functions/weather/main.py")
            assert "carried to its end" in interrupted(watching, copy)
            code = copy.processes()["weather"].cwd()
            assert Path(code, "main.py").read_text().endswith("# a comment more\n")


def test_it_is_not_for_machines(copy: Copy) -> None:
    done = copy.run("up", "--watch", "--json")
    assert done.returncode == 2
    assert "leave --json out" in done.stderr
