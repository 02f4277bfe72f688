"""SQL -> what it needs: permissions on tables and datasets, and which columns of which tables it reads.

Sources: https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language ("Required
permissions" of each statement), https://cloud.google.com/bigquery/docs/using-dml-with-partitioned-tables and
https://cloud.google.com/bigquery/docs/access-control, https://cloud.google.com/bigquery/docs/information-schema-intro.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import sqlglot
from bqemulator.domain.errors import DomainError
from bqemulator.scripting import ast
from bqemulator.scripting.parser import parse_script
from sqlglot import exp

from omnipipe.laptop.iam.gate import Refused
from omnipipe.laptop.services.bigquery.gate import names

# View of INFORMATION_SCHEMA -> what it needs, on the dataset that it is asked of, or else on the project.
_METADATA_VIEWS = {
    "SCHEMATA": ("bigquery.datasets.get",),
    "JOBS": ("bigquery.jobs.listAll",),
    "JOBS_BY_PROJECT": ("bigquery.jobs.listAll",),
    "ROUTINES": ("bigquery.routines.get", "bigquery.routines.list"),
}
_TABLES_METADATA = ("bigquery.tables.get", "bigquery.tables.list")
# BigQuery's own functions with a prefix; any other is that of a dataset.
# https://cloud.google.com/bigquery/docs/reference/standard-sql/functions-all
_OWN_FUNCTIONS = {"AEAD", "HLL_COUNT", "KEYS", "KLL_QUANTILES", "NET", "SAFE"}
_REGION = re.compile(r"region-[\w-]+")


@dataclass(frozen=True)
class Columns:
    """The columns that a statement reads: by name, and by ``*``, whatever that leaves out."""

    names: frozenset[str] = frozenset()
    star: bool = False
    left_out: frozenset[str] = frozenset()

    def include(self, path: str) -> bool:
        """Whether a column is read. ``path`` is its name in lower case, with those of the records that it is in."""
        parts = path.split(".")
        return bool(self.names & set(parts)) or (self.star and parts[0] not in self.left_out)


@dataclass(frozen=True)
class Read:
    """A table, a view or, with a ``*`` at its end, a wildcard that is read, and which of its columns."""

    table: str
    columns: Columns


@dataclass(frozen=True)
class Analysis:
    """What SQL needs. ``replaced`` are the tables that lose their policy tags; ``made`` those that it makes."""

    needs: tuple[tuple[str, str], ...]
    reads: tuple[Read, ...]
    replaced: frozenset[str]
    made: frozenset[str]


@lru_cache(maxsize=1024)
def analyse(sql: str, project: str, default_dataset: str | None = None) -> Analysis:
    """What a statement or a script needs beside the job itself.

    ``default_dataset`` is IAM's name of the dataset of tables without one. Raises Refused for what cannot be told.
    """
    script = _Script(project, default_dataset)
    try:
        statements = parse_script(sql).statements
    except DomainError as error:
        raise Refused(400, f"Syntax error: {error}", "invalidQuery") from error
    if len(statements) == 1 and isinstance(statements[0], ast.SqlStmt):
        script.sql(sql)  # the emulator runs a single statement from its own text
    else:
        script.statements(statements)
    return Analysis(
        tuple(dict.fromkeys(script.needs)),
        tuple(dict.fromkeys(script.reads)),
        frozenset(script.replaced),
        frozenset(script.made),
    )


@dataclass
class _Script:
    """Collects the needs of one statement after the other."""

    project: str
    default_dataset: str | None
    needs: list[tuple[str, str]] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    replaced: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)
    temporary: set[str] = field(default_factory=set)

    def statements(self, statements: Any) -> None:
        for statement in statements or ():
            self._statement(statement)

    def _statement(self, statement: ast.Statement) -> None:
        match statement:
            case ast.SqlStmt(sql):
                self.sql(sql)
            case ast.DeclareStmt(_, _, expression) | ast.ReturnStmt(expression) | ast.RaiseStmt(expression):
                self._expression(expression)
            case ast.SetStmt(_, expression):
                self._expression(expression)
            case ast.IfStmt(branches, otherwise):
                for condition, body in branches:
                    self._expression(condition)
                    self._perhaps(body)
                self._perhaps(otherwise)
            case ast.WhileStmt(condition, body):
                self._expression(condition)
                self._perhaps(body)
            case ast.LoopStmt(body):
                self._perhaps(body)
            case ast.ForStmt(_, source, body):
                self.sql(source)
                self._perhaps(body)
            case ast.BeginStmt(body, handler):
                if handler:
                    self._perhaps(body)
                    self._perhaps(handler)
                else:
                    self.statements(body)
            case ast.BreakStmt() | ast.ContinueStmt():
                pass
            case _:
                # What is called, or made up while the script runs, is not in its text.
                raise names.unknown(type(statement).__name__.removesuffix("Stmt"))

    def _perhaps(self, statements: Any) -> None:
        """Statements that may not run: a table that is not temporary for certain is that of the default dataset."""
        before = set(self.temporary)
        self.statements(statements)
        self.temporary &= before

    def _expression(self, text: str | None) -> None:
        if text:
            self.sql(f"SELECT ({text})")

    def sql(self, text: str) -> None:
        try:
            # What follows the last semicolon may be nothing, or a comment alone.
            parsed = sqlglot.parse(text, read="bigquery")
            found = [each for each in parsed if each is not None and not isinstance(each, exp.Semicolon)]
        except sqlglot.ParseError as error:
            raise Refused(400, f"Syntax error: {error.errors[0]['description']}", "invalidQuery") from error
        if len(found) != 1:
            raise names.unknown("several statements that are no script")
        self._tree(found[0])

    def _tree(self, tree: exp.Expr) -> None:
        targets: list[exp.Expr] = []
        reads = True
        match tree:
            case exp.Query():
                pass
            case exp.Insert():
                targets = [self._target(tree.this, "bigquery.tables.updateData")]
            case exp.Update() | exp.Delete() | exp.Merge():
                target = tree.this or tree.args["tables"][0]  # DELETE may come without FROM
                targets = [self._target(target, "bigquery.tables.getData", "bigquery.tables.updateData")]
            case exp.TruncateTable():
                targets = [self._target(each, "bigquery.tables.updateData") for each in tree.expressions]
            case exp.Create():
                targets = [self._create(tree)]
            case exp.Drop(args={"kind": "TABLE" | "VIEW"}):
                targets = [self._target(tree.this, "bigquery.tables.delete", "bigquery.tables.get")]
                if self._is_temporary(tree.this):
                    self.temporary.discard(tree.this.name.lower())
                else:
                    self.replaced.add(self._name(tree.this))
            case exp.Drop(args={"kind": "SCHEMA"}):
                targets = [self._schema(tree.this, "bigquery.datasets.delete", "bigquery.tables.delete")]
            case exp.Alter(args={"kind": "TABLE" | "VIEW"}):
                if any(isinstance(action, exp.AlterRename) for action in tree.args["actions"]):
                    raise names.unknown("ALTER TABLE RENAME")
                targets = [self._target(tree.this, "bigquery.tables.get", "bigquery.tables.update")]
                reads = False
            case exp.Transaction() | exp.Commit() | exp.Rollback():
                return
            case _:
                raise names.unknown(f"a statement of the kind {tree.key.upper()}")
        _refuse_routines(tree)
        target_ids = {id(each) for each in targets}
        sources = [each for each in tree.find_all(exp.Table) if id(each) not in target_ids]
        if isinstance(tree, exp.Update | exp.Delete | exp.Merge):
            sources = [*targets, *sources]  # they read what they change
        if reads:
            columns = _columns(tree, sources)
            for source in sources:
                self._source(source, columns)

    def _create(self, tree: exp.Create) -> exp.Expr:
        kind, replaces = tree.kind, bool(tree.args.get("replace"))
        if kind == "SCHEMA":
            self.needs.append(("bigquery.datasets.create", names.project(self.project)))
            return tree.this
        if kind not in ("TABLE", "VIEW"):
            raise names.unknown(f"CREATE {kind}")
        table = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
        properties = tree.args.get("properties")
        if properties and properties.find(exp.TemporaryProperty):
            self.temporary.add(table.name.lower())
            return table
        name = self._name(table)
        self.made.add(name)
        self.needs.append(("bigquery.tables.create", name.partition("/tables/")[0]))
        if kind == "TABLE" and (tree.expression or tree.args.get("clone")):
            self.needs.append(("bigquery.tables.updateData", name))
        if replaces:
            self.replaced.add(name)
            self.needs.append(("bigquery.tables.update", name))
            if kind == "TABLE":
                self.needs.append(("bigquery.tables.updateData", name))
        if properties and any(each.name.startswith("expiration") for each in properties.find_all(exp.Property)):
            self.needs.append(("bigquery.tables.delete", name))
        return table

    def _target(self, node: exp.Expr, *permissions: str) -> exp.Expr:
        table = node.this if isinstance(node, exp.Schema) else node
        if not isinstance(table, exp.Table):
            raise names.unknown(f"writing to {node.sql('bigquery')}")
        if not self._is_temporary(table):
            self.needs.extend((permission, self._name(table)) for permission in permissions)
        return table

    def _schema(self, table: exp.Expr, *permissions: str) -> exp.Expr:
        name = names.dataset(
            table.args["catalog"].name if table.args.get("catalog") else self.project, table.text("db")
        )
        self.needs.extend((permission, name) for permission in permissions)
        return table

    def _source(self, table: exp.Table, columns: Columns) -> None:
        if not isinstance(table.this, exp.Identifier):
            raise names.unknown("a table function or a model")
        if _is_cte(table) or self._is_temporary(table):
            return
        name = table.name.upper()
        if name.startswith("INFORMATION_SCHEMA."):
            view = name.split(".")[1]
            self._metadata(table, _METADATA_VIEWS.get(view, _TABLES_METADATA))
        elif name in ("__TABLES__", "__TABLES_SUMMARY__"):
            self._metadata(table, _TABLES_METADATA)
        else:
            self.reads.append(Read(self._name(table), columns))

    def _metadata(self, table: exp.Table, permissions: tuple[str, ...]) -> None:
        asked = table.db
        if not asked or _REGION.fullmatch(asked):
            of = names.project(table.catalog or self.project)
        else:
            of = names.dataset(table.catalog or self.project, asked)
        self.needs.extend((permission, of) for permission in permissions)

    def _name(self, table: exp.Expr) -> str:
        if not isinstance(table, exp.Table) or not table.name:
            raise names.unknown("an object without a name")
        if table.db:
            return names.table(table.catalog or self.project, table.db, table.name)
        if self.default_dataset is None:
            text = f'Table "{table.name}" must be qualified with a dataset (e.g. dataset.table).'
            raise Refused(400, text, "invalid")
        return f"{self.default_dataset}/tables/{table.name}"

    def _is_temporary(self, table: exp.Expr) -> bool:
        return table.name.lower() in self.temporary and table.text("db").lower() in ("", "_session")


def _is_cte(table: exp.Table) -> bool:
    """Whether a name is that of a common table expression that the place can see."""
    if table.db:
        return False
    name = table.name.lower()
    inner: exp.Expr = table
    while (outer := inner.parent) is not None:
        if isinstance(outer, exp.With):
            visible = outer.expressions
            if not outer.recursive:  # one sees those before it, and not itself
                visible = visible[: [id(each) for each in visible].index(id(inner))]
            if any(each.alias.lower() == name for each in visible):
                return True
        else:
            with_ = outer.args.get("with_")
            known = with_.expressions if with_ is not None and with_ is not inner else []
            if any(each.alias.lower() == name for each in known):
                return True
        inner = outer
    return False


def _refuse_routines(tree: exp.Expr) -> None:
    """A routine of a dataset reads what its body says, which is not in the statement."""
    for node in tree.find_all(exp.Dot):
        if isinstance(node.expression, exp.Func) and node.this.name.upper() not in _OWN_FUNCTIONS:
            raise names.unknown(f"the routine {node.sql('bigquery')}")
    for node in tree.find_all(exp.Anonymous):
        if "." in node.name:
            raise names.unknown(f"the routine {node.name}")


def _columns(tree: exp.Expr, sources: Sequence[exp.Expr]) -> Columns:
    """The columns that a statement reads, as far as its text shows: by name, or all by ``*`` or as a whole row."""
    aliases = {source.alias_or_name.lower() for source in sources}
    found: set[str] = set()
    left_out: frozenset[str] | None = None
    star = False
    for node in _read_parts(tree):
        match node:
            case exp.Star():
                if isinstance(node.parent, exp.Count):
                    continue
                without = frozenset(each.name.lower() for each in node.args.get("except_") or ())
                left_out = without if left_out is None else left_out & without
                star = True
            case exp.Column():
                found.update(part.name.lower() for part in node.parts if isinstance(part, exp.Identifier))
                if not node.table and node.name.lower() in aliases:  # the row as a value
                    star, left_out = True, frozenset()
            case exp.Join():
                found.update(each.name.lower() for each in node.args.get("using") or ())
            case exp.Var(this="ROW") | exp.Clone():
                star, left_out = True, frozenset()
    return Columns(frozenset(found), star, left_out or frozenset())


def _read_parts(tree: exp.Expr) -> Iterator[exp.Expr]:
    """All nodes but the names that ``* EXCEPT`` leaves out. What ``* REPLACE`` computes is read."""
    return (node for node in tree.walk(prune=_is_left_out) if not _is_left_out(node))


def _is_left_out(node: exp.Expr) -> bool:
    return node.arg_key == "except_"
