"""What a mutant differs in: operators of Cosmic Ray, and of the same form those that it does not have.

Cosmic Ray turns comparisons, arithmetic, numbers and conditions round. A tired developer also leaves things out: a
statement, an argument, an entry, a filter, half of a WHERE clause.
"""

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.number_replacer import NumberReplacer
from cosmic_ray.operators.provider import OperatorProvider
from parso.python.tree import Name

# Two for each comparison, so that both the limit and the direction are asked for; one for the others.
_COSMIC_RAY = (
    *("AddNot", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd"),
    *("ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "NumberReplacer"),
    *(
        "RemoveDecorator",
        "ZeroIterationForLoop",
        "ReplaceUnaryOperator_Delete_Not",
        "ReplaceUnaryOperator_USub_UAdd",
    ),
    *(
        f"ReplaceComparisonOperator_{pair}"
        for pair in (
            *("Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_LtE", "GtE_Gt", "GtE_Lt"),
            *("Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is"),
        )
    ),
    *(
        f"ReplaceBinaryOperator_{pair}"
        for pair in (
            "Add_Sub",
            "Sub_Add",
            "Mul_FloorDiv",
            "Div_Mul",
            "FloorDiv_Mul",
            "Mod_Add",
            "BitAnd_BitOr",
            "BitOr_BitAnd",
        )
    ),
)
_SQL = re.compile(r"\b(SELECT|FROM|WHERE|JOIN|ON|AND|OR|MERGE|UPDATE|DELETE|SET|ORDER BY|COUNTIF|MAX|MIN)\b")

Node = Any  # parso's, whose types do not say which node has what
Position = tuple[tuple[int, int], tuple[int, int]]


class Operator(Protocol):
    """What Cosmic Ray calls."""

    def mutation_positions(self, node: Node) -> Iterable[Position]:
        """Begin and end (line, column) of each change that can be made to a node."""
        ...

    def mutate(self, node: Node, index: int) -> Node:
        """The node with one of these changes; None for none at all."""


class RemoveStatement:
    """Leave out a call, a raise, a return, or an assignment to an attribute or an item."""

    def mutation_positions(self, node: Node) -> list[Position]:
        is_statement = node.parent is not None and node.parent.type == "simple_stmt"
        return [(node.start_pos, node.end_pos)] if is_statement and self._counts(node) else []

    def mutate(self, node: Node, index: int) -> Node:
        return _leaf("pass", node)

    @staticmethod
    def _counts(node: Node) -> bool:
        if node.type == "expr_stmt":  # x = 1 stays: without it nothing after it would run
            target, operator = node.children[:2]
            return target.type == "atom_expr" or (operator.type == "operator" and operator != "=")
        return node.type in ("atom_expr", "power", "await", "raise_stmt", "return_stmt", "del_stmt", "yield_expr")


class RemoveItem:
    """Leave out one of several things that stand between commas: a named argument, an element, an entry."""

    def mutation_positions(self, node: Node) -> list[Position]:
        return [
            (node.children[first].start_pos, node.children[last - 1].end_pos) for first, last in self._items(node)
        ]

    def mutate(self, node: Node, index: int) -> Node:
        first, last = self._items(node)[index]
        del node.children[first:last]
        # Nor the comma after it, or before it when it was the last.
        if first < len(node.children) and node.children[first] == ",":
            del node.children[first]
        elif first and node.children[first - 1] == ",":
            del node.children[first - 1]
        return node

    @staticmethod
    def _items(node: Node) -> list[tuple[int, int]]:
        """Where each that can go begins and ends among the node's children."""
        if node.type == "trailer" and len(node.children) == 3:  # f(x=1)
            return [(1, 2)] if node.children[0] == "(" and _is_named(node.children[1]) else []
        # A pair is not a collection: what unpacks it fails at once.
        listed = node.type == "testlist_comp" and node.parent.children[0] == "["
        if node.type not in ("arglist", "dictorsetmaker") and not listed:
            return []
        commas = [place for place, child in enumerate(node.children) if child == ","]
        found = zip([0, *(comma + 1 for comma in commas)], [*commas, len(node.children)], strict=True)
        return [
            (first, last)
            for first, last in found
            if first < last
            and (node.type != "arglist" or _is_named(node.children[first]))
            and not any(child.type in ("comp_for", "sync_comp_for") for child in node.children[first:last])
        ]


class RemoveFilter:
    """Leave out the condition of a comprehension."""

    def mutation_positions(self, node: Node) -> list[Position]:
        return [(node.start_pos, node.end_pos)] if node.type == "comp_if" else []

    def mutate(self, node: Node, index: int) -> Node:
        return None


class CatchAnother:
    """Catch another exception. Cosmic Ray's operator for this fails at names with a dot."""

    def mutation_positions(self, node: Node) -> list[Position]:
        return [(each.start_pos, each.end_pos) for each in self._caught(node)]

    def mutate(self, node: Node, index: int) -> Node:
        caught = self._caught(node)[index]
        siblings = caught.parent.children
        siblings[siblings.index(caught)] = _leaf("ZeroDivisionError", caught)
        return node

    @staticmethod
    def _caught(node: Node) -> list[Node]:
        if node.type != "except_clause":
            return []
        caught = node.children[1]
        if caught.type != "atom":
            return [caught]
        inner = caught.children[1]
        return inner.children[::2] if inner.type == "testlist_comp" else [inner]


class NegateIn:
    """Turn `in` round."""

    def mutation_positions(self, node: Node) -> list[Position]:
        is_operator = node.type == "keyword" and node.value == "in" and node.parent.type == "comparison"
        return [(node.start_pos, node.end_pos)] if is_operator else []

    def mutate(self, node: Node, index: int) -> Node:
        return _leaf("not in", node)


class ChangeSql:
    """Change what a query says: what it joins, filters, orders and compares."""

    _RULES = (
        (r"\bAND\b", "OR"),
        (r"\bOR\b", "AND"),
        (r"\bNOT ", ""),
        (r" DESC\b", ""),
        (r"\bDISTINCT ", ""),
        (r"\bLEFT JOIN\b", "JOIN"),
        (r"\bUNION ALL\b", "UNION DISTINCT"),
        (r"\bMAX\(", "MIN("),
        (r"\bMIN\(", "MAX("),
        (r"\bCOUNTIF\(", "COUNT("),
        (r" = ", " != "),
        (r" >= ", " > "),
        (r" <= ", " < "),
        (r" > ", " >= "),
        (r" < ", " <= "),
    )

    def mutation_positions(self, node: Node) -> list[Position]:
        return [(node.start_pos, node.end_pos) for _ in self._changed(node)]

    def mutate(self, node: Node, index: int) -> Node:
        return _leaf(self._changed(node)[index], node)

    def _changed(self, node: Node) -> list[str]:
        if node.type not in ("string", "fstring_string"):
            return []
        whole = node
        while whole.parent is not None and whole.parent.type in ("fstring", "strings"):
            whole = whole.parent
        if not _SQL.search(whole.get_code()):
            return []
        return [
            node.value[: found.start()] + text + node.value[found.end() :]
            for pattern, text in self._RULES
            for found in re.finditer(pattern, node.value)
        ]


OPERATORS: tuple[type[Operator], ...] = (
    *(OperatorProvider()[name] for name in _COSMIC_RAY),
    *(RemoveStatement, RemoveItem, RemoveFilter, CatchAnother, NegateIn, ChangeSql),
)


@dataclass(frozen=True)
class Mutant:
    """A source with one difference."""

    line: int
    text: str


def mutants(source: str) -> list[Mutant]:
    """All mutants of a Python source, in the order of their lines.

    Those whose difference Python does not see, or that it cannot read, are none; nor is a difference in what the
    parameters of a function are said to be.
    """
    seen, found = {_meaning(source)}, []
    tree, lines = get_ast(source), source.splitlines()
    for operator in (made() for made in OPERATORS):
        places = [place for node in ast_nodes(tree) for place in operator.mutation_positions(node)]
        for occurrence, (start, _) in enumerate(places):
            if isinstance(operator, NumberReplacer) and occurrence % 2:
                continue  # one more is enough, it need not be one less too
            if lines[start[0] - 1].startswith("@dataclass"):
                continue  # frozen or not, the program does the same
            text = mutate_code(source, operator, occurrence)
            meaning = _meaning(text) if text else None
            if text and meaning and meaning not in seen:
                seen.add(meaning)
                found.append(Mutant(start[0], text))
    return sorted(found, key=lambda mutant: mutant.line)


_PAIRS = ((ast.Eq, ast.NotEq), (ast.Lt, ast.GtE), (ast.Gt, ast.LtE), (ast.Is, ast.IsNot), (ast.In, ast.NotIn))
_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    one: other for pair in _PAIRS for one, other in (pair, pair[::-1])
}


class _Bare(ast.NodeTransformer):
    """Leaves out what does not run, docstrings and the types of functions, and writes one thing in one way."""

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        is_type = isinstance(node.value, ast.Name) and node.value.id == "Callable"
        return node.value if is_type else self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        inner = node.operand
        if isinstance(node.op, ast.Not) and isinstance(inner, ast.Compare) and len(inner.ops) == 1:
            inner.ops = [_OPPOSITE[type(inner.ops[0])]()]
            return self.generic_visit(inner)
        return self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return ast.Pass() if isinstance(node.value, ast.Constant) else self.generic_visit(node)


def _meaning(source: str) -> str | None:
    try:
        return ast.dump(_Bare().visit(ast.parse(source)))
    except (SyntaxError, ValueError):
        return None


def _is_named(node: Node) -> bool:
    return node.type == "argument" and (node.children[1] == "=" or node.children[0] == "**")


def _leaf(text: str, instead: Node) -> Node:
    return Name(text, instead.start_pos, instead.get_first_leaf().prefix)
