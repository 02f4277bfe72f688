"""What `omnipipe comment` is told, and what it makes of it; who rehearses is played here."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from omnipipe.cli import app
from omnipipe.rehearsal.engine.installed import CannotRehearse
from omnipipe.rehearsal.engine.problems import Problem
from omnipipe.review.preview import Change, Preview
from omnipipe.review.rehearsed import Rehearsed
from tests.review.test_preview import SHOP

TOPIC = Change("created", "urn:pulumi:dev::shop::gcp:pubsub/topic:Topic::orders", "gcp:pubsub/topic:Topic")
Play = Callable[[Rehearsed], None]


class _Installed:
    line = "Pulumi 3.272.0"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program of two stacks, with a commit."""
    for name in ("Pulumi.yaml", "Pulumi.dev.yaml", "Pulumi.prod.yaml"):
        (tmp_path / name).write_text("")
    golden = tmp_path / "tests" / "components" / "golden" / "dev.yaml"
    golden.parent.mkdir(parents=True)
    golden.write_text("old\n")
    who = ("-c", "user.name=me", "-c", "user.email=me@example.com", "-c", "commit.gpgsign=false")
    for arguments in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    golden.write_text("new\n")
    return tmp_path


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    def played(done: Rehearsed) -> None:
        monkeypatch.setattr("omnipipe.rehearsal.engine.installed.find", lambda _: _Installed())
        monkeypatch.setattr("omnipipe.review.rehearsed.rehearse", lambda *_: done)

    return played


def comment(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["comment", *arguments])


def test_each_stack_is_rehearsed_and_golden_files_are_compared(program: Path, play: Play) -> None:
    play(Rehearsed(Preview([TOPIC], ended=True), "preview again", [], 61.4))

    result = comment("--program", str(program), "--base", "HEAD")

    assert result.exit_code == 0
    assert result.stdout.startswith("<!-- omnipipe comment -->\n")
    for stack in ("dev", "prod"):
        assert f"### Stack {stack}\n\nCompared with what `HEAD` deploys, in a rehearsal.\n" in result.stdout
    told = "Rehearsal: no problem, the last step was `preview again`, after 61 s with Pulumi 3.272.0."
    assert result.stdout.count(told) == 2
    assert "-old\n+new\n" in result.stdout


def test_what_is_deployed_says_what_would_change_where_it_is_known(program: Path, play: Play) -> None:
    play(Rehearsed(Preview([TOPIC], ended=True), "up", [Problem("orders", "", "", "refused")]))

    result = comment("--program", str(program), "--base", "HEAD", "--preview", f"dev={SHOP}")

    dev, _, prod = result.stdout.partition("### Stack prod")
    assert "Compared with what is deployed." in dev
    assert "**4 replaced, of which 1 with data**" in dev
    assert "Rehearsal: **1 problem**" in dev
    assert "1 created" in prod
    assert result.exit_code == 1


def test_without_the_engine_it_says_so_and_tells_the_rest(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: Path) -> None:
        raise CannotRehearse("pulumi is not on PATH: get it")

    monkeypatch.setattr("omnipipe.rehearsal.engine.installed.find", missing)
    result = comment("--program", str(program), "--base", "HEAD")

    assert "What would change is not known. Not rehearsed: pulumi is not on PATH: get it." in result.stdout
    assert "-old\n+new\n" in result.stdout
    assert result.exit_code == 0


def test_a_preview_alone_is_told_without_a_base() -> None:
    result = comment("--preview", f"dev={SHOP}")

    assert "### Stack dev\n\nCompared with what is deployed.\n" in result.stdout
    assert "Rehearsal" not in result.stdout
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give --base COMMIT, or --preview STACK=FILE"),
        (("--preview", "preview.jsonl"), "write STACK=FILE"),
        (("--preview", "dev=/nowhere"), "No such file or directory"),
        (("--preview", f"dev={__file__}"), "set PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true"),
        (("--base", "no-such-commit"), "Not a valid object name no-such-commit"),
    ],
)
def test_what_a_user_can_mend_is_told(arguments: tuple[str, ...], words: str) -> None:
    result = comment(*arguments)
    assert result.exit_code == 1
    assert words in " ".join(result.output.split())
