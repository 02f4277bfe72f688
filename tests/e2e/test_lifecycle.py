"""Both stacks come up; Ctrl-C leaves nothing behind; what is in the way is told in one line."""

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.home import Home
from omnipipe.laptop.processes import Processes
from tests.e2e.conftest import COMMAND, PORTS_OF_A_CLOUD, Laptop
from tests.support.ports import free_ports

pytestmark = pytest.mark.e2e


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Laptop]:
    """A laptop cloud of one test's own, not up yet."""
    made = Laptop(tmp_path / "home", free_ports(PORTS_OF_A_CLOUD))
    yield made
    made.run("down", "--purge")


def left_over(laptop: Laptop) -> list[str]:
    """Names of processes that still run for the dev stack."""
    home = Home(laptop.home, "omnipipe", "dev")
    return sorted(Processes(home.directory, home.log_file).running())


def test_ctrl_c_at_any_moment_leaves_no_process_and_the_next_up_goes_on(fresh: Laptop) -> None:
    # Nothing runs yet; the database starts; the program waits for a job; the daily run waits for another.
    for moment in (None, "postgres-omnipipe-capture-oltp-instance", "migrate", "dbt"):
        demo = subprocess.Popen(
            [COMMAND, "demo", "--trips", "2000"],
            env=fresh.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        time.sleep(1)
        deadline = time.monotonic() + 60
        while moment and moment not in left_over(fresh):
            assert time.monotonic() < deadline, moment
            time.sleep(0.05)
        demo.send_signal(signal.SIGINT)
        out, err = demo.communicate(timeout=60)

        assert demo.returncode == 130, (moment, out, err)
        assert "Traceback" not in out + err, moment
        assert left_over(fresh) == [], moment
    fresh.ok("up")
    fresh.ok("seed", "--trips", "2000")
    assert fresh.daily()["status"] == "succeeded"


def test_both_stacks_come_up_one_at_a_time_and_keep_their_own_data(fresh: Laptop) -> None:
    fresh.ok("up", "--stack", "prod")
    assert Cloud.open(Home(fresh.home, "omnipipe", "prod")).project == "omnipipe-prod"
    fresh.ok("seed", "--trips", "500")
    assert fresh.daily()["status"] == "succeeded"

    refused = fresh.run("up")
    assert refused.returncode == 1
    assert (
        refused.stderr == "error: the stack prod is up: take it down first with `omnipipe down`, its data stays\n"
    )

    fresh.ok("down")
    fresh.ok("up")
    assert Cloud.open(Home(fresh.home, "omnipipe", "dev")).project == "omnipipe-dev"


def test_a_second_up_at_the_same_time_is_told_to_wait(fresh: Laptop) -> None:
    first = subprocess.Popen([COMMAND, "up"], env=fresh.environment, stdout=subprocess.DEVNULL)
    lock = fresh.home / "lock"
    deadline = time.monotonic() + 10
    while not (lock.exists() and lock.read_text() == str(first.pid)) and time.monotonic() < deadline:
        time.sleep(0.01)

    second = fresh.run("up")

    assert first.wait(60) == 0
    assert second.returncode == 1
    assert f"another omnipipe command (pid {first.pid}) is at work" in second.stderr
    assert len(second.stderr.splitlines()) == 1
