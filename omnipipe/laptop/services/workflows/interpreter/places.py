"""Compiles values and variables at a place in a routine, and reports what is wrong there."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from omnipipe.laptop.services.workflows.interpreter.errors import Problem
from omnipipe.laptop.services.workflows.interpreter.execution import Frame
from omnipipe.laptop.services.workflows.interpreter.expressions import Compiled, ExpressionCompiler
from omnipipe.laptop.services.workflows.interpreter.library import Library
from omnipipe.laptop.services.workflows.interpreter.scopes import NotShared, Scope, UnknownVariable
from omnipipe.laptop.services.workflows.interpreter.source import Mapping, Node
from omnipipe.laptop.services.workflows.interpreter.steps import Block, Target
from omnipipe.laptop.services.workflows.interpreter.syntax import Expression, Index, Member, Name
from omnipipe.laptop.services.workflows.interpreter.values import a_type

_VARIABLE = re.compile(r"[^\W\d]\w*")
_RESERVED = {
    "true",
    "True",
    "TRUE",
    "false",
    "False",
    "FALSE",
    "null",
    "Null",
    "NULL",
    "and",
    "or",
    "not",
    "in",
    "AND",
    "OR",
    "NOT",
}

Action = Callable[[Frame], Any]


@dataclass(frozen=True)
class Place:
    """Where in a routine the compiler is.

    lists: the enclosing lists of steps that `next` can reach, innermost last, with their names.
    loop: "for" or "parallel" inside a loop; `branch` inside a parallel step.
    """

    scope: Scope
    step: str | None = None
    lists: tuple[tuple[Block, dict[str, int]], ...] = ()
    loop: str | None = None
    branch: bool = False
    depth: int = 0


class PlaceCompiler:
    """What the compiler of a routine does at every step."""

    def __init__(self, filename: str, problems: list[Problem], warnings: list[Problem]):
        self.filename = filename
        self.problems = problems
        self.warnings = warnings
        self.library = Library({})

    def refuse(self, place: Place, line: int, message: str) -> None:
        self.problems.append(Problem(self.filename, line, place.step, message))

    def warn(self, place: Place, line: int, message: str) -> None:
        self.warnings.append(Problem(self.filename, line, place.step, message))

    def expressions(self, place: Place) -> ExpressionCompiler:
        return ExpressionCompiler(
            place.scope, self.library, lambda line, message: self.refuse(place, line, message)
        )

    def template(self, place: Place, node: Node) -> Compiled:
        return self.expressions(place).template(node)

    def variable(self, place: Place, node: Node) -> str:
        """Check a variable's name."""
        name = node.value
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name) or name in _RESERVED:
            self.refuse(
                place, node.line, f"'{name}' is no variable name — use letters, digits and _, not a digit first"
            )
        return str(name)

    def target(self, place: Place, text: Any, line: int) -> tuple[Target, bool]:
        """Compile the left side of an assignment; also says whether assigning must be atomic: branches share it.

        It is not where a subworkflow gives an index: that may wait for branches of its own, and so for the lock.
        """
        nothing = Target("", 0, []), False
        if not isinstance(text, str):
            self.refuse(place, line, f"{a_type(text)} cannot be assigned to — name a variable")
            return nothing
        compiler = self.expressions(place)
        tree: Expression | None = compiler.parse(text, line)
        path: list[Action] = []
        while isinstance(tree, (Member, Index)):
            if isinstance(tree, Member):
                path.insert(0, lambda frame, key=tree.name: key)
            else:
                path.insert(0, compiler.compile(tree.index))
            tree = tree.target
        if tree is None:
            return nothing
        if not isinstance(tree, Name):
            self.refuse(place, line, f"'{text}' cannot be assigned to — name a variable, x, x.key or x[index]")
            return nothing
        try:
            slot, branches = place.scope.write(tree.name)
        except NotShared:
            self.refuse(
                place,
                line,
                f"'{tree.name}' is outside this parallel step — list it in shared, or use another name",
            )
            return nothing
        except UnknownVariable:  # the declarations saw the same text, so only a name they could not read gets here
            self.refuse(place, line, f"'{text}' cannot be assigned to — name a variable")
            return nothing
        return Target(slot, branches, path), branches > 0 and not compiler.calls_subworkflow

    def entries(self, place: Place, node: Node, what: str, keys: set[str], needed: set[str]) -> dict[str, Node]:
        """The entries of a map after a check of its keys; empty if it is not even a map."""
        if not isinstance(node, Mapping):
            self.refuse(place, node.line, f"{what} must be a map — it takes {', '.join(sorted(keys))}")
            return {}
        for key in node.value.keys() - keys:
            message = f"unknown key '{key}' of {what} — it takes {', '.join(sorted(keys))}"
            self.refuse(place, node.key_lines[key], message)
        for key in sorted(needed - node.value.keys()):
            self.refuse(place, node.line, f"{what} needs '{key}' — add it")
        return node.value
