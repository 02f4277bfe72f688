"""GitHub's workflows: read as GitHub reads them, their commands tried as far as that goes without Google."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from omnipipe.cli import app

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = {path.name: path for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}
ACTIONS = {path.parent.name: path for path in sorted((ROOT / ".github" / "actions").glob("*/action.yml"))}
FILES = [*WORKFLOWS.values(), *ACTIONS.values()]
PINNED = re.compile(r"[\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+.*")
DEPLOYING = ("destroy-when-idle.yml", "bring-back.yml")
READS, LOGS_IN = {"contents": "read"}, {"id-token": "write"}
WRITES = ({"pull-requests": "write"}, {"issues": "write"})


def locked(package: str) -> str:
    """The version of a package in the lock."""
    (version,) = re.findall(rf"^{package}==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    return version


def parse(path: Path) -> dict[Any, Any]:
    return yaml.safe_load(path.read_text())


def jobs(path: Path) -> list[dict[str, Any]]:
    return list(parse(path)["jobs"].values())


def steps(path: Path) -> list[dict[str, Any]]:
    """Those of the jobs of its own; a job that calls another workflow has none."""
    content = parse(path)
    runs = [content["runs"]] if "runs" in content else list(content["jobs"].values())
    return [step for run in runs for step in run.get("steps", ())]


def commands(path: Path) -> list[str]:
    return [step["run"] for step in steps(path) if "run" in step]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_others_wrote_is_pinned_to_a_commit_and_ours_is_of_the_same(path: Path) -> None:
    """``$/`` is this repository at the commit that runs, also where another repository calls the workflow."""
    used = re.findall(r"uses: (.*)", path.read_text())
    assert [what for what in used if not what.startswith("$/") and not PINNED.fullmatch(what)] == []
    own = [ROOT / what.removeprefix("$/") for what in used if what.startswith("$/")]
    assert all(each.is_file() or (each / "action.yml").is_file() for each in own)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_scripts_are_shell_and_take_nothing_from_outside_into_their_text(path: Path) -> None:
    for script in commands(path):
        assert "${{" not in script  # such a value would be run, not read
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_secret_and_no_key_is_needed(path: Path) -> None:
    """GitHub's own identity is all that logs in, and a key of Google's encrypts secrets."""
    text = path.read_text()
    assert "secrets." not in text
    assert not re.search(r"credentials_json|BEGIN [A-Z ]*PRIVATE KEY|AIza|ya29\.|pul-[0-9a-f]{8}", text)
    for name, value in re.findall(r"^\s+(\w*(?:PASS|TOKEN|SECRET|KEY)\w*): (.*)$", text, re.MULTILINE):
        assert value == "${{ github.token }}", name


@pytest.mark.parametrize("path", WORKFLOWS.values(), ids=lambda path: path.name)
def test_a_workflow_may_do_no_more_than_it_needs_and_ends(path: Path) -> None:
    content = parse(path)
    if path.name == "_pulumi-ci.yml":  # its callers say what it may do, so that one of them can give it no token
        assert "permissions" not in content
    else:
        assert content["permissions"] in (READS, READS | LOGS_IN)
    for job in jobs(path):
        # What may write runs nothing that was checked out, so nobody's change can use its token.
        assert job.get("permissions", READS) in (READS, READS | LOGS_IN, *WRITES)
        if "uses" in job:
            continue
        used = [step.get("uses", "") for step in job["steps"]]
        assert job.get("permissions") not in WRITES or not any(
            each.startswith("actions/checkout@") for each in used
        )
        assert 0 < job["timeout-minutes"] <= 120
        assert re.fullmatch(r"ubuntu-\d\d\.04", job["runs-on"])
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_destroying_and_bringing_back_never_run_at_once() -> None:
    groups = [parse(WORKFLOWS[name])["concurrency"] for name in DEPLOYING]
    assert groups[0] == groups[1]
    assert groups[0]["cancel-in-progress"] is False  # a deployment that is cut off leaves its state locked


def test_only_dev_is_destroyed_and_only_when_idle_and_not_what_is_protected() -> None:
    path = WORKFLOWS["destroy-when-idle.yml"]
    (destroy,) = [step for step in steps(path) if "pulumi destroy" in step.get("run", "")]
    assert destroy["if"] == "steps.decide.outputs.idle == 'true'"
    assert destroy["run"] == "pulumi destroy --stack dev --exclude-protected --yes --non-interactive"
    for name in DEPLOYING:
        assert "prod" not in WORKFLOWS[name].read_text()
    assert parse(ROOT / "Pulumi.dev.yaml")["config"]["omnipipe:protectData"] is False
    on = parse(path)[True]  # YAML 1.1 reads `on` as a boolean
    assert len(on["schedule"]) == 1
    assert on["workflow_dispatch"]["inputs"]["days"]["default"] == 7
    # A step of its own decides, before the step that destroys.
    order = [step.get("id") or step.get("run", "") for step in steps(path)]
    assert order.index("decide") < order.index(destroy["run"])


@pytest.mark.parametrize(("idle", "expected"), [(True, "idle=true\n"), (False, "idle=false\n")])
def test_the_decision_reaches_the_next_step(tmp_path: Path, idle: bool, expected: str) -> None:
    done, output = _decide(tmp_path, f'print(\'{{"stack": "dev", "idle": {str(idle).lower()}}}\')')
    assert done.returncode == 0, done.stderr
    assert output == expected


def test_without_a_decision_the_run_fails_and_nothing_is_destroyed(tmp_path: Path) -> None:
    done, output = _decide(tmp_path, "raise SystemExit(1)")
    assert done.returncode == 1
    assert output == ""


def _decide(folder: Path, program: str) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run the step as GitHub does: `bash -e`. ``jq`` and the program are stand-ins, their arguments are the step's."""
    (script,) = [step["run"] for step in steps(WORKFLOWS["destroy-when-idle.yml"]) if step.get("id") == "decide"]
    omnipipe = folder / ".venv" / "bin" / "omnipipe"
    omnipipe.parent.mkdir(parents=True)
    check = "import sys; assert sys.argv[1:] == ['idle', '--json', '--stack', 'dev', '--days', '7'], sys.argv\n"
    omnipipe.write_text(f"#!/usr/bin/env python3\n{check}{program}\n")
    jq = folder / "bin" / "jq"
    jq.parent.mkdir()
    jq.write_text(
        "#!/usr/bin/env python3\nimport json, sys\nassert sys.argv[1] == '.idle'\n"
        "print(json.dumps(json.load(sys.stdin)['idle']))\n"
    )
    for file in (omnipipe, jq):
        file.chmod(0o755)
    result = folder / "output"
    result.touch()
    environment = {
        "PATH": f"{jq.parent}:/usr/bin:/bin",
        "DAYS": "7",
        "GITHUB_OUTPUT": str(result),
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
    }
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done, result.read_text()


