"""Each component's docstring has an example, and it runs."""

import importlib
import pkgutil
import textwrap

import pulumi
import pytest

import components
from tests.components.mocks import record


def _components() -> list[type[pulumi.ComponentResource]]:
    """Every component of the package, found by looking: the bricks, and what composes them."""
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(components.__path__, f"{components.__name__}.")
    ]
    return [
        member
        for module in modules
        for member in vars(module).values()
        if isinstance(member, type)
        and issubclass(member, pulumi.ComponentResource)
        and member.__module__ == module.__name__
    ]


def _example(component: type[pulumi.ComponentResource]) -> str:
    """The block after ``Example::``, as code; empty when there is none."""
    _, _, after = (component.__doc__ or "").partition("Example::\n")
    return textwrap.dedent(after)


COMPONENTS = _components()


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda c: c.__name__)
def test_the_example_of_a_component_makes_it_and_says_what_it_exposes(
    component: type[pulumi.ComponentResource],
) -> None:
    code = compile(_example(component), f"the example of {component.__name__}", "exec")

    program = record(lambda: exec(code, {}))  # noqa: S102 - the docstrings are ours

    made = [c for c in program.components if c.type == f"omnipipe:components:{component.__name__}"]
    assert made, f"the example of {component.__name__} does not make one"
    assert {c.name for c in made} <= set(program.exposed), f"{component.__name__} does not register its outputs"
    assert all(r.parent for r in program.registrations)


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda c: c.__name__)
def test_the_example_of_a_component_runs_in_a_preview_too(component: type[pulumi.ComponentResource]) -> None:
    code = compile(_example(component), f"the example of {component.__name__}", "exec")

    assert record(lambda: exec(code, {}), preview=True).resources  # noqa: S102 - the docstrings are ours
