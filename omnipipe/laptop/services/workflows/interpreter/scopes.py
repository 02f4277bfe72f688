"""Which variables exist where, found before anything runs.

A variable belongs to the routine that assigns it. Loops, `except` blocks and parallel branches have
scopes of their own: what is first assigned there does not exist outside. Assigning a variable of a
surrounding scope from within a parallel branch needs it in `shared`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

_serial = count(1)


class UnknownVariable(Exception):
    """No scope around the place has the variable."""


class NotShared(Exception):
    """The variable is outside a parallel branch that does not list it as shared."""


@dataclass(eq=False)
class Scope:
    """The variables that a routine, loop, `except` block or parallel branch owns.

    `slots` maps a variable's name to its key in a frame: the name itself in a routine, a key of
    its own in an inner scope. A scope with `branch` runs on a frame of its own.
    """

    parent: Scope | None = None
    branch: bool = False
    shared: frozenset[str] = frozenset()
    slots: dict[str, str] = field(default_factory=dict)

    def declare(self, name: str) -> str:
        """Make `name` a variable of this scope and return its slot."""
        if name not in self.slots:
            self.slots[name] = name if self.parent is None else f"{name}#{next(_serial)}"
        return self.slots[name]

    def assign(self, name: str) -> None:
        """Declare what a step assigns, unless a surrounding scope already has it."""
        scope: Scope | None = self
        while scope:
            if name in scope.slots:
                return
            scope = scope.parent
        self.declare(name)

    def read(self, name: str) -> str:
        """The slot of a variable. Raises: UnknownVariable."""
        return self._find(name)[0]

    def write(self, name: str) -> tuple[str, int]:
        """The slot of a variable to assign and how many frames outward it is. Raises: NotShared."""
        slot, branches = self._find(name)
        if any(name not in branch.shared for branch in branches):
            raise NotShared
        return slot, len(branches)

    def _find(self, name: str) -> tuple[str, list[Scope]]:
        branches = []
        scope: Scope | None = self
        while scope:
            if name in scope.slots:
                return scope.slots[name], branches
            if scope.branch:
                branches.append(scope)
            scope = scope.parent
        raise UnknownVariable
