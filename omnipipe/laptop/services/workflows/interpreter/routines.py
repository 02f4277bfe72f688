"""A compiled routine, `main` or a subworkflow, and how it is called."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from omnipipe.laptop.services.workflows.interpreter.errors import failure
from omnipipe.laptop.services.workflows.interpreter.execution import MAX_CALLS, Frame
from omnipipe.laptop.services.workflows.interpreter.expressions import Compiled
from omnipipe.laptop.services.workflows.interpreter.steps import Block, Return

ABSENT: Any = object()
"""Stands for an argument that a call by name leaves out, so that the default is taken."""


@dataclass(eq=False)
class Routine:
    """`main` or a subworkflow: its parameters, each with its slot and default, and its steps."""

    name: str
    parameters: list[tuple[str, Compiled | None]] = field(default_factory=list)
    body: Block = field(default_factory=Block)

    def invoke(self, caller: Frame, arguments: list[Any]) -> Any:
        """Call the routine from another one's frame. Raises: RecursionError over 20 levels deep."""
        if caller.depth >= MAX_CALLS:
            raise failure("RecursionError", f"the calls are over the limit of {MAX_CALLS} levels")
        return self.start(Frame(caller.execution, caller.depth + 1), arguments)

    def start(self, frame: Frame, arguments: list[Any]) -> Any:
        """Run on a new frame and return the routine's value."""
        try:
            for position, (slot, default) in enumerate(self.parameters):
                if position < len(arguments) and arguments[position] is not ABSENT:
                    frame.store(slot, arguments[position])
                else:
                    frame.store(slot, default.code(frame) if default else None)
            signal = self.body.run(frame)
            return signal.value if isinstance(signal, Return) else None
        finally:
            frame.release(list(frame))
