"""What calls what: the templates that other repositories call as well, and what these steps do, with stand-ins."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from omnipipe.review.comment import MARKER
from tests.github.test_workflows import ACTIONS, FILES, ROOT, WORKFLOWS, jobs, parse, steps

TEMPLATES = {name: path for name, path in WORKFLOWS.items() if name.startswith("_")}
# How GitHub runs a step, without and with `shell: bash`.
PLAIN, BASH = ("bash", "-e"), ("bash", "--noprofile", "--norc", "-eo", "pipefail")


def called(path: Path) -> dict[str, Any]:
    return parse(path)[True]["workflow_call"]  # YAML 1.1 reads `on` as a boolean


def stand_in(folder: Path, name: str, script: str) -> Path:
    """A command that writes down how it was called, and does what a shell script says."""
    file = folder / "bin" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f'#!/bin/bash\nprintf "%s\\n" "{name} $*" >> "{folder}/calls"\n{script}\n')
    file.chmod(0o755)
    return file


def run(
    folder: Path, step: Mapping[str, Any], shell: tuple[str, ...] = PLAIN, **environment: str
) -> tuple[int, list[str], str]:
    """Run a step in a folder: its exit code, which stand-ins it called, and its outputs."""
    (folder / "calls").touch()
    (folder / "output").touch()
    where = {
        "RUNNER_TEMP": str(folder),
        "GITHUB_OUTPUT": f"{folder}/output",
        "GITHUB_STEP_SUMMARY": f"{folder}/summary",
    }
    done = subprocess.run(
        [*shell, "-c", step["run"]],
        cwd=folder,
        env={"PATH": f"{folder}/bin:/usr/bin:/bin", "GITHUB_REPOSITORY": "o/r", **where, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, (folder / "calls").read_text().splitlines(), (folder / "output").read_text()


def output(text: str, name: str) -> str:
    """An output of several lines: https://docs.github.com/actions/reference/workflow-commands-for-github-actions."""
    found = re.search(rf"^{name}<<(end-\d+)\n(.*?)^\1$", text, re.MULTILINE | re.DOTALL)
    assert found, text
    return found[2]


# --- what calls what


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_call_gives_what_is_asked_for_and_nothing_else(path: Path) -> None:
    calls = [job for job in jobs(path) if "uses" in job] if "jobs" in parse(path) else []
    for call in [*calls, *steps(path)]:
        if not call.get("uses", "").startswith("$/"):
            continue
        target = ROOT / call["uses"].removeprefix("$/")
        asked = called(target) if target.is_file() else parse(target / "action.yml")
        inputs = asked.get("inputs", {})
        given = call.get("with", {})
        assert set(given) <= set(inputs)
        assert {name for name, each in inputs.items() if each.get("required")} <= set(given)


@pytest.mark.parametrize("path", TEMPLATES.values(), ids=lambda path: path.name)
def test_a_template_says_what_it_asks_for_and_needs_nothing_of_the_caller_but_that(path: Path) -> None:
    asked = called(path)
    for each in (*asked.get("inputs", {}).values(), *asked.get("outputs", {}).values()):
        assert each["description"]
    assert "vars." not in path.read_text()  # those are the caller's
    assert set(re.findall(r"inputs\.(\w+)", path.read_text())) == set(asked["inputs"])


def test_every_target_that_is_checked_is_there() -> None:
    job = parse(WORKFLOWS["pull-request.yml"])["jobs"]["python"]
    checks = json.loads(job["with"]["checks"])
    makefile = (ROOT / "Makefile").read_text()
    assert {"lint", "models", "golden", "test"} <= set(checks)
    assert [check for check in checks if not re.search(rf"^{check}:", makefile, re.MULTILINE)] == []
    # What runs here runs on a laptop by one command, besides the tests.
    (recipe,) = re.findall(r"^pull-request:.*\n\t.*--keep-going ([a-z ]+?) \|\|", makefile, re.MULTILINE)
    assert set(recipe.split()) == {*checks, "comment"} - {"test"}


