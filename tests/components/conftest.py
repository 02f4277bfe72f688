"""The whole program of a stack, run against a cloud that only remembers what it is asked for."""

import contextlib
import gc
import runpy
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pytest

from omnipipe.laptop.home import PROJECT_ROOT
from omnipipe.laptop.project import Project
from tests.components.mocks import Recorder, record

# The SDK makes very many objects that live long: with Python's own thresholds, a third of the time is spent on them.
gc.set_threshold(100_000, 50, 1000)

# prod with all that a stack may leave out.
EVERYTHING = {
    "omnipipe:customerManagedKeys": "true",
    "omnipipe:piiReaders": '["group:support@example.com"]',
    "omnipipe:piiMaskedReaders": '["group:analysts@example.com"]',
    "omnipipe:alertEmails": '["data-platform@example.com"]',
    "omnipipe:billingAccount": "01AB23-CD45EF-678901",
    "omnipipe:monthlyBudget": "300",
    "omnipipe:githubRepositoryId": "123456789",
    "omnipipe:githubOwnerId": "987654",
}


_STACKS = {"everything": ("prod", EVERYTHING), "dev-everything": ("dev", EVERYTHING)}


@cache
def deployed(stack: str) -> Recorder:
    """What the program registers for a stack; for ``everything``; or for ``dev-everything``, the same of dev."""
    return deploy_with(*_STACKS.get(stack, (stack, {})))


def deploy_with(name: str, more: Mapping[str, str], **how: Any) -> Recorder:
    """What the program registers for a stack with some settings changed; ``how`` is ``record``'s."""
    project = Project.load(PROJECT_ROOT, name)
    with contextlib.chdir(project.main):  # as the engine runs it
        return record(
            lambda: runpy.run_path(str(project.main), run_name="__main__"),
            config={**project.config, **more},
            stack=name,
            **how,
        )


@pytest.fixture
def deploy() -> Callable[[str], Recorder]:
    """``deploy("dev")``: see ``deployed``."""
    return deployed
