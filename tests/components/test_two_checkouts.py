"""The same program from another folder asks for the same: a preview elsewhere shows no change that nobody made."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from omnipipe.laptop.home import PROJECT_ROOT

# What a checkout does not have.
NOT_OF_A_CHECKOUT = shutil.ignore_patterns(".git", ".venv", ".omnipipe*", "__pycache__", ".*_cache")
TOLD = """
import dataclasses, json
from tests.components.conftest import deployed

recorded = deployed("everything")
print(json.dumps({f"{r.type}::{r.name}": [r.inputs, r.protect, r.replace_on_changes] for r in recorded.registrations}))
"""


def registered_from(folder: Path) -> dict[str, Any]:
    """What the program of a copy registers, when it is run from there."""
    shutil.copytree(PROJECT_ROOT, folder, ignore=NOT_OF_A_CHECKOUT)
    # Before the project that is installed in this environment.
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", TOLD], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_two_checkouts_ask_for_the_same_to_the_byte(tmp_path: Path) -> None:
    first = registered_from(tmp_path / "one")
    second = registered_from(tmp_path / "another folder" / "deeper")

    assert {key: value for key, value in first.items() if value != second[key]} == {}
    assert first.keys() == second.keys()
    assert str(tmp_path) not in json.dumps([first, second])
    assert sum("docker-build" in key for key in first) == 5
