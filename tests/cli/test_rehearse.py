"""What `omnipipe rehearse` shows: a line a step, a table, each problem with its request, and what is left."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from omnipipe.cli import app
from omnipipe.rehearsal.engine.installed import CannotRehearse
from omnipipe.rehearsal.engine.left import Left
from omnipipe.rehearsal.engine.problems import Problem
from omnipipe.rehearsal.engine.rehearsal import Report, Step

VERSIONS = "Pulumi 3.272.0, Google provider 10.2.0, SDK pulumi-gcp 10.2.0"
UP = Step("up", {"create": 251}, 640, 68.24, 0.7)
PROBLEM = Problem(
    "orders", "gcp:pubsub/topic:Topic", "PUT pubsub/v1/projects/p/topics/orders", "Error 403: It is not enabled."
)
IMPORT = "pulumi import gcp:pubsub/topic:Topic orders projects/p/topics/orders --protect=false"

Rehearse = Callable[..., tuple[Result, dict[str, Any]]]


class _Installed:
    line = VERSIONS


@pytest.fixture
def rehearse(monkeypatch: pytest.MonkeyPatch) -> Rehearse:
    """``rehearse(steps, left, *arguments)``: the command on an engine that does what the steps say."""

    def run(steps: list[Step], left: list[Left] | None, *arguments: str) -> tuple[Result, dict[str, Any]]:
        asked: dict[str, Any] = {}

        class Played:
            def __init__(self, program: Path, stack: str, installed: object, **how: object) -> None:
                asked.update(how, program=program, stack=stack)

            def run(self, **how: object) -> Report:
                asked.update(how)
                for step in steps:
                    asked["begins"](step.name)
                    asked["ends"](step)
                return Report(VERSIONS, "dev", steps, left)

        monkeypatch.setattr("omnipipe.rehearsal.engine.installed.find", lambda _: _Installed())
        monkeypatch.setattr("omnipipe.rehearsal.engine.rehearsal.Rehearsal", Played)
        return CliRunner().invoke(app, ["rehearse", *arguments]), asked

    return run


def test_the_versions_come_first_then_a_line_a_step_then_a_table(rehearse: Rehearse) -> None:
    result, _ = rehearse([Step("preview", {"create": 251}, 4, 8.0), UP], [])

    lines = result.stdout.splitlines()
    assert lines[0] == VERSIONS
    assert lines[1:3] == ["✓ preview: 251 create, 4 requests, 8.0 s", "✓ up: 251 create, 640 requests, 68.2 s"]
    assert "up       251 create       640     68.2         0" in lines
    assert lines[-1] == "No problem."
    assert "Nothing is left at Google." in lines
    assert result.exit_code == 0


def test_a_problem_is_told_with_its_resource_its_request_and_googles_words_and_is_a_failure(
    rehearse: Rehearse,
) -> None:
    result, _ = rehearse([Step("up", {}, 3, 1.0, problems=[PROBLEM])], None)

    assert "✗ up: nothing, 3 requests, 1.0 s" in result.stdout
    told = "\nup: gcp:pubsub/topic:Topic orders\n  PUT pubsub/v1/projects/p/topics/orders\n  Error 403: "
    assert told in result.stdout
    assert result.stdout.endswith("1 problem.\n")
    assert result.exit_code == 1


def test_what_is_left_is_told_with_the_reason_and_what_was_forgotten_by_name(rehearse: Rehearse) -> None:
    left = [
        Left("cloudkms", "projects/p/keyRings/a", "kept for ever"),
        Left("cloudkms", "b", "kept for ever"),
        Left("pubsub", "projects/p/topics/orders", ""),
    ]
    result, _ = rehearse([UP], left)
    assert (
        "Left at Google:\n  2: kept for ever\n  pubsub projects/p/topics/orders: nothing keeps it" in result.stdout
    )


def test_repairs_can_be_copied_in_one_line(rehearse: Rehearse) -> None:
    result, asked = rehearse([Step("up, with faults", {}, repairs=[IMPORT])], [], "--faults", "0.1", "--seed", "3")
    assert f"up, with faults is repaired by\n  {IMPORT}\n" in result.stdout
    assert asked["faults"] is not None
    assert rehearse([UP], [])[1]["faults"] is None


def test_a_change_is_shown_with_what_it_did(rehearse: Rehearse) -> None:
    change = "omnipipe:schedule=0 6 * * *"
    step = Step(f"change {change}", {"update": 1}, changes=["update gcp:cloudscheduler/job:Job daily"])
    result, asked = rehearse([step], [], "--change", change)
    assert asked["change"] == {"omnipipe:schedule": "0 6 * * *"}
    assert "  update gcp:cloudscheduler/job:Job daily\n" in result.stdout


def test_json_is_for_a_machine_and_nothing_else(rehearse: Rehearse) -> None:
    result, _ = rehearse([Step("up", {"create": 1}, 3, 1.0, problems=[PROBLEM])], [], "--json", "--quick")
    told = json.loads(result.stdout)
    assert (told["versions"], told["problems"]) == (VERSIONS, 1)
    assert told["steps"][0]["problems"][0]["request"] == PROBLEM.request


@pytest.mark.parametrize("change", ["schedule", "schedule=x", "omnipipe:schedule"])
def test_a_change_without_key_namespace_or_value_is_told(rehearse: Rehearse, change: str) -> None:
    result, _ = rehearse([UP], [], "--change", change)
    assert result.exit_code == 1
    assert "write KEY=VALUE" in result.output


def test_what_is_missing_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: Path) -> None:
        raise CannotRehearse("pulumi is not on PATH: get it")

    monkeypatch.setattr("omnipipe.rehearsal.engine.installed.find", missing)
    result = CliRunner().invoke(app, ["rehearse"])
    assert result.exit_code == 1
    assert "error: pulumi is not on PATH: get it" in result.output
