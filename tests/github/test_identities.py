"""Who a run of GitHub's is to Google: the program's conditions, asked with the tokens that the workflows' runs get.

What is in a token: https://docs.github.com/actions/reference/security/oidc#oidc-token-claims
"""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.components.conftest import deployed
from tests.components.mocks import Recorder
from tests.github.test_workflows import ROOT, WORKFLOWS, parse, steps

Claims = Mapping[str, str]

# Both stacks with GitHub's ids set.
STACKS: dict[str, Callable[[], Recorder]] = {
    "dev": lambda: deployed("dev-everything"),
    "prod": lambda: deployed("everything"),
}
OURS = {"repository_id": "123456789", "repository_owner_id": "987654"}
MAIN = "refs/heads/main"
DEPLOYER, PREVIEWER = {"github-deployer"}, {"github-preview"}
NOBODY: set[str] = set()

RUNS: dict[str, tuple[Claims, set[str], set[str]]] = {
    # what runs: its claims, who it is in dev, who it is in prod
    "a push to main": ({"event_name": "push", "ref": MAIN}, DEPLOYER, NOBODY),
    "a night of main": ({"event_name": "schedule", "ref": MAIN}, DEPLOYER, NOBODY),
    "main by hand": ({"event_name": "workflow_dispatch", "ref": MAIN}, DEPLOYER, NOBODY),
    "main, let into prod": (
        {"event_name": "workflow_dispatch", "ref": MAIN, "environment": "prod"},
        DEPLOYER,
        DEPLOYER,
    ),
    "main, let into another environment": (
        {"event_name": "push", "ref": MAIN, "environment": "production"},
        DEPLOYER,
        NOBODY,
    ),
    "a pull request": ({"event_name": "pull_request", "ref": "refs/pull/7/merge"}, PREVIEWER, NOBODY),
    "a pull request that was merged": ({"event_name": "pull_request", "ref": MAIN}, PREVIEWER, NOBODY),
    "a pull request that names prod": (
        {"event_name": "pull_request", "ref": "refs/pull/7/merge", "environment": "prod"},
        PREVIEWER,
        NOBODY,
    ),
    "a pull request's target": ({"event_name": "pull_request_target", "ref": MAIN}, NOBODY, NOBODY),
    "a comment": ({"event_name": "issue_comment", "ref": MAIN}, NOBODY, NOBODY),
    "what follows another run": ({"event_name": "workflow_run", "ref": MAIN}, NOBODY, NOBODY),
    "a branch": ({"event_name": "push", "ref": "refs/heads/main2"}, NOBODY, NOBODY),
    "a branch that names prod": (
        {"event_name": "push", "ref": "refs/heads/mine", "environment": "prod"},
        NOBODY,
        NOBODY,
    ),
    "a tag that is called main": ({"event_name": "push", "ref": "refs/tags/main"}, NOBODY, NOBODY),
    "another repository": (
        {"event_name": "push", "ref": MAIN, "environment": "prod", "repository_id": "1"},
        NOBODY,
        NOBODY,
    ),
    "a pull request of another repository": (
        {"event_name": "pull_request", "ref": "refs/pull/7/merge", "repository_id": "1"},
        NOBODY,
        NOBODY,
    ),
    "another owner": (
        {"event_name": "push", "ref": MAIN, "environment": "prod", "repository_owner_id": "1"},
        NOBODY,
        NOBODY,
    ),
}


def admits(condition: str, claims: Claims) -> bool:
    """Whether a token fits: equalities and lists, joined by &&, which is all of CEL that the program writes.

    A claim that is not there is an error in CEL, and so fits nothing.
    """
    for part in condition.split(" && "):
        said = re.fullmatch(r"assertion\.(\w+) (==|in) (.+)", part)
        assert said, part
        wanted = ast.literal_eval(said[3])
        if claims.get(said[1]) not in ([wanted] if said[2] == "==" else wanted):
            return False
    return True


def who(program: Recorder, claims: Claims) -> set[str]:
    """The accounts that a run may act as, by whichever provider it comes in."""
    token = {**OURS, **claims}
    principals = set()
    for provider in program.of("iam.WorkloadIdentityPoolProvider"):
        if not admits(provider.inputs["attributeCondition"], token):
            continue
        for attribute, claim in provider.inputs["attributeMapping"].items():
            principals.add(f"/{attribute}/{token.get(claim.removeprefix('assertion.'))}")
    return {
        grant.inputs["serviceAccountId"].rpartition("/")[2].partition("@")[0]
        for grant in program.of("serviceaccount.IAMMember")
        if grant.inputs["role"] == "roles/iam.workloadIdentityUser"
        and any(grant.inputs["member"].endswith(principal) for principal in principals)
    }


