"""Both stacks, by the real engine and the real provider: up without an error, no changes after, and what is left.

They run where `pulumi` and the Google provider are found, as `omnipipe rehearse` finds them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from omnipipe.laptop.home import PROJECT_ROOT
from omnipipe.rehearsal.engine import installed
from omnipipe.rehearsal.engine.installed import CannotRehearse, Installed
from omnipipe.rehearsal.engine.rehearsal import Rehearsal, Report, Step

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def engine() -> Installed:
    try:
        return installed.find(PROJECT_ROOT)
    except CannotRehearse as error:
        pytest.skip(f"no rehearsal on this machine: {error}")


def rehearse(engine: Installed, program: Path, stack: str, **how: object) -> Report:
    steps: list[Step] = []
    rehearsal = Rehearsal(program, stack, engine, begins=lambda _: None, ends=steps.append)
    report = rehearsal.run(**how)  # pyright: ignore[reportArgumentType] - what run takes
    assert report.steps == steps
    return report


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_a_stack_is_deployed_and_removed_without_a_problem(engine: Installed, stack: str) -> None:
    report = rehearse(engine, PROJECT_ROOT, stack)

    assert report.problems == []
    names = [step.name for step in report.steps]
    assert names[:5] == ["preview", "up", "preview again", "preview, refreshed", "preview elsewhere"]
    for step in report.steps[2:5]:
        assert set(step.resources) == {"unchanged"}
    assert [each for each in report.left or () if not each.why] == []


def test_a_mistake_is_told_with_the_resource_the_request_and_googles_words(
    engine: Installed, tmp_path: Path
) -> None:
    """A program whose topic is used before its API is enabled, which a preview cannot see."""
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  gcp:project: shop-dev\n")
    (tmp_path / "__main__.py").write_text(
        'import pulumi_gcp as gcp\n\ngcp.pubsub.Topic("orders", name="orders")\n'
    )

    report = rehearse(engine, tmp_path, "dev")

    assert [step.name for step in report.steps] == ["preview", "up"]
    (problem,) = report.problems
    assert (problem.resource, problem.request) == ("orders", "PUT pubsub/v1/projects/shop-dev/topics/orders")
    assert "has not been used in project" in problem.error


def test_what_a_policy_forbids_is_a_problem_of_the_first_preview(engine: Installed, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: {name: python, options: {virtualenv: .venv}}\n")
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  gcp:project: shop-dev\n")
    (tmp_path / "__main__.py").write_text(
        'import pulumi_gcp as gcp\n\ngcp.pubsub.Topic("orders", name="orders")\n'
    )
    (tmp_path / "rehearsal.yaml").write_text("policies: rules\n")
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "PulumiPolicy.yaml").write_text("runtime: {name: python, options: {virtualenv: ../.venv}}\n")
    (rules / "__main__.py").write_text(
        "from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy\n"
        "def no_topics(args, report):\n"
        "    report('no topics here')\n"
        "PolicyPack('rules', [ResourceValidationPolicy('no-topics', 'None.', no_topics, EnforcementLevel.MANDATORY)])\n"
    )

    report = rehearse(engine, tmp_path, "dev")

    assert [step.name for step in report.steps] == ["preview"]
    assert "orders" in {problem.resource for problem in report.problems if "no topics here" in problem.error}


def test_a_program_that_leaves_this_machine_is_stopped_and_the_host_named(
    engine: Installed, tmp_path: Path
) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  gcp:project: shop-dev\n")
    (tmp_path / "__main__.py").write_text('import requests\n\nrequests.get("https://example.com/prices")\n')

    report = rehearse(engine, tmp_path, "dev", quick=True)

    assert "CONNECT example.com:443" in {problem.request for problem in report.problems}
