"""The checks as declared in ``jobs/dvt/checks/*.yml``, one file a table; whatever is wrong in them is told at once.

table: prod.fct_trip                  # dataset.table
filter: "{days trip_date}"            # optional: the rows that the checks read; {run_date} is the run's day
changed_days: SELECT …                # optional: a query of the days that changed after {since}; {days COLUMN} are
                                      # these and the last 30, once a week all; see jobs/dvt/scope.py
checks:
  - id: fct_trip_fare_range           # unique in the project
    kind: range                       # what is checked; each kind has options of its own, see OPTIONS
    column: fare
    min: 0
    dimension: validity               # completeness, uniqueness, validity, consistency, timeliness, volume
    severity: error                   # error ends the run, warn is recorded only
    threshold: 0.5%                   # optional: how many rows may fail, a number or a share; 0 by default

The program reads them too, so a mistake is told when it is deployed. Columns and SQL are known when they run only.
"""

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import yaml

DIMENSIONS = ("completeness", "uniqueness", "validity", "consistency", "timeliness", "volume")
SEVERITIES = ("error", "warn")

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_TABLE = re.compile(r"[A-Za-z_]\w*\.[A-Za-z_]\w*", re.ASCII)
_COLUMN_OF_TABLE = re.compile(rf"{_TABLE.pattern}\.{_NAME.pattern}", re.ASCII)
_COMMON = {"id", "kind", "dimension", "severity"}


class BadChecks(ValueError):
    """The declarations cannot be used; each line of the text names file, line, check and what to do."""


@dataclass(frozen=True)
class Threshold:
    """How much may be wrong: a number of rows, or a share of them in percent."""

    limit: float
    percent: bool = False

    @staticmethod
    def parse(text: object) -> "Threshold":
        """Read ``3`` or ``0.5%``. Raises ValueError for anything else."""
        match = re.fullmatch(r"(\d+(?:\.\d+)?)(%?)", str(text))
        if not match or (not match[2] and "." in match[1]) or (match[2] and float(match[1]) > 100):
            raise ValueError(f"threshold is {text!r}: give a whole number, or a share such as 0.5%")
        return Threshold(float(match[1]), bool(match[2]))

    def allows(self, value: float, base: float) -> bool:
        """Whether ``value`` of ``base`` is within the limit."""
        return value <= (self.limit * base / 100 if self.percent else self.limit)

    def __str__(self) -> str:
        return f"{self.limit:g}%" if self.percent else f"{self.limit:g}"


@dataclass(frozen=True)
class Check:
    """One check of one table. ``options`` are those of its kind, under their names in the YAML."""

    id: str
    table: str
    kind: str
    dimension: str
    severity: str
    options: Mapping[str, Any]

    @property
    def threshold(self) -> Threshold:
        """How much of what it measures may be wrong."""
        return Threshold.parse(self.options.get("threshold", 0))


@dataclass(frozen=True)
class CheckedTable:
    """A table with its checks; ``filter`` is a condition in SQL on the rows that they read, or ``TRUE``.

    ``changed_days`` is a query of the days of which rows changed after ``{since}``; without it, there is no
    ``{days COLUMN}`` in the filter and in the checks.
    """

    name: str
    filter: str
    checks: tuple[Check, ...]
    changed_days: str | None = None

    def only(self, check: Check) -> "CheckedTable":
        """The same table with one check."""
        return dataclasses.replace(self, checks=(check,))


@dataclass(frozen=True)
class Form:
    """What the value of an option must be, and how that is said."""

    holds: Callable[[Any], bool]
    words: str


