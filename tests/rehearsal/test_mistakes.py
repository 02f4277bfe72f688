"""The mistakes are still ones that can be made, and the page tells of them what was found."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from omnipipe.laptop.home import PROJECT_ROOT
from tests.rehearsal.mistakes import asking, catalogue, found
from tests.rehearsal.mistakes.__main__ import Question, baseline
from tests.rehearsal.mistakes.asking import Unanswered
from tests.rehearsal.mistakes.catalogue import Mistake

MISTAKES = catalogue.load()
ROW = re.compile(r"^\| `([a-z0-9-]+)`: .* \| ([✓–]) \| [✓–]? \| ([✓–]) \| ([✓–]) \| (.*) \|$", re.MULTILINE)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_can_be_made(mistake: Mistake, tmp_path: Path) -> None:
    copy = tmp_path / mistake.file
    copy.parent.mkdir(parents=True)
    before = (PROJECT_ROOT / mistake.file).read_text()
    copy.write_text(before)

    mistake.make(tmp_path)

    assert copy.read_text() != before
    if copy.suffix == ".py":
        ast.parse(copy.read_text())
    with pytest.raises(ValueError, match="its text is 0 times"):
        Mistake(name="gone", what="", file=mistake.file, find="no such text", replace="").make(tmp_path)


def test_there_are_forty_of_many_files() -> None:
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES) == 40
    assert len({mistake.file for mistake in MISTAKES}) >= 15


def test_the_page_has_a_row_for_each_and_is_made_of_what_was_found() -> None:
    page = found.PAGE.read_text()
    assert [row[0] for row in ROW.findall(page)] == [mistake.name for mistake in MISTAKES]
    assert page == found.page(found.load(), MISTAKES), f"after a change of the mistakes: {found.COMMAND}"


def test_most_are_noticed_by_the_rehearsal_and_it_says_what_it_noticed() -> None:
    rows = ROW.findall(found.PAGE.read_text())
    assert sum(mark == "✓" for _, mark, *_ in rows) >= 25
    for name, mark, _, _, words in rows:
        assert bool(words) is (mark == "✓"), name


def test_the_unchanged_program_is_asked_all_that_the_mistakes_are() -> None:
    quick, whole = (Mistake(name="", what="", file="", find="", replace="", whole=each) for each in (False, True))
    prod = Mistake(name="", what="", file="", find="", replace="", stack="prod")

    assert baseline(["rehearsal"], [quick, prod]) == [Question("rehearsal", "dev"), Question("rehearsal", "prod")]
    assert baseline(["rehearsal"], [quick, whole]) == [Question("rehearsal", "dev", whole=True)]
    assert baseline(["units", "laptop"], [prod]) == [Question("laptop", "prod"), Question("units")]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("Pulumi.yaml", "Pulumi.prod.yaml", "rehearsal.yaml", "laptop.yaml"):
        shutil.copy(PROJECT_ROOT / name, tmp_path)
    return tmp_path


def answering(monkeypatch: pytest.MonkeyPatch, code: int, stdout: str = "", stderr: str = "") -> None:
    done = subprocess.CompletedProcess[str]([], code, stdout, stderr)
    monkeypatch.setattr(asking, "_run", lambda *_, **__: done)


def report(*problems: dict[str, str], left: list[dict[str, str]] | None = None) -> str:
    return json.dumps({"steps": [{"name": "up", "problems": problems}], "left": left})


FAILED = {"resource": "", "type": "", "request": "", "error": "it did not end"}
TRACEBACK = "Program failed: Traceback (most recent call last):\n  File x"
REFUSED = {"resource": "job", "type": "Job", "request": "POST run/v2/jobs", "error": "Error 403:\n no"}


@pytest.mark.parametrize(
    ("stdout", "words"),
    [
        (report(), ""),
        (report(FAILED, REFUSED), "up: job: Error 403: no"),
        (report(FAILED), "up: it did not end"),
        (report(REFUSED | {"error": "Error 403: no\nDetails:\n[{}]"}), "up: job: Error 403: no"),
        (report(FAILED | {"error": f"{TRACEBACK}\nValueError: no"}), "up: ValueError: no"),
        (report(left=[{"host": "run", "name": "jobs/dbt", "why": ""}]), "left: run jobs/dbt"),
        (report(left=[{"host": "cloudkms", "name": "key", "why": "never deleted"}]), ""),
    ],
)
def test_a_rehearsal_is_told_by_what_google_refused_first(
    tree: Path, monkeypatch: pytest.MonkeyPatch, stdout: str, words: str
) -> None:
    answering(monkeypatch, 1 if words else 0, stdout)
    assert asking.rehearsal(tree, "dev", whole=False) == words


def test_a_rehearsal_without_a_report_tells_nothing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, 1, stderr="pulumi is not on PATH\n")
    with pytest.raises(Unanswered, match="pulumi is not on PATH"):
        asking.rehearsal(tree, "dev", whole=False)


def test_prod_has_all_that_a_stack_may_leave_out(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, 0, report())
    asking.rehearsal(tree, "prod", whole=False)
    config = yaml.safe_load((tree / "Pulumi.prod.yaml").read_text())["config"]
    assert config["omnipipe:customerManagedKeys"] is True
    assert config["omnipipe:githubOwnerId"] == "987654", "a text, as Pulumi.yaml says"
    assert config["omnipipe:alertEmails"] == ["data-platform@example.com"]


def test_a_failed_test_is_told_by_its_name(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, 1, f"x\nFAILED tests/a.py::test_b - assert 1 == 2 in {tree}\n1 failed\n")
    assert asking.units(tree, "dev", whole=False) == "tests/a.py::test_b - assert 1 == 2 in ."
    answering(monkeypatch, 4, stderr="ImportError while loading conftest\nE   ValueError: no such column\n")
    assert asking.units(tree, "dev", whole=False) == "ValueError: no such column"
    answering(monkeypatch, 4, "usage: pytest\n")
    with pytest.raises(Unanswered):
        asking.units(tree, "dev", whole=False)


def test_policies_and_the_laptop_are_asked_one_by_one(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(
        monkeypatch, 1, stderr="error: policies refuse the program, and nothing was made: job: no (policy p)\n"
    )
    assert asking.policies(tree, "dev", whole=False).endswith("job: no (policy p)")
    assert "policies" in yaml.safe_load((tree / "laptop.yaml").read_text())
    answering(monkeypatch, 1, stderr="error: there is no such column\n")
    assert asking.policies(tree, "dev", whole=False) == ""
    assert asking.laptop(tree, "dev", whole=False) == "error: there is no such column"
    assert "policies" not in yaml.safe_load((tree / "laptop.yaml").read_text())
    answering(monkeypatch, 0)
    assert asking.laptop(tree, "dev", whole=False) == ""
