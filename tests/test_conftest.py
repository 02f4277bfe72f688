"""Which tests need a server is known by what they do, not by what they say."""

import subprocess
import sys
from pathlib import Path

import pytest

from omnipipe.laptop.home import PROJECT_ROOT

QUICK = "not servers and not e2e"
SETTINGS = "[pytest]\naddopts = -p no:bqemulator --strict-markers\nmarkers =\n    servers: x\n    e2e: x\n"
TESTS = """
import subprocess, sys
import pytest
from omnipipe.laptop.services.bigquery.emulator import argv

@pytest.fixture(scope="module")
def started(tmp_path_factory):
    return subprocess.run([*argv(tmp_path_factory.mktemp("x"), 1, "p"), "--help"]).returncode

def test_by_its_fixtures_name(bigquery_address): ...

@pytest.mark.servers
def test_by_its_mark(started):
    assert started == 0

@pytest.mark.e2e
def test_as_a_whole(): ...

def test_in_its_own_lines(tmp_path):
    try:
        subprocess.run([*argv(tmp_path, 1, "p"), "--help"])
    except Exception:
        pass  # what would hide it

def test_another_process():
    subprocess.run([sys.executable, "-c", ""], check=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text(SETTINGS)
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    (tmp_path / "test_it.py").write_text(TESTS)
    return tmp_path


def outcomes(folder: Path, marks: str, *options: str) -> tuple[set[str], str]:
    """The tests that ran, each with how it ended, and all that was said."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "-m", marks, *options],
        cwd=folder,
        env={"PYTHONPATH": str(PROJECT_ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    summary = done.stdout.partition("short test summary info")[2].splitlines()
    ended = {
        line.replace("test_it.py::test_", "").partition(" - ")[0] for line in summary if "test_it.py::" in line
    }
    return ended, done.stdout


def test_the_quick_tier_has_those_that_start_none_and_one_that_does_fails(folder: Path) -> None:
    ended, said = outcomes(folder, QUICK)
    assert ended == {"PASSED another_process", "FAILED in_its_own_lines"}
    assert "starts omnipipe.laptop.services.bigquery.emulator: mark it with @pytest.mark.servers" in said


def test_who_says_so_may_start_one(folder: Path) -> None:
    ended, _ = outcomes(folder, "servers", "-k", "mark")
    assert ended == {"PASSED by_its_mark"}
    _, listed = outcomes(folder, "servers", "--collect-only")
    assert "test_by_its_fixtures_name" in listed
    assert "test_in_its_own_lines" not in listed
