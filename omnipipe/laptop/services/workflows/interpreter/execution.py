"""One execution: its frames of variables, its limits, and stopping it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any

from omnipipe.laptop.services.workflows.interpreter.environment import Environment
from omnipipe.laptop.services.workflows.interpreter.errors import Stop, failure
from omnipipe.laptop.services.workflows.interpreter.values import copy_value, size_of

# https://cloud.google.com/workflows/quotas
MAX_STEPS = 100_000
MAX_MEMORY = 512 * 1024
MAX_CALLS = 20


class Execution:
    """What all frames of one execution share.

    `lock` makes an assignment to a shared variable atomic, as it is on Google.
    """

    def __init__(
        self,
        environment: Environment,
        on_step: Callable[[str, str], None] | None,
        cancel: threading.Event,
    ):
        self.environment = environment
        self.on_step = on_step
        self.cancel = cancel
        self.lock = threading.RLock()
        self.memory = 0
        self._steps = count(1)

    def tick(self) -> None:
        """Count a step. Raises: ResourceLimitError after the last one allowed, Stop when cancelled."""
        if next(self._steps) > MAX_STEPS:
            raise failure("ResourceLimitError", f"the execution is over the limit of {MAX_STEPS} steps")
        if self.cancel.is_set():
            raise Stop

    def check_cancelled(self) -> None:
        """Raises: Stop when the execution was stopped."""
        if self.cancel.is_set():
            raise Stop

    def sleep(self, seconds: float) -> None:
        """Wait, but not longer than until the execution is stopped. Raises: Stop."""
        deadline = time.monotonic() + seconds
        # an Event waits at most some 292 years; a loop also survives a clock that waits too short
        while (left := deadline - time.monotonic()) > 0:
            if self.cancel.wait(left):
                raise Stop
        self.check_cancelled()

    def charge(self, size: int) -> None:
        """Count bytes of variables, or give them back. Raises: ResourceLimitError, and then counts nothing."""
        with self.lock:
            if size > 0 and self.memory + size > MAX_MEMORY:
                raise failure(
                    "ResourceLimitError",
                    f"the variables would take {self.memory + size} bytes, over the limit of {MAX_MEMORY}",
                )
            self.memory += size


class Frame(dict):
    """The variables of one call of a routine, or of one parallel branch within it, by slot.

    A branch reads what it does not have from its `parent`.
    """

    __slots__ = ("depth", "execution", "parent")

    def __init__(self, execution: Execution, depth: int, parent: Frame | None = None):
        super().__init__()
        self.execution = execution
        self.depth = depth
        self.parent = parent

    def __missing__(self, slot: str) -> Any:
        if self.parent is not None:
            return self.parent[slot]
        raise failure("KeyError", f"the variable {slot.partition('#')[0]} has no value yet")

    def outward(self, branches: int) -> Frame:
        """The frame so many parallel branches further out."""
        frame = self
        for _ in range(branches):
            assert frame.parent is not None, "the compiler counts only branches that exist"  # noqa: S101
            frame = frame.parent
        return frame

    def store(self, slot: str, value: Any) -> None:
        """Give a variable a copy of a value, within the limit on variables."""
        execution = self.execution
        with execution.lock:
            old = self.get(slot, _UNSET)
            execution.charge(size_of(value) - (0 if old is _UNSET else size_of(old)))
            self[slot] = copy_value(value)

    def release(self, slots: Any) -> None:
        """Forget variables whose scope ends."""
        execution = self.execution
        with execution.lock:
            for slot in slots:
                if slot in self:
                    execution.charge(-size_of(self.pop(slot)))


_UNSET: Any = object()
