"""The command, on a small tree of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from omnipipe.laptop.home import PROJECT_ROOT
from tests.mutants.__main__ import GRACE_S, QUICK, Copy, belonging, examine
from tests.mutants.operators import Mutant

FEE = "def fee(km):\n    if km < 3:\n        return 0\n    return 2 * km\n"
TESTS = """
from shop.price import fee

def test_a_short_way_is_free():
    assert (fee(2), fee(4)) == (0, 8)
"""
SETTINGS = """
[tool.pytest.ini_options]
markers = ["servers", "e2e"]
addopts = "-p no:bqemulator --import-mode=importlib"
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with one rule, whose limit no test asks for."""
    root = tmp_path / "tree"
    for name, text in {
        "pyproject.toml": SETTINGS,
        "shop/price.py": FEE,
        "shop/unused.py": FEE,
        "tests/shop/test_price.py": TESTS,
        ".gitignore": "__pycache__/\n/private.txt\n",
        "private.txt": "not for a copy",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    (tmp_path / "copies").mkdir()
    return root


def start(tree: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.mutants", *arguments],
        cwd=tree,
        # The tool is imported from here, and where it stands is given to no copy.
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT), "TMPDIR": str(tree.parent / "copies")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(tree: Path, *arguments: str) -> tuple[int, str, str]:
    process = start(tree, *arguments)
    said, refused = process.communicate(timeout=120)
    return process.returncode, said, refused


def files(root: Path) -> dict[str, str]:
    """The tree's files, without git's."""
    names = [path for path in root.rglob("*") if path.is_file() and ".git" not in path.parts]
    return {str(path.relative_to(root)): path.read_text() for path in names}


def test_what_no_test_asks_for_is_listed_and_nothing_else(tree: Path) -> None:
    before = files(tree)
    code, said, refused = run(tree, "shop/price.py")

    assert code == 0, refused
    shown = said.split("\n\n")
    assert sorted(shown[:-1]) == [
        "shop/price.py:2\n-    if km < 3:\n+    if km < 4:",
        "shop/price.py:2\n-    if km < 3:\n+    if km <= 3:",
    ]
    assert "8 mutants, 6 seen by the tests, 2 survived (" in shown[-1]
    assert "SERVERS=1" in shown[-1]
    assert files(tree) == before
    assert not list((tree.parent / "copies").iterdir())


def test_the_tests_see_what_is_not_committed_and_not_what_git_ignores(tree: Path) -> None:
    asks = "from pathlib import Path\n\ndef test_it():\n    assert not Path('private.txt').exists()\n"
    (tree / "tests/shop/test_tree.py").write_text(asks)
    (tree / "tests/shop/test_price.py").write_text(TESTS + "    assert fee(3) == 6\n")
    code, said, refused = run(tree, "shop/price.py")
    assert code == 0, refused
    assert "8 mutants, 8 seen by the tests, 0 survived" in said


def test_an_end_from_outside_leaves_the_tree_as_it_was_and_no_copy(tree: Path) -> None:
    (tree / "tests/shop/test_price.py").write_text(TESTS + "    import time; time.sleep(0.3)\n")
    for kill in (signal.SIGINT, signal.SIGTERM):
        before = files(tree)
        process = start(tree, "shop/price.py")
        copies, deadline = tree.parent / "copies", time.monotonic() + 60
        while not any(path.read_text() != FEE for path in copies.glob("*/*/shop/price.py")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(kill)
        process.communicate(timeout=60)
        assert process.returncode == 1
        assert files(tree) == before
        assert not list(copies.iterdir())


def test_it_ends_in_time_and_what_was_not_tried_is_counted(tree: Path, tmp_path: Path) -> None:
    rules = "".join(f"    if km < -{number}:\n        return {number}\n" for number in range(1, 20))
    (tree / "shop/price.py").write_text(FEE.replace("    if", f"{rules}    if"))
    (tree / "tests/shop/test_price.py").write_text(TESTS + "    import time; time.sleep(0.5)\n")
    survived: list[Mutant] = []
    outcome = examine(tree, Path("shop/price.py"), QUICK, 6, tmp_path / "copies", survived.append)
    assert 0 < outcome.tried < outcome.mutants
    assert outcome.survivors == survived
    assert survived


def test_tests_that_a_mutant_keeps_from_ending_are_ended(tree: Path) -> None:
    (tree / "shop/price.py").write_text("while True:\n    pass\n")
    copy = Copy(tree, Path("shop/price.py"), ["tests/shop/test_price.py"], QUICK)
    began = time.monotonic()
    code, _ = copy.run(1)
    assert code is None
    assert time.monotonic() - began < 1 + 2 * GRACE_S


@pytest.mark.parametrize(
    ("file", "tests", "complaint"),
    [
        ("shop/unused.py", TESTS, "no test without servers comes to shop/unused.py"),
        ("shop/price.py", TESTS.replace("(0, 8)", "(0, 9)"), "the tests fail as they are"),
        (
            "shop/price.py",
            TESTS.replace("def test", "import pytest\n@pytest.mark.servers\ndef test"),
            "no test without servers belongs to shop/price.py",
        ),
        ("shop/none.py", TESTS, "shop/none.py is no Python file of the program"),
        ("../tree/shop/price.py", TESTS, "is no Python file of the program"),
        ("tests/shop/test_price.py", TESTS, "is no Python file of the program"),
        (".", TESTS, "is no Python file of the program"),
    ],
)
def test_where_nothing_is_to_be_learnt_it_says_so(tree: Path, file: str, tests: str, complaint: str) -> None:
    (tree / "tests/shop/test_price.py").write_text(tests)
    code, said, refused = run(tree, file)
    assert (code, said) == (1, "")
    assert complaint in refused
    assert not list((tree.parent / "copies").iterdir())


@pytest.mark.parametrize(
    ("file", "first", "also", "not_"),
    [
        (
            "jobs/dvt/kinds.py",
            "jobs/dvt/test_kinds.py",
            "jobs/dvt/test_validation.py",
            "jobs/dbt/test_job.py",
        ),
        ("jobs/dvt/validation.py", "jobs/dvt/test_validation.py", "jobs/dvt/test_job.py", "jobs/dbt/test_job.py"),
        (
            "functions/weather/main.py",
            "functions/test_weather.py",
            "functions/test_weather.py",
            "test_readme.py",
        ),
        ("omnipipe/runtime/job.py", "runtime/test_job.py", "runtime/test_log.py", "jobs/dvt/test_job.py"),
        ("omnipipe/laptop/ports.py", "laptop/test_ports.py", "laptop/test_cloud.py", "laptop/iam/test_gate.py"),
    ],
)
def test_the_tests_of_a_file_are_those_of_its_folder(file: str, first: str, also: str, not_: str) -> None:
    found = belonging(PROJECT_ROOT, Path(file))
    assert found[0] == f"tests/{first}"
    assert f"tests/{also}" in found
    assert f"tests/{not_}" not in found
