"""The whole program of a stack, run against a cloud that only remembers what it is asked for."""

import contextlib
import runpy
from collections.abc import Callable
from functools import cache

import pytest

from omnipipe.laptop.home import PROJECT_ROOT
from omnipipe.laptop.program import Project
from tests.components.mocks import Recorder, record


@cache
def deployed(stack: str) -> Recorder:
    """What the program registers for a stack."""
    project = Project.load(PROJECT_ROOT, stack)
    with contextlib.chdir(project.main):  # as the engine runs it
        return record(
            lambda: runpy.run_path(str(project.main), run_name="__main__"), config=project.config, stack=stack
        )


@pytest.fixture
def deploy() -> Callable[[str], Recorder]:
    """``deploy("dev")``: what the program registers for a stack."""
    return deployed
