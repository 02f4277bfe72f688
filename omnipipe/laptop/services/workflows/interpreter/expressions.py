"""Compiles expressions and templates (values of the source that hold expressions) to Python closures.

A compiled expression is called with the frame it runs in. Everything that can be known before a run
is checked here: names, functions and the number of their arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from omnipipe.laptop.services.workflows.interpreter import operators
from omnipipe.laptop.services.workflows.interpreter.library import Function, Library
from omnipipe.laptop.services.workflows.interpreter.scopes import Scope, UnknownVariable
from omnipipe.laptop.services.workflows.interpreter.source import Mapping, Node, Sequence
from omnipipe.laptop.services.workflows.interpreter.syntax import (
    Binary,
    Call,
    Expression,
    ExpressionSyntaxError,
    Index,
    ListOf,
    Literal,
    Member,
    Name,
    Unary,
    dotted_name,
    expression_text,
    parse_expression,
)

Code = Callable[[Any], Any]
Report = Callable[[int, str], None]


@dataclass(frozen=True)
class Compiled:
    """A compiled value: its code, and whether that calls a subworkflow."""

    code: Code
    calls_subworkflow: bool


class ExpressionCompiler:
    """Compiles the expressions of one place in the source: one scope, one function to report problems to."""

    def __init__(self, scope: Scope, library: Library, report: Report):
        self.scope = scope
        self.library = library
        self.report = report
        self.line = 0
        self.calls_subworkflow = False

    def template(self, node: Node) -> Compiled:
        """Compile a value of the source: a scalar, expression, list or map with expressions inside."""
        self.calls_subworkflow = False
        code = self._template(node)
        return Compiled(code, self.calls_subworkflow)

    def _template(self, node: Node) -> Code:
        if isinstance(node, Sequence):
            codes = [self._template(item) for item in node.value]
            return lambda frame: [code(frame) for code in codes]
        if isinstance(node, Mapping):
            entries = [
                (self._text(key, node.key_lines[key]), self._template(value)) for key, value in node.value.items()
            ]
            return lambda frame: {_map_key(key(frame)): value(frame) for key, value in entries}
        if isinstance(node.value, str):
            return self._text(node.value, node.line)
        return _constant(node.value)

    def _text(self, text: str, line: int) -> Code:
        self.line = line
        try:
            inner = expression_text(text)
            return _constant(text) if inner is None else self.compile(parse_expression(inner))
        except ExpressionSyntaxError as error:
            self.report(line, f"expression {text.strip()}: {error}")
            return _constant(None)

    def parse(self, text: str, line: int) -> Expression | None:
        """Parse bare expression text, such as the left side of an assignment; None after a reported problem."""
        self.line = line
        try:
            return parse_expression(text)
        except ExpressionSyntaxError as error:
            self.report(line, f"'{text}': {error}")
            return None

    def compile(self, tree: Expression) -> Code:
        """Compile a syntax tree, reporting unknown names and wrong calls."""
        if isinstance(tree, Literal):
            return _constant(tree.value)
        if isinstance(tree, Name):
            return self._name(tree.name)
        if isinstance(tree, Member):
            return self._member(tree)
        if isinstance(tree, Index):
            target, index = self.compile(tree.target), self.compile(tree.index)
            member = operators.member
            return lambda frame: member(target(frame), index(frame))
        if isinstance(tree, Call):
            return self._call(tree)
        if isinstance(tree, ListOf):
            items = [self.compile(item) for item in tree.items]
            return lambda frame: [item(frame) for item in items]
        if isinstance(tree, Unary):
            operand = self.compile(tree.operand)
            if tree.operator == "not":
                return lambda frame: not operators.boolean(operand(frame), "not")
            return lambda frame: operators.negate(operand(frame))
        return self._binary(tree)

    def _binary(self, tree: Binary) -> Code:
        left, right = self.compile(tree.left), self.compile(tree.right)
        boolean = operators.boolean
        if tree.operator == "and":
            return lambda frame: boolean(left(frame), "and") and boolean(right(frame), "and")
        if tree.operator == "or":
            return lambda frame: boolean(left(frame), "or") or boolean(right(frame), "or")
        apply = operators.BINARY[tree.operator]
        return lambda frame: apply(left(frame), right(frame))

    def _name(self, name: str) -> Code:
        try:
            slot = self.scope.read(name)
        except UnknownVariable:
            value = self.library.value(name)
            if value is None:
                self.report(self.line, f"'{name}' is neither a variable nor a subworkflow — assign it first")
            return _constant(value)
        return lambda frame: frame[slot]

    def _member(self, tree: Member) -> Code:
        name = dotted_name(tree)
        root = name.split(".")[0] if name else None
        if name and root and not self._is_variable(root):
            value = self.library.value(name)
            if value is not None:
                return _constant(value)
            if isinstance(tree.target, Name) and self.library.is_module(root):
                self.report(self.line, self.library.unknown(name))
                return _constant(None)
        target, key = self.compile(tree.target), tree.name
        member = operators.member
        return lambda frame: member(target(frame), key)

    def _is_variable(self, name: str) -> bool:
        try:
            self.scope.read(name)
        except UnknownVariable:
            return False
        return True

    def _call(self, tree: Call) -> Code:
        arguments = [self.compile(argument) for argument in tree.arguments]
        if tree.function == "if":
            return self._if(arguments)
        function = self.library.function(tree.function)
        if function is None:
            self.report(self.line, self.library.unknown(tree.function))
            return _constant(None)
        if problem := function.wrong_count(len(arguments)):
            self.report(self.line, problem)
        if function.blocking:
            self.report(
                self.line, f"{tree.function} blocks, so an expression cannot call it — use a step with call"
            )
        self.calls_subworkflow |= function.subworkflow
        return _invocation(function, arguments)

    def _if(self, arguments: list[Code]) -> Code:
        if len(arguments) != 3:
            self.report(self.line, f"if takes 3 arguments (condition, value, other value), not {len(arguments)}")
            return _constant(None)
        condition, yes, no = arguments

        def choose(frame: Any) -> Any:
            # a function like any other: both values are there before it chooses, and null counts as false
            asked, first, second = condition(frame), yes(frame), no(frame)
            return first if asked is not None and operators.boolean(asked, "if") else second

        return choose


def _invocation(function: Function, arguments: list[Code]) -> Code:
    invoke = function.invoke
    if len(arguments) == 1:
        only = arguments[0]
        return lambda frame: invoke(frame, [only(frame)])
    return lambda frame: invoke(frame, [argument(frame) for argument in arguments])


def _constant(value: Any) -> Code:
    return lambda frame: value


def _map_key(key: Any) -> str:
    if type(key) is not str:
        raise operators.failure("TypeError", "a map's key must be a string")
    return key
