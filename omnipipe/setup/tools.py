"""The programs of others that setting up takes, and how to get one that is missing."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from importlib import metadata
from pathlib import Path


class ToolFailed(Exception):
    """A program did not do what it was asked; the text has its own words."""


def how_to_get(tool: str) -> str:
    """What to do for a program that is missing; of Pulumi it is the version of the SDK, with which it is released."""
    return {
        "docker": "see https://docs.docker.com/engine/install/",
        "gcloud": "see https://cloud.google.com/sdk/docs/install",
        "gh": "see https://github.com/cli/cli#installation",
        "git": "see https://git-scm.com/downloads",
        "pulumi": f"curl -fsSL https://get.pulumi.com | sh -s -- --version {metadata.version('pulumi')}",
    }[tool]


def missing(tools: Collection[str]) -> list[str]:
    """A line for each of the programs that is not on PATH: what to do."""
    return [f"{tool} is not on PATH: {how_to_get(tool)}" for tool in tools if shutil.which(tool) is None]


def run(
    command: Sequence[str],
    *,
    timeout: float,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """What a command prints. ``timeout`` is in seconds; it cannot ask anything.

    Raises ToolFailed when it is not there, fails, or does not end in time.
    """
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolFailed(f"it has not ended after {timeout:.0f} s") from error
    except OSError as error:
        raise ToolFailed(error.strerror or repr(error)) from error
    if done.returncode:
        raise ToolFailed(done.stderr.strip() or f"exit code {done.returncode}")
    return done.stdout
