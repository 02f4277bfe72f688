"""The grammar of expressions, `${...}`: text to syntax tree.

Operators and their precedence, from https://cloud.google.com/workflows/docs/reference/syntax/datatypes,
loosest first: `or`, `and`, comparisons and `in`, `+ -`, `* / // %`, unary `-`, `not`, member and index.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

MAX_EXPRESSION = 400
"""Longest expression, in characters (https://cloud.google.com/workflows/quotas)."""


class ExpressionSyntaxError(Exception):
    """The text is no expression of the language."""


@dataclass(frozen=True)
class Literal:
    """A number, string, boolean or null."""

    value: Any


@dataclass(frozen=True)
class Name:
    """A variable, function or subworkflow."""

    name: str


@dataclass(frozen=True)
class Member:
    """`target.name`."""

    target: Expression
    name: str


@dataclass(frozen=True)
class Index:
    """`target[index]`."""

    target: Expression
    index: Expression


@dataclass(frozen=True)
class Call:
    """`function(arguments)`; the function's name is dotted for the standard library."""

    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True)
class ListOf:
    """`[item, item]`. Maps have no such form in expressions."""

    items: tuple[Expression, ...]


@dataclass(frozen=True)
class Unary:
    """`not` or `-`."""

    operator: str
    operand: Expression


@dataclass(frozen=True)
class Binary:
    """An operator between two operands."""

    operator: str
    left: Expression
    right: Expression


