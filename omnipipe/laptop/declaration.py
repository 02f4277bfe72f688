"""What the laptop, which knows no platform, is told beside a program: ``laptop.yaml``, where its Pulumi.yaml is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.project import read_yaml

FILE = "laptop.yaml"


@dataclass(frozen=True)
class Simulator:
    """What stands in for a part of the outside world: how it is started, and the settings that it replaces.

    Both are templates; see ``omnipipe.laptop.outside_world``.
    """

    name: str
    command: tuple[str, ...]
    settings: dict[str, str]


@dataclass(frozen=True)
class Declaration:
    """The simulators of a program by name, what the commands of a platform mean in it, the table for a stream's dead
    letters, and the folder of its policy pack.
    """

    simulators: dict[str, Simulator] = field(default_factory=dict)
    commands: dict[str, dict[str, str]] = field(default_factory=dict)
    dead_letters: str | None = None
    policies: str | None = None

    @staticmethod
    def load(program: Path) -> Declaration:
        """Read the file of a program's folder; a program without one declares nothing.

        Raises LaptopError for a file that is no YAML or has another form.
        """
        file = program / FILE
        if not file.is_file():
            return Declaration()
        content, _ = read_yaml(file)
        if unknown := content.keys() - {"simulators", "commands", "deadLetters", "policies"}:
            raise LaptopError(
                f"{FILE}: it has simulators, commands, deadLetters and policies, and no {', '.join(sorted(unknown))}"
            )
        simulators = {}
        for name, said in _mapping(content.get("simulators"), "simulators").items():
            said = _mapping(said, f"simulators: {name}")
            if set(said) != {"command", "settings"} or not isinstance(said["command"], list):
                raise LaptopError(f"{FILE}: simulators: {name}: it has `command:`, a list, and `settings:`")
            settings = _texts(said["settings"], f"simulators: {name}: settings")
            simulators[name] = Simulator(name, tuple(map(str, said["command"])), settings)
        commands = {
            name: _texts(said, f"commands: {name}")
            for name, said in _mapping(content.get("commands"), "commands").items()
        }
        policies = content.get("policies")
        if policies is not None and not (program / str(policies)).is_dir():
            raise LaptopError(
                f"{FILE}: policies: there is no folder {policies}: name the one of PulumiPolicy.yaml"
            )
        return Declaration(simulators, commands, content.get("deadLetters"), policies)

    def of_command(self, command: str, *keys: str) -> dict[str, str]:
        """What a command means, by these keys. Raises LaptopError where the program does not say."""
        said = self.commands.get(command, {})
        if said.keys() != set(keys):
            raise LaptopError(
                f"the program does not say what `omnipipe {command}` means: write into its {FILE}, under commands, "
                f"{command}: {{{': …, '.join(keys)}: …}}"
            )
        return said


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value or {}, dict):
        raise LaptopError(f"{FILE}: {where}: write KEY: VALUE lines, not {value!r}")
    return value or {}


def _texts(value: Any, where: str) -> dict[str, str]:
    texts = _mapping(value, where)
    for key, text in texts.items():
        if not isinstance(text, str):
            raise LaptopError(f"{FILE}: {where}: {key} is {text!r}: write a text, in quotes")
    return texts
