"""Processes are found by what they carry, kept while their spec is the same, and stopped with what they started."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.processes import Processes, Spec, clean_environment

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    mine = Processes(tmp_path, lambda name: tmp_path / f"{name}.log")
    yield mine
    mine.stop(grace_s=5)


def spec(**changes: str) -> Spec:
    return Spec("sleeper", SLEEP, clean_environment() | changes)


def test_a_running_process_with_the_same_spec_is_kept(processes: Processes) -> None:
    assert processes.ensure(spec())
    pid = processes.running()["sleeper"].pid

    assert not processes.ensure(spec())
    assert processes.running()["sleeper"].pid == pid


def test_another_environment_is_another_process(processes: Processes) -> None:
    processes.ensure(spec())
    pid = processes.running()["sleeper"].pid

    assert processes.ensure(spec(SETTING="changed"))
    assert processes.running()["sleeper"].pid != pid
    assert not psutil.pid_exists(pid)


def test_a_killed_process_is_started_again(processes: Processes) -> None:
    processes.ensure(spec())
    os.kill(processes.running()["sleeper"].pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while "sleeper" in processes.running() and time.monotonic() < deadline:
        time.sleep(0.01)

    assert processes.ensure(spec())


def test_stopping_ends_children_too_also_when_their_parent_was_killed(
    processes: Processes, tmp_path: Path
) -> None:
    parent = (
        "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
    )
    processes.ensure(Spec("parent", [sys.executable, "-c", parent + "time.sleep(60)"], clean_environment()))
    leader = processes.running()["parent"]
    deadline = time.monotonic() + 5
    while not (children := leader.children()) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(leader.pid, signal.SIGKILL)

    processes.stop()

    assert not psutil.pid_exists(children[0].pid)


def test_homes_do_not_see_each_other(processes: Processes, tmp_path: Path) -> None:
    processes.ensure(spec())
    other = Processes(tmp_path / "other", lambda name: tmp_path / "other.log")

    other.stop()

    assert other.running() == {}
    assert "sleeper" in processes.running()


def test_one_that_ends_at_once_is_told_with_its_last_words(processes: Processes) -> None:
    processes.ensure(
        Spec("broken", [sys.executable, "-c", "raise SystemExit('no such table')"], clean_environment())
    )

    with pytest.raises(
        LaptopError, match=r"broken ended as soon as it was started: no such table .*omnipipe logs broken"
    ):
        processes.wait_ready("broken", lambda: False, timeout_s=5)


def test_a_process_sees_nothing_of_the_users_environment(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/home/me/key.json")

    assert "GOOGLE_APPLICATION_CREDENTIALS" not in clean_environment()
    assert "HOME" not in clean_environment()
