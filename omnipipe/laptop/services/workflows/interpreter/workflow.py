"""A deployable workflow: parsing it, running it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from omnipipe.laptop.services.workflows.interpreter.compiler import RoutineCompiler
from omnipipe.laptop.services.workflows.interpreter.environment import Environment
from omnipipe.laptop.services.workflows.interpreter.errors import (
    Problem,
    Stop,
    WorkflowCancelled,
    WorkflowRefused,
    in_order,
)
from omnipipe.laptop.services.workflows.interpreter.execution import Execution, Frame
from omnipipe.laptop.services.workflows.interpreter.functions import Function
from omnipipe.laptop.services.workflows.interpreter.library import Library
from omnipipe.laptop.services.workflows.interpreter.routines import Routine
from omnipipe.laptop.services.workflows.interpreter.source import Mapping, Node, Sequence, read
from omnipipe.laptop.services.workflows.interpreter.values import copy_value, jsonable


class Workflow:
    """A workflow that passed the check; see the package for how to use it.

    warnings: the steps that Google may well run and this machine cannot, in the order of the file.
    """

    def __init__(self, main: Routine, warnings: list[Problem]):
        self._main = main
        self.warnings = in_order(warnings)

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
    problems: list[Problem] = []
    warnings: list[Problem] = []
    try:
        main = _compile(read(source, filename), filename, problems, warnings)
    except RecursionError:
        problems.append(Problem(filename, 1, None, "nested too deeply — use subworkflows"))
        main = None
    if problems or main is None:
        raise WorkflowRefused(problems)
    return Workflow(main, warnings)


def _compile(tree: Node, filename: str, problems: list[Problem], warnings: list[Problem]) -> Routine | None:
    """Compile every routine, each against the names of all of them."""
    compilers = {
        name: RoutineCompiler(Routine(name), node, filename, problems, warnings)
        for name, node in _routines(tree, filename, problems).items()
    }
    library = Library(
        {
            name: Function(name, compiler.parameters(), compiler.routine.invoke, subworkflow=True)
            for name, compiler in compilers.items()
        }
    )
    for compiler in compilers.values():
        compiler.compile(library)
    return compilers["main"].routine if "main" in compilers else None


def _routines(tree: Node, filename: str, problems: list[Problem]) -> dict[str, Mapping]:
    """The source's routines by name: those of a map, or a bare list of steps as `main`."""

    def refuse(line: int, message: str) -> None:
        problems.append(Problem(filename, line, None, message))

    entries = {"main": tree} if isinstance(tree, Sequence) else tree.value if isinstance(tree, Mapping) else {}
    if "main" not in entries:
        refuse(tree.line, "there is no main workflow — write 'main:' and its steps, or a bare list of steps")
    routines = {}
    for name, node in entries.items():
        if isinstance(node, Mapping):
            routines[name] = node
        elif isinstance(node, Sequence):
            routines[name] = Mapping({"steps": node}, node.line, {"steps": node.line})
        else:
            refuse(node.line, f"the workflow '{name}' has no steps — give it 'steps:'")
    return routines