def test_what_the_commands_name_exists() -> None:
    assert "make install" in commands(ACTIONS["pulumi"])
    assert re.search(r"^install:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert "idle" in typer.main.get_group(app).commands
    for path in WORKFLOWS.values():
        for named in re.findall(r"docs/[\w/.-]+\.md|Pulumi\.\w+\.yaml", path.read_text()):
            assert (ROOT / named).is_file(), named
        for script in commands(path):
            for stack in re.findall(r"--stack (\w+)", script):
                assert (ROOT / f"Pulumi.{stack}.yaml").is_file()


def test_the_environment_of_both_is_the_same() -> None:
    for what in ("env", "permissions"):
        assert parse(WORKFLOWS[DEPLOYING[0]])[what] == parse(WORKFLOWS[DEPLOYING[1]])[what]


def test_the_cli_is_of_the_version_of_the_sdk() -> None:
    """They are released together. An older CLI leaves out options of a newer SDK, in silence."""
    for path in (ACTIONS["pulumi"], ACTIONS["omnipipe"]):
        (installs,) = [step for step in steps(path) if step.get("uses", "").startswith("pulumi/actions@")]
        assert installs["with"]["pulumi-version"] == locked("pulumi")


def test_each_pull_request_rehearses_both_stacks_without_credentials_with_the_provider_of_the_sdk() -> None:
    job = parse(WORKFLOWS["pull-request.yml"])["jobs"]["rehearse"]
    assert job["strategy"]["matrix"]["stack"] == ["dev", "prod"]
    assert "$/.github/actions/omnipipe" in [step.get("uses") for step in job["steps"]]
    assert f"pulumi plugin install resource gcp {locked('pulumi-gcp')}" in commands(ACTIONS["omnipipe"])
    assert not re.search(r"\b(vars|secrets)\.|id-token", WORKFLOWS["pull-request.yml"].read_text())


@pytest.mark.parametrize("code", [0, 1])
def test_a_rehearsal_is_in_the_jobs_summary_and_its_problems_fail_the_job(tmp_path: Path, code: int) -> None:
    (script,) = [each for each in commands(WORKFLOWS["pull-request.yml"]) if '"$OMNIPIPE" rehearse' in each]
    omnipipe = tmp_path / ".venv" / "bin" / "omnipipe"
    omnipipe.parent.mkdir(parents=True)
    omnipipe.write_text(f'#!/bin/sh\necho "$@"\nexit {code}\n')
    omnipipe.chmod(0o755)
    environment = {
        "PATH": "/usr/bin:/bin",
        "OMNIPIPE": str(omnipipe),
        "STACK": "prod",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }

    # As GitHub runs a step with `shell: bash`.
    ran = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    done = subprocess.run(ran, cwd=tmp_path, env=environment, check=False)

    assert done.returncode == code
    told = "### Rehearsal of prod\n```text\nrehearse --quick --stack prod\n```\n"
    assert (tmp_path / "summary").read_text() == told


def test_uv_is_installed_by_hash() -> None:
    """pip takes nothing without one when it is told to, and what it is told comes from the lock."""
    makefile = (ROOT / "Makefile").read_text()
    (cut,) = re.findall(r"(sed -n '/\^uv==/.*?' requirements\.lock)", makefile)
    script = ["bash", "-c", cut.replace("$$", "$")]
    listed = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.match(r"uv==\S+ \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+", listed)
    assert listed.count("==") == 1
    assert re.search(r"pip install [^\n]*--require-hashes -r \$\(VENV\)/uv\.txt", makefile)
    assert not re.search(r"pip install (?![^\n]*(--require-hashes|--editable \.))", makefile)
