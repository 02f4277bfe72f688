"""What a workflow can call: a function's name, its parameters and how to invoke it."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from omnipipe.laptop.services.workflows.interpreter.errors import HOST_ERRORS, from_host


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function; `default` stands in where an optional one is not given."""

    name: str
    required: bool = True
    default: Any = None


@dataclass(frozen=True, eq=False)
class Function:
    """A function of the standard library, a connector or a subworkflow.

    `invoke` takes the frame of the caller and the arguments by position; trailing optional ones may
    be left out. A `blocking` function may only be called by a step. `missing` says why a function that Google has
    is none here: it takes any arguments, and `invoke` raises that. `unavailable` are arguments that Google takes and
    this machine cannot heed: `invoke` raises where one is given.
    """

    name: str
    parameters: tuple[Parameter, ...]
    invoke: Callable[[Any, list[Any]], Any]
    blocking: bool = False
    subworkflow: bool = False
    missing: str | None = None
    unavailable: tuple[str, ...] = ()

    def wrong_count(self, count: int) -> str | None:
        """Say what is wrong with a call by position of `count` arguments, or None."""
        least = sum(parameter.required for parameter in self.parameters)
        most = len(self.parameters)
        if least <= count <= most or self.missing:
            return None
        takes = str(most) if least == most else f"{least} to {most}"
        return f"{self.name} takes {takes} arguments, not {count} — it takes ({self._signature()})"

    def wrong_names(self, names: Iterable[str]) -> list[str]:
        """Say what is wrong with a call by name: unknown and missing arguments."""
        if self.missing:
            return []
        names = list(names)
        known = {parameter.name for parameter in self.parameters}
        problems = [
            f"{self.name} has no argument '{name}' — it takes ({self._signature()})"
            for name in names
            if name not in known
        ]
        problems += [
            f"{self.name} needs the argument '{parameter.name}' — add it"
            for parameter in self.parameters
            if parameter.required and parameter.name not in names
        ]
        return problems

    def _signature(self) -> str:
        return ", ".join(item.name if item.required else f"{item.name}?" for item in self.parameters)


FUNCTIONS: dict[str, Function] = {}
"""The standard library's functions by their full name, filled by `define`."""


def define(
    name: str, *, context: bool = False, blocking: bool = False, unavailable: tuple[str, ...] = ()
) -> Callable[[Callable], Callable]:
    """Register a Python function as `name` of the standard library; its parameters are the arguments.

    With `context` its first parameter is the execution. Python's own errors become the language's.
    """

    def register(implementation: Callable) -> Callable:
        signature = list(inspect.signature(implementation).parameters.values())[1 if context else 0 :]
        parameters = tuple(
            Parameter(item.name, item.default is item.empty, None if item.default is item.empty else item.default)
            for item in signature
        )

        def invoke(frame: Any, arguments: list[Any]) -> Any:
            try:
                return implementation(frame.execution, *arguments) if context else implementation(*arguments)
            except HOST_ERRORS as error:
                raise from_host(error) from None

        FUNCTIONS[name] = Function(name, parameters, invoke, blocking, unavailable=unavailable)
        return implementation

    return register
