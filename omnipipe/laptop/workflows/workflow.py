"""A deployable workflow: parsing it, running it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from omnipipe.laptop.workflows.compiler import Compiler, Routine
from omnipipe.laptop.workflows.environment import Environment
from omnipipe.laptop.workflows.errors import Problem, Stop, WorkflowCancelled, WorkflowRefused
from omnipipe.laptop.workflows.execution import Execution, Frame
from omnipipe.laptop.workflows.source import read
from omnipipe.laptop.workflows.values import copy_value, jsonable


class Workflow:
    """A workflow that passed the check; see the package for how to use it."""

    def __init__(self, main: Routine):
        self._main = main

    def run(
        self,
        argument: Any,
        environment: Environment,
        on_step: Callable[[str, str], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> Any:
        """Run one execution to its end and return its result.

        Raises: WorkflowError for an error that the workflow does not catch, WorkflowCancelled.
        """
        execution = Execution(environment, on_step, cancel or threading.Event())
        arguments = [argument] if self._main.parameters else []
        try:
            result = self._main.start(Frame(execution, 0), arguments)
        except Stop:
            raise WorkflowCancelled from None
        return copy_value(jsonable(result, "the result"))


def parse(source: str, filename: str) -> Workflow:
    """Check and compile a workflow's YAML or JSON.

    Raises: WorkflowRefused with every problem found.
    """
    compiler = Compiler(filename)
    try:
        routines = compiler.compile(read(source, filename))
    except RecursionError:
        raise WorkflowRefused([Problem(filename, 1, None, "nested too deeply — use subworkflows")]) from None
    if compiler.problems:
        raise WorkflowRefused(compiler.problems)
    return Workflow(routines["main"])
