"""What a rehearsal, which knows no program, is told beside it: ``rehearsal.yaml``, where its Pulumi.yaml is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import yaml

from omnipipe.rehearsal.engine.installed import CannotRehearse

FILE = "rehearsal.yaml"
_KEYS = ("settings", "release", "policies")


@dataclass(frozen=True)
class Declaration:
    """Settings of the stack: those that hold in a rehearsal, and those that let its data be deleted.

    ``policies`` is the folder of its policy pack, or None.
    """

    settings: dict[str, str] = field(default_factory=dict)
    release: dict[str, str] = field(default_factory=dict)
    policies: str | None = None

    @staticmethod
    def load(program: Path) -> Declaration:
        """Read the file of a program's folder; a program without one declares nothing.

        Raises CannotRehearse for a file that is no YAML or has another form.
        """
        file = program / FILE
        if not file.is_file():
            return Declaration()
        try:
            said = yaml.safe_load(file.read_text()) or {}
        except yaml.YAMLError as error:
            raise CannotRehearse(f"{FILE} is no YAML: {error}") from error
        if not isinstance(said, dict) or (said.keys() - set(_KEYS)):
            raise CannotRehearse(f"{FILE}: it has {', '.join(_KEYS)}, and nothing else")
        policies = said.get("policies")
        return Declaration(_texts(said, "settings"), _texts(said, "release"), policies and str(policies))


def _texts(said: dict[str, object], key: str) -> dict[str, str]:
    values = said.get(key) or {}
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise CannotRehearse(f"{FILE}: {key}: write KEY: VALUE lines, each value a text in quotes")
    return values
