"""A project's folder, and stand-ins on PATH that keep what they were told to make."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from omnipipe.laptop import home
from omnipipe.laptop.home import PROJECT_ROOT
from omnipipe.setup.steps import VERSIONS
from tests.setup import standins


class Machine:
    """A machine with the project in ``folder``, and what its tools have made so far."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.programs, self._state = folder, folder / "bin", folder / "state.json"
        self.programs.mkdir()
        for name in ("Pulumi.yaml", "Pulumi.dev.yaml", "Pulumi.prod.yaml", VERSIONS):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT_ROOT / name, folder / name)
        standins.install(self.programs, self._state)

    @property
    def state(self) -> dict[str, Any]:
        """What the tools have made; ``calls`` is how they were called."""
        return json.loads(self._state.read_text())

    def set(self, **state: Any) -> None:
        """Let something be otherwise."""
        self._state.write_text(json.dumps(self.state | state if self._state.exists() else state))

    def stack_file(self, stack: str) -> str:
        """A stack's settings."""
        return (self.folder / f"Pulumi.{stack}.yaml").read_text()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine where nothing was made yet."""
    made = Machine(tmp_path)
    monkeypatch.setattr(home, "PROJECT_ROOT", tmp_path)
    monkeypatch.setenv("PATH", f"{made.programs}:{os.environ['PATH']}")
    return made
