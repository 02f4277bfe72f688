"""What a change of the program does to each stack is seen in its golden file before it is deployed."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from components.platform.workflow_source import workflow_source
from omnipipe.contracts.pipelines import Pipeline
from omnipipe.laptop.iam import bindings, roles
from omnipipe.laptop.kinds import KINDS
from omnipipe.laptop.registry import Registry, Resource
from tests.components import golden
from tests.components.mocks import Recorder, record


@pytest.mark.parametrize("stack", golden.STACKS)
def test_the_program_registers_what_the_golden_file_says(deploy: Callable[[str], Recorder], stack: str) -> None:
    found = golden.difference(golden.path(stack), golden.inventory(deploy(stack)))
    assert not found, f"if the change of {stack} is meant: {golden.REWRITE}\n{found}"


@pytest.mark.parametrize("pipeline", golden.PIPELINES, ids=lambda pipeline: pipeline.name)
def test_the_workflow_of_a_pipeline_is_what_the_golden_file_says(pipeline: Pipeline) -> None:
    found = golden.difference(golden.source_path(pipeline), workflow_source(pipeline))
    assert not found, f"if the change of {pipeline.name} is meant: {golden.REWRITE}\n{found}"


def test_a_difference_is_told_and_so_is_a_file_that_is_not_there() -> None:
    file = golden.path("dev")
    assert "-bigquery.Dataset" in golden.difference(file, "")
    assert "+new\n" in golden.difference(file.with_name("none.yaml"), "new\n")


@pytest.mark.parametrize("stack", golden.STACKS)
def test_a_golden_file_holds_no_secret_no_hash_and_no_path_of_a_machine(stack: str) -> None:
    text = golden.path(stack).read_text()

    assert "[secret]" in text
    assert "generated" not in text
    assert not re.search(r"[0-9a-f]{16}", text)
    assert "/home/" not in text
    assert str(golden.PROJECT_ROOT) not in text


def test_the_laptop_knows_all_that_a_stack_can_have(deploy: Callable[[str], Recorder]) -> None:
    types = {resource.type for resource in deploy("everything").resources}

    assert types - {"pulumi:providers:gcp"} <= set(KINDS)


def test_the_laptop_knows_every_role_and_every_condition_that_a_stack_can_grant(
    deploy: Callable[[str], Recorder], tmp_path: Path
) -> None:
    registry = Registry(tmp_path / "resources.json")
    grants = [made for made in deploy("everything").resources if made.type in bindings.TARGETS]
    for made in grants:
        registry.put(Resource(made.type, made.name, made.inputs))
        if not made.inputs["role"].startswith("projects/"):  # of the program's own
            roles.permissions(made.inputs["role"])

    assert any("condition" in made.inputs for made in grants)
    bindings.Bindings(registry, "omnipipe-prod")


def test_an_inventory_shows_what_a_deployment_depends_on() -> None:
    def program() -> None:
        import pulumi
        import pulumi_random as random

        first = random.RandomPassword("first", length=8, opts=pulumi.ResourceOptions(protect=True))
        random.RandomPassword(
            "second",
            length=first.length,
            override_special=first.result,
            keepers={"source": "a\nb", "digest": "0123456789abcdef"},
            opts=pulumi.ResourceOptions(depends_on=[random.RandomPassword("third", length=9)]),
        )

    assert golden.inventory(record(program)) == (
        "random.RandomPassword first:\n  inputs:\n    length: 8\n  parent: omnipipe-test\n  protect: true\n"
        "random.RandomPassword second:\n  after:\n  - third\n  inputs:\n    keepers:\n      digest: '[hash]'\n"
        "      source: '[text]'\n    length: 8\n    overrideSpecial: '[secret]'\n  parent: omnipipe-test\n"
        "random.RandomPassword third:\n  inputs:\n    length: 9\n  parent: omnipipe-test\n"
    )
