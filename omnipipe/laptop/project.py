"""A Pulumi project and one of its stacks, as their files say; what is wrong in them is told with file and line."""

from __future__ import annotations

import dataclasses
import difflib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from omnipipe.laptop.errors import LaptopError


@dataclass(frozen=True)
class Project:
    """A project with the configuration of a stack: the stack's own values over the project's defaults.

    ``lines`` says where a value stands: key to ``Pulumi.dev.yaml:3``.
    """

    name: str
    main: Path
    stack: str
    config: dict[str, str]
    lines: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def load(root: Path, stack: str) -> Project:
        """Read Pulumi.yaml and Pulumi.STACK.yaml.

        Raises LaptopError, with a line for each problem, when a file is missing or is no YAML, sets a key that the
        project does not declare, or does not set one that has no default.
        """
        project, _ = read_yaml(root / "Pulumi.yaml")
        stacks = sorted(path.name.split(".")[1] for path in root.glob("Pulumi.*.yaml"))
        if stack not in stacks:
            known = f"choose one of {', '.join(stacks)}" if stacks else f"{root} has no Pulumi.{stack}.yaml"
            raise LaptopError(f"there is no stack {stack!r}: {known}")
        file = root / f"Pulumi.{stack}.yaml"
        content, lines = read_yaml(file)
        own = content.get("config") or {}
        if not isinstance(own, dict):
            raise LaptopError(f"{file.name}: `config:` holds KEY: VALUE lines, not {type(own).__name__}")
        name = project.get("name")
        if not isinstance(name, str) or not name:
            raise LaptopError(f"{root / 'Pulumi.yaml'} has no name: write `name: …`, as `pulumi new` does")
        declared = {
            key if ":" in str(key) else f"{name}:{key}": value if isinstance(value, dict) else {"value": value}
            for key, value in (project.get("config") or {}).items()
        }
        config = {
            key: _text(value.get("value", value.get("default")))
            for key, value in declared.items()
            if value.keys() & {"value", "default"}
        }
        problems = []
        for key in own:
            if declared and key not in declared and str(key).startswith(f"{name}:"):
                near = difflib.get_close_matches(key, declared, 1)
                hint = f"is it {near[0]}?" if near else "Pulumi.yaml declares none of that name"
                problems.append(f"{lines[key]}: there is no setting {key}: {hint}")
        problems += [
            f"{file.name} does not set {key}, which has no default: add it there"
            for key in declared
            if key not in own and key not in config
        ]
        problems += [
            f"{lines[key]}: {key} is encrypted with a key that the laptop does not have: give this stack another value"
            for key, value in own.items()
            if isinstance(value, dict) and value.keys() == {"secure"}
        ]
        if problems:
            raise LaptopError("\n".join(problems))
        config |= {key: _text(value) for key, value in own.items()}
        return Project(name, root / project.get("main", "."), stack, config, lines)

    def with_config(self, config: dict[str, str]) -> Project:
        """The same project with another configuration."""
        return dataclasses.replace(self, config=config)


def read_yaml(file: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The content of a YAML file, and where each key under ``config`` stands in it. Raises LaptopError."""
    try:
        text = file.read_text()
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except OSError as error:
        raise LaptopError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise LaptopError(f"{file.name} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{file.name}:{mark.line + 1}" if mark else file.name
        reason = getattr(error, "problem", None) or " ".join(str(error).split())
        raise LaptopError(f"{place}: this is not YAML: {reason}") from error
    if not isinstance(content, dict):
        raise LaptopError(
            f"{file.name} has no settings: it begins with `config:` and has KEY: VALUE lines below it"
        )
    lines = {}
    for key, value in tree.value:
        if key.value == "config" and isinstance(value, yaml.MappingNode):
            lines = {name.value: f"{file.name}:{name.start_mark.line + 1}" for name, _ in value.value}
    return content, lines


def _text(value: Any) -> str:
    """A value of a stack's file, as Pulumi hands it to the program."""
    return value if isinstance(value, str) else json.dumps(value)