@pytest.mark.parametrize("run", RUNS)
def test_a_run_is_who_it_should_be_and_nobody_else(run: str) -> None:
    claims, in_dev, in_prod = RUNS[run]

    assert who(STACKS["dev"](), claims) == in_dev
    assert who(STACKS["prod"](), claims) == in_prod


# --- and the workflows: each logs in as somebody that its runs are

# The second is how the first does it. A workflow that is called is told the rest by its caller, which is who is asked.
_LOGIN = ("$/.github/actions/pulumi", "google-github-actions/auth@")
_CALLING = {name: path for name, path in WORKFLOWS.items() if not name.startswith("_")}
_WAY_IN = re.compile(r"\$\{\{ vars\.([A-Z]+)_(WORKLOAD_IDENTITY|PREVIEW)_PROVIDER \}\}")
_ACCOUNT = re.compile(r"\$\{\{ vars\.([A-Z]+)_(DEPLOYER|PREVIEWER) \}\}")
_STATE = re.compile(r"\$\{\{ vars\.([A-Z]+)_PULUMI_BACKEND_URL \}\}")
_ACCOUNTS = {"DEPLOYER": DEPLOYER, "PREVIEWER": PREVIEWER}
_NO_FORK = "github.event.pull_request.head.repo.full_name == github.repository"


def logins(workflow: Mapping[Any, Any], job: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, str], set[str]]]:
    """The logins of a job: provider, account, backend and environment of each, and the stacks that it names."""
    if "uses" in job:
        asked = parse(ROOT / job["uses"].removeprefix("$/"))[True]["workflow_call"]["inputs"]
        given = {name: each["default"] for name, each in asked.items() if "default" in each} | job.get("with", {})
        if given.get("account"):
            yield given, {given["stack"].upper()}
        return
    named = job.get("environment", "")
    here = {
        "backend": (workflow.get("env", {}) | job.get("env", {})).get("PULUMI_BACKEND_URL", ""),
        "environment": named if isinstance(named, str) else named["name"],
    }
    scripts = " ".join(step.get("run", "") for step in job["steps"])
    for step in job["steps"]:
        if step.get("uses", "").startswith(_LOGIN):
            yield here | step["with"], set(map(str.upper, re.findall(r"--stack[ =](\w+)", scripts)))


def claims_of(workflow: Mapping[Any, Any], environment: str) -> Iterator[Claims]:
    """What is in the tokens of a job's runs, for each event that starts its workflow."""
    started = workflow[True]  # YAML 1.1 reads `on` as a boolean
    for event in [started] if isinstance(started, str) else started:
        ref = "refs/pull/1/merge" if event.startswith("pull_request") else MAIN
        yield {"event_name": event, "ref": ref} | ({"environment": environment} if environment else {})


def wrong(workflow: Mapping[Any, Any]) -> list[str]:
    """What does not fit together in a workflow's logins, its state and the program's conditions."""
    found = []
    for name, job in workflow["jobs"].items():
        logs_in = False
        for login, named in logins(workflow, job):
            logs_in = True
            told = (_WAY_IN, "provider"), (_ACCOUNT, "account"), (_STATE, "backend")
            way_in, account, state = (rule.fullmatch(login.get(key, "")) for rule, key in told)
            if not way_in or not account or not state:
                found.append(f"{name}: it does not say by which variables it logs in, and where its state is")
                continue
            stacks = {way_in[1], account[1], state[1], *named}
            if len(stacks) > 1:
                found.append(f"{name}: it mixes {' and '.join(sorted(stacks))}")
                continue
            for claims in claims_of(workflow, login.get("environment", "")):
                is_ = who(STACKS[way_in[1].lower()](), claims)
                if is_ != _ACCOUNTS[account[2]]:
                    found.append(f"{name}: on {claims['event_name']} it is {is_ or 'nobody'}, not {account[2]}")
                if claims["event_name"] == "pull_request" and _NO_FORK not in str(job.get("if")):
                    found.append(f"{name}: a fork's pull request has no token: if {_NO_FORK}")
        if logs_in != ("id-token" in job.get("permissions", workflow["permissions"])):
            found.append(f"{name}: it may ask for a token, and does not, or the other way round")
    return found


