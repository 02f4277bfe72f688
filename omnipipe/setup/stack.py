"""Whether a stack's settings fit, alone and beside the other stacks'."""

from __future__ import annotations

from pathlib import Path

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.project import Project
from omnipipe.setup.checks import Check, Missing
from stacks.foundation import Foundation
from stacks.settings import problems

# Nobody's: https://www.rfc-editor.org/rfc/rfc2606, and what stands in Pulumi.yaml in place of an organisation.
_EXAMPLES = ("example.com", "your-organisation")


def checks(root: Path, stack: str) -> list[Check]:
    """What can be told without anybody else."""
    return [
        Check("settings", lambda: _settings(root, stack)),
        Check("one project a stack", lambda: _own_project(root, stack)),
    ]


def foundation(root: Path, stack: str) -> Foundation | None:
    """What the stack stands on, or None if its settings do not say."""
    try:
        config = Project.load(root, stack).config
        return Foundation(stack, config["gcp:project"], config["gcp:region"], config["omnipipe:githubEnvironment"])
    except (LaptopError, ValueError, KeyError):
        return None


def no_examples(root: Path, stack: str) -> Check:
    """Whether what only a deployment uses is somebody's."""
    return Check("addresses", lambda: _no_examples(root, stack))


def _settings(root: Path, stack: str) -> str:
    try:
        project = Project.load(root, stack)
    except LaptopError as error:
        raise Missing(str(error), f"edit Pulumi.{stack}.yaml") from error
    if wrong := problems(project.config, stack):
        lines = (f"{project.lines.get(key, f'Pulumi.{stack}.yaml')}: {words}" for key, words in wrong)
        raise Missing("\n".join(lines), "docs/settings.md describes each")
    return f"Pulumi.{stack}.yaml fits"


def _own_project(root: Path, stack: str) -> str:
    by_stack = {}
    for file in sorted(root.glob("Pulumi.*.yaml")):
        name = file.name.split(".")[1]
        try:
            by_stack[name] = Project.load(root, name).config.get("gcp:project")
        except LaptopError:
            continue  # another stack's mistakes are told when it is asked for
    own = by_stack.get(stack)
    if others := [name for name, project in by_stack.items() if name != stack and own and project == own]:
        raise Missing(
            f"{own} is the project of {' and '.join([stack, *others])}: what Google calls their resources is the same",
            f"another project for one of them: pulumi config set gcp:project PROJECT --stack {stack}",
        )
    return str(own)


def _no_examples(root: Path, stack: str) -> str:
    config = Project.load(root, stack).config
    left = [key for key, value in config.items() if any(example in value for example in _EXAMPLES)]
    if left:
        raise Missing(
            f"still the example's: {', '.join(left)}", f"pulumi config set {left[0]} VALUE --stack {stack}"
        )
    return "none is an example's"
