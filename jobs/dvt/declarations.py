"""The checks as declared in ``checks/*.yml``, one file a table; whatever is wrong in them is reported at once.

table: prod.fct_trip                  # dataset.table
filter: trip_date >= {run_date} - 30  # optional: the rows that the checks read; {run_date} is the run's day
checks:
  - id: fct_trip_fare_range           # unique in the project
    kind: range                       # what is checked, see kinds.py, comparison.py; each kind has its options
    column: fare
    min: 0
    dimension: validity               # completeness, uniqueness, validity, consistency, timeliness, volume
    severity: error                   # error ends the run, warn is recorded only
    threshold: 0.5%                   # optional: how many rows may fail, a number or a share; 0 by default
"""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from omnipipe.runtime.job import StepFailed

DIMENSIONS = ("completeness", "uniqueness", "validity", "consistency", "timeliness", "volume")
SEVERITIES = ("error", "warn")

_NAME = re.compile(r"[A-Za-z_]\w*")
_TABLE = re.compile(r"[A-Za-z_]\w*\.[A-Za-z_]\w*")
_COMMON = {"id", "kind", "dimension", "severity"}


class BadChecks(StepFailed):
    """The declarations cannot be used; each line of the text names file, check and what to do."""


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
    """A table with its checks; ``filter`` is a condition in SQL on the rows that they read, or ``TRUE``."""

    name: str
    filter: str
    checks: tuple[Check, ...]

    def only(self, check: Check) -> "CheckedTable":
        """The same table with one check."""
        return dataclasses.replace(self, checks=(check,))


@dataclass(frozen=True)
class Options:
    """The options that a kind of check takes."""

    required: frozenset[str]
    optional: frozenset[str] = frozenset()
    one_of: frozenset[str] = frozenset()


def load(folder: Path, kinds: Mapping[str, Options]) -> list[CheckedTable]:
    """Read every ``*.yml`` of a folder, in the order of their names.

    Raises BadChecks with one line for each mistake in any of them.
    """
    tables: list[CheckedTable] = []
    problems: list[str] = []
    for path in sorted(folder.glob("*.yml")):
        table, found = _table(path, kinds)
        problems += [f"{path.name}: {problem}" for problem in found]
        if table:
            tables.append(table)
    if not tables and not problems:
        problems.append(f"{folder} has no checks: add a file TABLE.yml")
    seen: dict[str, str] = {}
    for table in tables:
        for check in table.checks:
            if check.id in seen:
                problems.append(f"{table.name}: check {check.id}: {seen[check.id]} has one of this id: rename one")
            seen[check.id] = table.name
    if problems:
        raise BadChecks("\n".join(problems))
    return tables


def _table(path: Path, kinds: Mapping[str, Options]) -> tuple[CheckedTable | None, list[str]]:
    try:
        content = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        return None, [f"this is not YAML: {' '.join(str(error).split())}"]
    if not isinstance(content, dict) or not isinstance(content.get("checks"), list):
        return None, ["give `table: dataset.table` and a list under `checks:`"]
    problems = [f"unknown key {key!r}: remove it" for key in content.keys() - {"table", "filter", "checks"}]
    name = content.get("table")
    if not isinstance(name, str) or not _TABLE.fullmatch(name):
        return None, [*problems, f"table is {name!r}: write dataset.table"]
    checks = []
    for position, entry in enumerate(content["checks"], start=1):
        identity = entry.get("id") if isinstance(entry, dict) else None
        label = f"check {identity or f'number {position}'}"
        found = (
            _problems(entry, kinds) if isinstance(entry, dict) else ["write it as `id: …`, `kind: …` and so on"]
        )
        problems += [f"{label}: {problem}" for problem in found]
        if not found:
            options = {key: value for key, value in entry.items() if key not in _COMMON}
            checks.append(Check(entry["id"], name, entry["kind"], entry["dimension"], entry["severity"], options))
    if not any(isinstance(entry, dict) and entry.get("kind") == "row_count" for entry in content["checks"]):
        problems.append("no check of kind row_count: add one, because every other check passes on an empty table")
    return CheckedTable(name, str(content.get("filter", "TRUE")), tuple(checks)), problems


def _problems(entry: dict[str, Any], kinds: Mapping[str, Options]) -> list[str]:
    problems = []
    if not _NAME.fullmatch(str(entry.get("id", ""))):
        problems.append("give it an `id` of letters, digits and _")
    for key, allowed in (("dimension", DIMENSIONS), ("severity", SEVERITIES), ("kind", tuple(kinds))):
        if entry.get(key) not in allowed:
            problems.append(f"{key} is {entry.get(key)!r}: choose one of {', '.join(allowed)}")
    if (kind := kinds.get(entry.get("kind", ""))) is None:
        return problems
    given = entry.keys() - _COMMON
    if missing := kind.required - given:
        problems.append(f"kind {entry['kind']} needs {', '.join(sorted(missing))}: add it")
    if kind.one_of and not kind.one_of & given:
        problems.append(f"kind {entry['kind']} needs {' or '.join(sorted(kind.one_of))}: add one")
    if unknown := given - kind.required - kind.optional - kind.one_of:
        problems.append(f"kind {entry['kind']} has no option {', '.join(sorted(unknown))}: remove it")
    for column in (entry.get("column"), *(entry.get("columns") or ())):
        if column is not None and not _NAME.fullmatch(str(column)):
            problems.append(f"{column!r} is not a column's name: for anything else use kind expression")
    if "threshold" in entry:
        try:
            Threshold.parse(entry["threshold"])
        except ValueError as error:
            problems.append(str(error))
    if "values" in entry and not (isinstance(entry["values"], list) and entry["values"]):
        problems.append("values: give a list")
    if entry["kind"] == "captured" and not _TABLE.fullmatch(str(entry.get("source"))):
        problems.append(f"source is {entry.get('source')!r}: write schema.table of Postgres")
    if "references" in entry and not re.fullmatch(rf"{_TABLE.pattern}\.{_NAME.pattern}", str(entry["references"])):
        problems.append(f"references is {entry['references']!r}: write dataset.table.column")
    return problems