def test_prod_is_deployed_after_dev_and_with_its_reviewers() -> None:
    deploy = parse(WORKFLOWS["deploy.yml"])
    assert deploy[True] == {"push": {"branches": ["main"]}}
    assert deploy["jobs"]["prod"]["needs"] == "dev"
    assert deploy["jobs"]["prod"]["with"]["environment"] == "prod"
    for stack, job in deploy["jobs"].items():
        assert job["with"]["stack"] == stack
        assert set(re.findall(r"vars\.([A-Z]+)_", json.dumps(job))) == {stack.upper()}
    (up,) = jobs(WORKFLOWS["_pulumi-up.yml"])
    assert up["environment"] == "${{ inputs.environment }}"


def test_what_changes_a_stack_or_compares_it_never_runs_at_once() -> None:
    (up,) = jobs(WORKFLOWS["_pulumi-up.yml"])
    assert up["concurrency"] == {"group": "deploy-${{ inputs.stack }}", "cancel-in-progress": False}
    for name in ("drift.yml", "bring-back.yml", "destroy-when-idle.yml"):
        assert parse(WORKFLOWS[name])["concurrency"] == {"group": "deploy-dev", "cancel-in-progress": False}


def test_a_forks_pull_request_is_reviewed_without_a_token_and_another_with_a_comment() -> None:
    fork = parse(WORKFLOWS["pull-request.yml"])["jobs"]["review"]
    ours = parse(WORKFLOWS["review.yml"])["jobs"]["review"]
    assert fork["uses"] == ours["uses"]
    assert "with" not in fork
    assert fork["if"].endswith("github.event.pull_request.head.repo.full_name != github.repository")
    assert ours["if"] == "github.event.pull_request.head.repo.full_name == github.repository"


# --- what the steps do


def step_of(path: Path, name: str) -> Mapping[str, Any]:
    (found,) = [step for step in steps(path) if name in (step.get("id"), step.get("name"))]
    return found


@pytest.mark.parametrize(("deployed", "code"), [(True, 0), (False, 1)])
def test_a_review_is_in_the_summary_and_the_output_also_if_it_fails(
    tmp_path: Path, deployed: bool, code: int
) -> None:
    omnipipe = stand_in(tmp_path, "omnipipe", f'echo "## What this change does"\nexit {code}')
    if deployed:
        (tmp_path / "preview.jsonl").touch()

    step = step_of(WORKFLOWS["_pulumi-ci.yml"], "review")
    done, calls, told = run(tmp_path, step, STACK="dev", OMNIPIPE=str(omnipipe))

    preview = f" --preview dev={tmp_path}/preview.jsonl" if deployed else ""
    assert calls == [f"omnipipe comment --program . --base HEAD^{preview}"]
    assert done == code
    assert output(told, "comment") == (tmp_path / "summary").read_text() == "## What this change does\n"


@pytest.mark.parametrize("policies", [True, False])
def test_what_is_deployed_is_asked_with_the_policies_and_what_stops_it_is_told_later(
    tmp_path: Path, policies: bool
) -> None:
    stand_in(tmp_path, "pulumi", "echo '{}'\nexit 255")
    if policies:
        (tmp_path / "policy").mkdir()

    step = step_of(WORKFLOWS["_pulumi-ci.yml"], "Ask what would change of what is deployed")
    done, calls, _ = run(tmp_path, step, STACK="dev")

    pack = " --policy-pack policy" if policies else ""
    assert calls == [f"pulumi preview --json --stack dev --non-interactive{pack}"]
    assert (tmp_path / "preview.jsonl").read_text() == "{}\n"
    assert done == 0


@pytest.mark.parametrize(("known", "method", "where"), [("", "POST", "7"), ("41\n42\n", "PATCH", "41")])
def test_the_comment_is_written_once_and_then_updated(tmp_path: Path, known: str, method: str, where: str) -> None:
    stand_in(tmp_path, "gh", f'[ "$2" != --paginate ] || printf "{known}"')

    (step,) = steps(ACTIONS["comment"])
    done, calls, _ = run(tmp_path, step, BASH, TEXT="**bold** `$(id)`", NUMBER="7")

    assert done == 0
    assert calls[-1].startswith(f"gh api --method {method} repos/o/r/issues/")
    assert f"/{where}" in calls[-1]
    assert (tmp_path / "comment.md").read_text() == "**bold** `$(id)`"
    assert f'startswith("{MARKER}")' in step["run"]


