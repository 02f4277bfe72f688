"""Simulators as processes."""

import json
import subprocess
from typing import Any


def start(command: list[str]) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """Start a simulator; its process and its start line."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())