@dataclass(frozen=True)
class Options:
    """The options that a kind of check takes, with their forms. Of ``one_of`` at least one must be there."""

    required: Mapping[str, Form] = field(default_factory=dict)
    optional: Mapping[str, Form] = field(default_factory=dict)
    one_of: Mapping[str, Form] = field(default_factory=dict)

    @property
    def all(self) -> dict[str, Form]:
        """Every option that may be there."""
        return {**self.required, **self.one_of, **self.optional}


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and bool(pattern.fullmatch(value))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_literal(value: object) -> bool:
    return (
        isinstance(value, str | bool)
        or _is_number(value)
        or (isinstance(value, date) and not isinstance(value, datetime))
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_threshold(value: object) -> bool:
    try:
        Threshold.parse(value)
    except ValueError:
        return False
    return True


_COLUMN = Form(
    lambda value: _matches(_NAME, value), "write a column's name; for anything else use kind expression"
)
_COLUMNS = Form(
    lambda value: isinstance(value, list) and bool(value) and all(_matches(_NAME, name) for name in value),
    "write a list of columns' names",
)
_REFERENCE = Form(lambda value: _matches(_COLUMN_OF_TABLE, value), "write dataset.table.column")
_SOURCE_TABLE = Form(lambda value: _matches(_TABLE, value), "write schema.table of Postgres")
_LITERAL = Form(_is_literal, "write a number, a date or a text")
_LITERALS = Form(
    lambda value: isinstance(value, list) and bool(value) and all(_is_literal(entry) for entry in value),
    "write a list of numbers, dates or texts",
)
_COUNT = Form(lambda value: isinstance(value, int) and _is_number(value) and value >= 0, "write a whole number")
_NUMBER = Form(_is_number, "write a number")
_TEXT = Form(_is_text, "write it as text, in quotes if it looks like anything else")
_THRESHOLD = Form(_is_threshold, "write a whole number, or a share such as 0.5%")

_TOLERANT = {"threshold": _THRESHOLD}
# What jobs/dvt measures, by kind: kinds.py, and comparison.py what is captured.
OPTIONS = {
    "not_null": Options({"column": _COLUMN}, _TOLERANT),
    "accepted_values": Options({"column": _COLUMN, "values": _LITERALS}, _TOLERANT),
    "range": Options({"column": _COLUMN}, _TOLERANT, {"min": _LITERAL, "max": _LITERAL}),
    "pattern": Options({"column": _COLUMN, "regex": _TEXT}, _TOLERANT),
    "expression": Options({"holds": _TEXT}, _TOLERANT),
    "unique": Options({}, _TOLERANT, {"column": _COLUMN, "columns": _COLUMNS}),
    "relationship": Options({"column": _COLUMN, "references": _REFERENCE}, _TOLERANT),
    "row_count": Options({"min": _COUNT}, {"max": _COUNT}),
    "freshness": Options({"column": _COLUMN, "max_age_hours": _NUMBER}),
    "captured": Options({"source": _SOURCE_TABLE}),
    "source_match": Options({"source": _TEXT}, {"value": _TEXT} | _TOLERANT),
}


def load(folder: Path) -> list[CheckedTable]:
    """Read every ``*.yml`` of a folder, in the order of their names.

    Raises BadChecks with one line for each mistake in any of them.
    """
    tables: list[CheckedTable] = []
    problems: list[str] = []
    places: dict[str, str] = {}  # of each id
    for path in sorted(folder.glob("*.yml")):
        table, found = _table(path, places)
        problems += found
        if table:
            tables.append(table)
    if not tables and not problems:
        problems.append(f"{folder} has no checks: add a file TABLE.yml")
    if problems:
        raise BadChecks("\n".join(problems))
    return tables


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice, of which YAML takes the last: a forgotten dash makes one check of two."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen and isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    problem=f"{key.value} is there twice: remove one, or begin the next check with a dash",
                    problem_mark=key.start_mark,
                )
            seen |= {key.value} if isinstance(key, yaml.ScalarNode) else set()
        return super().construct_mapping(node, deep)


