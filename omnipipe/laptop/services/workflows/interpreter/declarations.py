"""Finds the scopes of a routine and the variables each owns, in the order of the text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from omnipipe.laptop.services.workflows.interpreter.scopes import Scope
from omnipipe.laptop.services.workflows.interpreter.source import Mapping, Node, Sequence

_ROOT = re.compile(r"\s*([^\W\d]\w*)")


@dataclass
class Declarations:
    """The scope that each `for`, `except` and branch of a routine opens, by its node in the source.

    Anything malformed is passed over here: the compiler reports it.
    """

    scopes: dict[Node, Scope] = field(default_factory=dict)

    def steps(self, node: Node | None, scope: Scope) -> None:
        """Declare what a list of steps assigns."""
        for _, body in named(node):
            self.body(body, scope)

    def body(self, node: Node, scope: Scope) -> None:
        """Declare what one step assigns, and open the scopes inside it."""
        if not isinstance(node, Mapping):
            return
        parts = node.value
        for target, _ in named(parts.get("assign")):
            self._target(target, scope)
        if "result" in parts:
            self._target(parts["result"].value, scope)
        for case in _items(parts.get("switch")):
            self.body(case, scope)
        self.steps(parts.get("steps"), scope)
        if isinstance(loop := parts.get("for"), Mapping):
            self._loop(loop, Scope(scope))
        if isinstance(parallel := parts.get("parallel"), Mapping):
            self._parallel(parallel, scope)
        if "try" in parts:
            self.body(parts["try"], scope)
        if isinstance(handler := parts.get("except"), Mapping):
            inner = self.scopes[handler] = Scope(scope)
            _declare(handler.value.get("as"), inner)
            self.body(handler, inner)

    def _target(self, text: Any, scope: Scope) -> None:
        match = _ROOT.match(text) if isinstance(text, str) else None
        if match:
            scope.assign(match[1])

    def _loop(self, node: Mapping, scope: Scope) -> None:
        self.scopes[node] = scope
        _declare(node.value.get("value"), scope)
        _declare(node.value.get("index"), scope)
        self.steps(node.value.get("steps"), scope)

    def _parallel(self, node: Mapping, scope: Scope) -> None:
        shared = frozenset(item.value for item in _items(node.value.get("shared")) if isinstance(item.value, str))
        for _, branch in named(node.value.get("branches")):
            inner = self.scopes[branch] = Scope(scope, branch=True, shared=shared)
            if isinstance(branch, Mapping):
                self.steps(branch.value.get("steps"), inner)
        if isinstance(loop := node.value.get("for"), Mapping):
            self._loop(loop, Scope(scope, branch=True, shared=shared))


def named(node: Node | None) -> list[tuple[str, Node]]:
    """The names and bodies of a list of maps of one key each: steps, branches, assignments."""
    return [pair for item in _items(node) if isinstance(item, Mapping) for pair in item.value.items()]


def _items(node: Node | None) -> list[Node]:
    return node.value if isinstance(node, Sequence) else []


def _declare(node: Node | None, scope: Scope) -> None:
    if node and isinstance(node.value, str):
        scope.declare(node.value)