Expression = Literal | Name | Member | Index | Call | ListOf | Unary | Binary

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?)
    | (?P<name>[^\W\d]\w*)
    | (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<operator>//|==|!=|<=|>=|[<>+\-*/%()\[\],.])
    )""",
    re.VERBOSE | re.DOTALL,
)
_WORDS = {"and", "or", "not", "AND", "OR", "NOT", "in"}
_CONSTANTS = {
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
    "null": None, "Null": None, "NULL": None,
}  # fmt: skip
_COMPARISONS = {"==", "!=", "<", "<=", ">", ">=", "in"}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0"}
_MAX_DEPTH = 100
_END = ("end", "the end")


def expression_text(text: str) -> str | None:
    """The expression inside a string of the source, or None where the string is plain text.

    Only a string that starts with `${` is evaluated; text around an expression is not a template.

    Raises: ExpressionSyntaxError for `${` at the start without `}` at the end.
    """
    stripped = text.strip()
    if not is_expression(text):
        return None
    if not stripped.endswith("}"):
        raise ExpressionSyntaxError(
            'a value that starts with ${ must end with } — put text inside, ${x + " text"}'
        )
    return stripped[2:-1]


def is_expression(value: Any) -> bool:
    """Whether a value of the source is evaluated; one with a slip in it is, too."""
    return isinstance(value, str) and value.strip().startswith("${")


def parse_expression(text: str) -> Expression:
    """Parse the text between `${` and `}`.

    Raises: ExpressionSyntaxError saying what was found where.
    """
    if len(text) > MAX_EXPRESSION:
        raise ExpressionSyntaxError(f"the expression has over {MAX_EXPRESSION} characters — use more variables")
    return _Parser(text).whole()


def _tokens(text: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if not match:
            rest = text[position:].lstrip()
            if rest[0] == '"':
                raise ExpressionSyntaxError(f"the string {rest[:20]} has no closing quote")
            if rest[0] == "'":
                raise ExpressionSyntaxError(f"a string takes double quotes, not single ones: {rest[:20]}")
            raise ExpressionSyntaxError(f"unexpected '{rest[0]}'")
        kind = match.lastgroup or ""
        value: Any = match[kind]
        if kind == "name" and value in _WORDS:
            kind, value = "operator", value.lower()
        elif kind == "string":
            value = re.sub(r"\\(u[0-9a-fA-F]{4}|.)", _unescape, value[1:-1], flags=re.DOTALL)
        elif kind == "number":
            value = _number(value)
        found.append((kind, value))
        position = match.end()
    return [*found, _END]


def _unescape(match: re.Match[str]) -> str:
    code = match[1]
    return chr(int(code[1:], 16)) if len(code) == 5 else _ESCAPES.get(code, code)


def _number(text: str) -> int | float:
    if not text.isdigit():
        return float(text)
    if int(text) >= 2**63:
        raise ExpressionSyntaxError(f"{text} does not fit into a 64-bit integer")
    return int(text)


class _Parser:
    """Recursive descent, a method a level of precedence."""

    def __init__(self, text: str):
        self.tokens = _tokens(text)
        self.position = 0
        self.depth = 0

    def whole(self) -> Expression:
        tree = self.alternative()
        if self.token() != _END:
            raise self.unexpected()
        return tree

    def token(self) -> tuple[str, Any]:
        return self.tokens[self.position]

    def unexpected(self) -> ExpressionSyntaxError:
        kind, value = self.token()
        if kind == "end":
            return ExpressionSyntaxError("the expression is not complete")
        return ExpressionSyntaxError(f"unexpected {value!r}" if kind == "string" else f"unexpected '{value}'")

    def take(self, *operators: str) -> str | None:
        kind, value = self.token()
        if kind == "operator" and value in operators:
            self.position += 1
            return value
        return None

    def need(self, operator: str) -> None:
        if not self.take(operator):
            raise self.unexpected()

    def binary(self, operators: set[str], operand) -> Expression:
        left = operand()
        while operator := self.take(*operators):
            left = Binary(operator, left, operand())
        return left

    def alternative(self) -> Expression:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise ExpressionSyntaxError("the expression is nested too deeply — use more variables")
        tree = self.binary({"or"}, lambda: self.binary({"and"}, self.comparison))
        self.depth -= 1
        return tree

    def comparison(self) -> Expression:
        return self.binary(_COMPARISONS, self.sum)

    def sum(self) -> Expression:
        return self.binary({"+", "-"}, lambda: self.binary({"*", "/", "//", "%"}, self.unary))

    def unary(self) -> Expression:
        operators = []
        while operator := self.take("-", "not"):
            operators.append(operator)
        tree = self.postfix()
        for operator in reversed(operators):
            negative = operator == "-" and isinstance(tree, Literal) and type(tree.value) in (int, float)
            tree = Literal(-tree.value) if negative else Unary(operator, tree)  # type: ignore[union-attr] # a Literal here
        return tree

    def postfix(self) -> Expression:
        tree = self.primary()
        while True:
            if self.take("."):
                kind, value = self.token()
                if kind != "name" and value not in _WORDS:
                    raise self.unexpected()
                self.position += 1
                tree = Member(tree, value)
            elif self.take("["):
                tree = Index(tree, self.alternative())
                self.need("]")
            elif self.take("("):
                name = dotted_name(tree)
                if name is None:
                    raise ExpressionSyntaxError("only a function's name can be called")
                tree = Call(name, self.expressions(")"))
            else:
                return tree

    def expressions(self, end: str) -> tuple[Expression, ...]:
        if self.take(end):
            return ()
        found = [self.alternative()]
        while self.take(","):
            found.append(self.alternative())
        self.need(end)
        return tuple(found)

    def primary(self) -> Expression:
        kind, value = self.token()
        if kind in ("number", "string"):
            self.position += 1
            return Literal(value)
        if kind == "name":
            self.position += 1
            return Literal(_CONSTANTS[value]) if value in _CONSTANTS else Name(value)
        if self.take("["):
            return ListOf(self.expressions("]"))
        self.need("(")
        tree = self.alternative()
        self.need(")")
        return tree


def dotted_name(tree: Expression) -> str | None:
    """`a.b.c` for the tree of exactly that; None for any other."""
    if isinstance(tree, Name):
        return tree.name
    if isinstance(tree, Member):
        above = dotted_name(tree.target)
        return None if above is None else f"{above}.{tree.name}"
    return None
