"""Who is asked about a tree: rehearsal, policies, laptop and unit tests; each tells what it has noticed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.components.conftest import EVERYTHING
from tests.mutants.__main__ import QUICK, belonging

ROOT = Path(__file__).resolve().parents[3]
_LONGEST_S = 3600
_LONGEST_TEXT = 240
# It says what is registered, whatever that is: it would notice each mistake, and each change that is none.
_GOLDEN = "tests/components/test_golden.py"
_UNITS = ("tests/components", "tests/stacks")


class Unanswered(Exception):
    """One that was asked did not answer, so nothing is known."""


def rehearsal(tree: Path, stack: str, whole: bool) -> str:
    """The first thing that a rehearsal finds wrong with a program, in its words; "" for nothing."""
    _leave_policies_out(tree / "rehearsal.yaml")
    if stack == "prod":
        _write_everything(tree)
    done = _run(ROOT, "omnipipe.cli", "rehearse", "--program", str(tree), "--stack", stack, "--json", *_how(whole))
    try:
        report = json.loads(done.stdout)
    except ValueError:
        raise Unanswered(f"the rehearsal did not end with a report: {_last(done.stderr)}") from None
    for step in report["steps"]:
        if found := step["problems"]:
            problem = next((each for each in found if each["request"]), found[0])
            whose = f"{problem['resource']}: " if problem["resource"] else ""
            return _line(f"{step['name']}: {whose}{_essence(problem['error'])}", tree)
    forgotten = [each for each in report["left"] or () if not each["why"]]
    return f"left: {forgotten[0]['host']} {forgotten[0]['name']}" if forgotten else ""


def _essence(error: str) -> str:
    """An error without what surrounds it: the exception of a program, Google's words without their details."""
    return _last(error) if "Traceback (most recent call last)" in error else error.partition("Details:")[0]


def _how(whole: bool) -> tuple[str, ...]:
    return () if whole else ("--quick",)


def laptop(tree: Path, stack: str, whole: bool) -> str:
    """What `omnipipe preview` of the tree's own laptop refuses; "" for nothing."""
    _leave_policies_out(tree / "laptop.yaml")
    said = _preview(tree, stack)
    return _line(_last(said), tree) if said else ""


def policies(tree: Path, stack: str, whole: bool) -> str:
    """The first thing that the policies refuse in `omnipipe preview`; "" for nothing."""
    _, refused, said = _preview(tree, stack).partition("policies refuse the program")
    return _line(next(each for each in said.split("\n") if "(policy " in each), tree) if refused else ""


def _preview(tree: Path, stack: str) -> str:
    """What `omnipipe preview` says of a program that it refuses; "" if it does not."""
    if stack == "prod":
        _write_everything(tree)
    with tempfile.TemporaryDirectory(prefix="mistakes-home-") as home:
        done = _run(tree, "omnipipe.cli", "preview", "--stack", stack, OMNIPIPE_HOME=home)
    return (done.stderr or done.stdout) if done.returncode else ""


def _leave_policies_out(declared: Path) -> None:
    """Declare no policies: they are asked by themselves."""
    said: dict[str, Any] = yaml.safe_load(declared.read_text())
    said.pop("policies", None)
    declared.write_text(yaml.safe_dump(said))


def _write_everything(tree: Path) -> None:
    """Let prod have all that a stack may leave out, in the types that the project says."""
    types: dict[str, Any] = yaml.safe_load((tree / "Pulumi.yaml").read_text())["config"]
    file = tree / "Pulumi.prod.yaml"
    said: dict[str, Any] = yaml.safe_load(file.read_text())
    for key, text in EVERYTHING.items():
        is_text = types[key.partition(":")[2]]["type"] == "string"
        said["config"][key] = text if is_text else yaml.safe_load(text)
    file.write_text(yaml.safe_dump(said))


def units(tree: Path, stack: str, whole: bool) -> str:
    """The first test of the components and stacks that fails, less the golden ones; "" for none."""
    return _tests(tree, *_UNITS, "--ignore", _GOLDEN)


Asked = Callable[[Path, str, bool], str]
# In the order of the page. The tests come before what changes a stack's settings.
ASKED: Mapping[str, Asked] = {"rehearsal": rehearsal, "policies": policies, "laptop": laptop, "units": units}


def own_tests(tree: Path, file: str) -> str:
    """The first that fails of the tests of a changed file's own, which are quick; "" for none."""
    if not file.endswith(".py") or not file.startswith("components/"):
        return ""
    own = [each for each in belonging(tree, Path(file))[:1] if each != _GOLDEN]
    return _tests(tree, *own) if own else ""


def _tests(tree: Path, *which: str) -> str:
    options = ("-x", "-q", "--tb=no", "-rfE", "-p", "no:cacheprovider", "-m", QUICK)
    done = _run(tree, "pytest", *options, *which, COLUMNS="400")
    if done.returncode == 0:
        return ""
    # What keeps the tests from being collected has no name of a test.
    found = re.search(r"^(?:FAILED|ERROR|E  ) (.+)$", done.stdout + done.stderr, re.MULTILINE)
    if not found:
        raise Unanswered(f"the tests did not run: {_last(done.stdout + done.stderr)}")
    return _line(found[1], tree)


def _run(where: Path, module: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A module of a tree."""
    try:
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=where,
            env={**os.environ, "PYTHONPATH": str(where), "NO_COLOR": "1", "COLUMNS": "400", **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LONGEST_S,
        )
    except subprocess.TimeoutExpired:
        raise Unanswered(f"{module} takes longer than {_LONGEST_S} s") from None


def _last(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "(nothing was said)"


def _line(text: str, tree: Path) -> str:
    """One line, without the places of this run."""
    text = text.replace(str(tree), ".").replace(str(tree.resolve()), ".")
    text = re.sub(r"/tmp/omnipipe-rehearsal-\w+/[\w-]+/[\w-]+", ".", text)  # noqa: S108 - what is taken out
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_TEXT else f"{line[:_LONGEST_TEXT].rstrip()} …"