def _table(path: Path, places: dict[str, str]) -> tuple[CheckedTable | None, list[str]]:
    """The table of a file, if it has a name, and what is wrong. Adds the ids of its checks to ``places``."""
    try:
        content, lines = _read(path)
    except BadChecks as error:
        return None, [str(error)]
    unknown = [key for key in content if key not in ("table", "filter", "changed_days", "checks")]
    problems = [f"{path.name}: unknown key {key!r}: remove it" for key in unknown]
    name: Any = content.get("table")
    condition: Any = content.get("filter", "TRUE")
    if not _matches(_TABLE, name):
        return None, [*problems, f"{path.name}: table is {name!r}: write dataset.table"]
    if not _is_text(condition):
        problems.append(f"{path.name}: filter is {condition!r}: {_TEXT.words}")
    changed_days: Any = content.get("changed_days")
    if changed_days is not None and not (_is_text(changed_days) and "{since}" in changed_days):
        problems.append(f"{path.name}: changed_days is {changed_days!r}: write a query with {{since}} in it")
    if changed_days is None and "{days " in f"{condition} {content['checks']}":
        problems.append(f"{path.name}: {{days …}} is used: add changed_days, the query of the days that changed")
    checks = []
    for position, (entry, line) in enumerate(zip(content["checks"], lines, strict=True), start=1):
        id_: Any = entry.get("id") if isinstance(entry, dict) else None
        place = f"{path.name}:{line}"
        found = _problems(entry)
        if _matches(_NAME, id_):
            if id_ in places:
                found.append(f"{places[id_]} has a check of this id: rename one")
            places.setdefault(id_, place)
        label = f"check {id_}" if _matches(_NAME, id_) else f"check number {position}"
        problems += [f"{place}: {label}: {problem}" for problem in found]
        if not found:
            options = {key: value for key, value in entry.items() if key not in _COMMON}
            checks.append(Check(entry["id"], name, entry["kind"], entry["dimension"], entry["severity"], options))
    if not any(isinstance(entry, dict) and entry.get("kind") == "row_count" for entry in content["checks"]):
        problems.append(
            f"{path.name}: no check of kind row_count: add one, because every other check passes on an empty table"
        )
    return CheckedTable(name, condition, tuple(checks), changed_days), problems


def _read(path: Path) -> tuple[dict[Any, Any], list[int]]:
    """What a file says, and the line of each of its checks. Raises BadChecks when it holds no checks at all."""
    node = None
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        content = loader.construct_document(node) if node else None
    except Exception as error:  # of a value such as a 13th month: whatever Python raises
        mark = getattr(error, "problem_mark", None)
        place = f"{path.name}:{mark.line + 1}" if mark else path.name
        words = getattr(error, "problem", None) or f"{type(error).__name__}: {error}"
        raise BadChecks(f"{place}: this cannot be read as YAML: {' '.join(str(words).split())}") from error
    if node is None or not isinstance(content, dict) or not isinstance(content.get("checks"), list):
        raise BadChecks(f"{path.name}: give `table: dataset.table` and a list under `checks:`")
    (declared,) = (value for key, value in node.value if key.value == "checks")
    return content, [check.start_mark.line + 1 for check in declared.value]


def _problems(entry: Any) -> list[str]:
    if not isinstance(entry, dict):
        return ["write it as `id: …`, `kind: …` and so on"]
    problems = []
    if not _matches(_NAME, entry.get("id")):
        problems.append("give it an `id` of letters, digits and _")
    for key, allowed in (("dimension", DIMENSIONS), ("severity", SEVERITIES), ("kind", tuple(OPTIONS))):
        if entry.get(key) not in allowed:
            problems.append(f"{key} is {entry.get(key)!r}: choose one of {', '.join(allowed)}")
    kind = entry.get("kind")
    if kind not in tuple(OPTIONS):
        return problems
    options = OPTIONS[kind]
    problems += [f"kind {kind} needs {name}: add it" for name in options.required if name not in entry]
    if options.one_of and not options.one_of.keys() & entry.keys():
        problems.append(f"kind {kind} needs {' or '.join(options.one_of)}: add one")
    for name, value in entry.items():
        if name in _COMMON:
            continue
        if name not in options.all:
            problems.append(f"kind {kind} has no option {name}: remove it")
        elif not options.all[name].holds(value):
            problems.append(f"{name} is {value!r}: {options.all[name].words}")
    return problems