def drift(tmp_path: Path, last: str, changes: int, told: int) -> tuple[int, list[str], str]:
    """What the look for drift does: the last entry of the history, exit codes of the preview and of its reading."""
    stand_in(tmp_path, "pulumi", f'[ "$1" = stack ] || exit {changes}')
    stand_in(tmp_path, "jq", f"echo {last}")
    omnipipe = tmp_path / ".venv" / "bin" / "omnipipe"
    omnipipe.parent.mkdir(parents=True)
    omnipipe.write_text(f"#!/bin/bash\necho told\nexit {told}\n")
    omnipipe.chmod(0o755)
    return run(tmp_path, step_of(WORKFLOWS["drift.yml"], "look"), BASH)


@pytest.mark.parametrize(("changes", "answer"), [(0, "false"), (7, "true")])
def test_drift_is_what_a_refreshed_preview_would_change(tmp_path: Path, changes: int, answer: str) -> None:
    done, calls, told = drift(tmp_path, "update", changes, 0)

    assert done == 0
    asked = "pulumi preview --refresh --expect-no-changes --json --stack dev --non-interactive"
    assert asked in calls
    assert told.startswith(f"drift={answer}\n")
    assert output(told, "text") == "told\n"


@pytest.mark.parametrize("last", ["destroy", "none"])
def test_what_is_not_deployed_does_not_drift(tmp_path: Path, last: str) -> None:
    done, calls, told = drift(tmp_path, last, 7, 0)
    assert (done, told) == (0, "")
    assert not any("preview" in call for call in calls)


def test_a_preview_that_failed_says_nothing_of_drift(tmp_path: Path) -> None:
    done, _, told = drift(tmp_path, "update", 255, 1)
    assert (done, told) == (1, "")


@pytest.mark.parametrize(
    ("drifts", "known", "does"),
    [
        ("true", "", "gh issue create --title dev is not what the program says"),
        ("true", "12\n", "gh issue edit 12"),
        ("false", "12\n13\n", "gh issue close 12"),
        ("false", "", ""),
    ],
)
def test_the_issue_opens_and_closes_by_itself(tmp_path: Path, drifts: str, known: str, does: str) -> None:
    stand_in(tmp_path, "gh", f'[ "$2" != list ] || printf "{known}"')

    step = step_of(WORKFLOWS["drift.yml"], "Open the issue, bring it up to date, or close it")
    done, calls, _ = run(tmp_path, step, TEXT="text", DRIFT=drifts, TITLE=step["env"]["TITLE"])

    assert done == 0
    assert [call for call in calls if call.startswith(does)] if does else len(calls) == 1


@pytest.mark.parametrize("ours", [True, False])
def test_the_command_is_the_programs_own_or_the_one_beside_the_action(tmp_path: Path, ours: bool) -> None:
    stand_in(tmp_path, "make", "")
    if ours:
        (tmp_path / ".venv" / "bin").mkdir(parents=True)
        (tmp_path / ".venv" / "bin" / "omnipipe").touch(mode=0o755)
    beside = tmp_path / "actions" / "omnipipe"
    (beside / ".github" / "actions" / "omnipipe").mkdir(parents=True)

    step = step_of(ACTIONS["omnipipe"], "install")
    where = str(beside / ".github" / "actions" / "omnipipe")
    done, calls, told = run(tmp_path, step, BASH, GITHUB_ACTION_PATH=where)

    assert done == 0
    assert calls == ["make install"] + ([] if ours else [f"make -C {beside} install"])
    assert told == f"command={tmp_path if ours else beside}/.venv/bin/omnipipe\n"


# --- what others look for


def test_zizmor_finds_nothing() -> None:
    zizmor = Path(sys.executable).with_name("zizmor")
    done = subprocess.run(
        [zizmor, "--offline", "--no-progress", "--color", "never", ".github"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