@pytest.mark.parametrize("path", _CALLING.values(), ids=lambda path: path.name)
def test_each_workflow_logs_in_as_somebody_that_its_runs_are(path: Path) -> None:
    assert wrong(parse(path)) == []


SAMPLE = """
on: {EVENT: }
permissions: {contents: read, id-token: write}
env: {PULUMI_BACKEND_URL: "${{ vars.DEV_PULUMI_BACKEND_URL }}"}
jobs:
  go:
    if: CONDITION
    environment: ENVIRONMENT
    steps:
      - uses: $/.github/actions/pulumi
        with: {provider: "${{ vars.DEV_WORKLOAD_IDENTITY_PROVIDER }}", account: "${{ vars.DEV_DEPLOYER }}"}
      - run: pulumi up --stack dev
"""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"dev": "prod", "DEV": "PROD", "ENVIRONMENT": "prod"}, ""),
        (
            {
                "EVENT": "pull_request",
                "WORKLOAD_IDENTITY": "PREVIEW",
                "DEPLOYER": "PREVIEWER",
                "CONDITION": _NO_FORK,
            },
            "",
        ),
        ({"dev": "prod", "DEV": "PROD"}, "on push it is nobody, not DEPLOYER"),
        ({"EVENT": "pull_request", "CONDITION": _NO_FORK}, "it is {'github-preview'}, not DEPLOYER"),
        ({"EVENT": "pull_request_target"}, "it is nobody, not DEPLOYER"),
        (
            {"EVENT": "pull_request", "WORKLOAD_IDENTITY": "PREVIEW", "DEPLOYER": "PREVIEWER"},
            "a fork's pull request has no token",
        ),
        ({"DEV_PULUMI": "PROD_PULUMI"}, "it mixes DEV and PROD"),
        ({"--stack dev": "--stack prod"}, "it mixes DEV and PROD"),
        ({"vars.DEV_DEPLOYER": "inputs.who"}, "it does not say by which variables"),
        ({", id-token: write": ""}, "it may ask for a token, and does not, or the other way round"),
    ],
)
def test_what_does_not_fit_in_a_workflow_is_seen(changes: dict[str, str], words: str) -> None:
    text = SAMPLE
    for old, new in changes.items():
        text = text.replace(old, new)
    text = text.replace("EVENT", "push").replace("CONDITION", "true").replace("ENVIRONMENT", '""')

    found = wrong(yaml.safe_load(text))
    assert [words in each for each in found] == ([True] if words else [])


def test_nothing_of_a_workflow_that_forks_start_needs_somebody() -> None:
    """A fork's checks have no variables, no secrets and no token, and tell what they found all the same."""
    path = WORKFLOWS["pull-request.yml"]

    assert "pull_request" in parse(path)[True]
    assert not re.search(r"\b(vars|secrets)\.|id-token", path.read_text())
    assert any("GITHUB_STEP_SUMMARY" in step.get("run", "") for step in steps(path))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("environment", "", "prod: on push it is nobody, not DEPLOYER"),
        ("stack", "dev", "prod: it mixes DEV and PROD"),
        ("backend", "${{ vars.DEV_PULUMI_BACKEND_URL }}", "prod: it mixes DEV and PROD"),
    ],
)
def test_what_does_not_fit_in_a_call_is_seen(key: str, value: str, words: str) -> None:
    workflow = parse(WORKFLOWS["deploy.yml"])
    workflow["jobs"]["prod"]["with"][key] = value
    assert wrong(workflow) == [words]


@pytest.mark.parametrize("name", ["_pulumi-ci.yml", "_pulumi-up.yml"])
def test_a_workflow_that_is_called_logs_in_as_whom_its_caller_says(name: str) -> None:
    (login,) = [step["with"] for step in steps(WORKFLOWS[name]) if step.get("uses", "").startswith(_LOGIN)]
    assert set(login.values()) == {"${{ inputs.provider }}", "${{ inputs.account }}"}
    assert "PULUMI_BACKEND_URL: ${{ inputs.backend }}" in WORKFLOWS[name].read_text()
