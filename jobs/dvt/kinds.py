"""The kinds of checks: what each one measures, as aggregates that all fit in one query over the table.

Which options each has, omnipipe/contracts/checks.py says. A check of rows holds unless its condition is false, as a
CHECK constraint in SQL: null is the business of not_null.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from omnipipe.contracts.checks import Check, CheckedTable, Threshold

SAMPLE = 100


@dataclass(frozen=True)
class Measure:
    """What a check asks of the table's one scan.

    ``value`` is an aggregate; ``base`` another one, which a share is of; ``join`` brings in another table, of which
    each row matches at most one; ``rows`` is the query that shows what is wrong.
    """

    value: str
    rows: str
    base: str = "COUNT(*)"
    join: str = ""


@dataclass(frozen=True)
class Verdict:
    """Whether a measured value is fine, what was expected, and what was found, in words."""

    passed: bool
    expected: str
    found: str


@dataclass(frozen=True)
class Kind:
    """A kind of check: what it measures, and how it judges the value (and base) of that."""

    measure: Callable[[CheckedTable, Check, str], Measure]
    judge: Callable[[Check, float | None, float], Verdict]


def literal(value: Any) -> str:
    """A value from YAML as a literal in SQL."""
    match value:
        case bool():
            return str(value).upper()
        case int() | float():
            return str(value)
        case date():
            return f"DATE '{value.isoformat()}'"
    text = str(value).replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{text}'"


def _rows(condition: Callable[[Check], str]) -> Callable[[CheckedTable, Check, str], Measure]:
    """A measure of the rows for which a condition is true, which are wrong."""

    def measure(table: CheckedTable, check: Check, alias: str) -> Measure:
        wrong = condition(check)
        wrong_rows = f"SELECT * FROM {table.name} WHERE ({table.filter}) AND ({wrong}) LIMIT {SAMPLE}"  # noqa: S608 - declared in this image
        return Measure(value=f"COUNTIF({wrong})", rows=wrong_rows)

    return measure


def _outside(check: Check) -> str:
    bounds = []
    if "min" in check.options:
        bounds.append(f"{check.options['column']} < {literal(check.options['min'])}")
    if "max" in check.options:
        bounds.append(f"{check.options['column']} > {literal(check.options['max'])}")
    return " OR ".join(bounds)


def _not_accepted(check: Check) -> str:
    return f"{check.options['column']} NOT IN ({', '.join(map(literal, check.options['values']))})"


def _not_matching(check: Check) -> str:
    return f"NOT REGEXP_CONTAINS({check.options['column']}, {literal(check.options['regex'])})"


def _repeated(table: CheckedTable, check: Check, alias: str) -> Measure:
    columns = check.options.get("columns") or [check.options["column"]]
    names = ", ".join(columns)
    # One string for several columns: COUNT(DISTINCT …) takes one.
    key = columns[0] if len(columns) == 1 else f"TO_JSON_STRING(STRUCT({names}))"
    return Measure(
        value=f"COUNT({key}) - COUNT(DISTINCT {key})",
        rows=f"SELECT {names}, COUNT(*) AS times FROM {table.name} WHERE {table.filter} "  # noqa: S608 - declared in this image
        f"GROUP BY {names} HAVING COUNT(*) > 1 LIMIT {SAMPLE}",
    )


def _orphans(table: CheckedTable, check: Check, alias: str) -> Measure:
    column = check.options["column"]
    other, _, key = check.options["references"].rpartition(".")
    found = f"{alias}_key"
    orphan = f"{column} IS NOT NULL AND {found} IS NULL"
    join = f"LEFT JOIN (SELECT DISTINCT {key} AS {found} FROM {other}) AS {alias} ON {column} = {found}"  # noqa: S608 - declared in this image
    return Measure(
        value=f"COUNTIF({orphan})",
        rows=f"SELECT * FROM {table.name} {join} WHERE ({table.filter}) AND {orphan} LIMIT {SAMPLE}",  # noqa: S608 - as above
        join=join,
    )


def _at_most(check: Check, value: float | None, base: float) -> Verdict:
    wrong = value or 0
    share = f"at most {check.threshold} of the rows wrong" if check.threshold.percent else ""
    expected = share or f"at most {check.threshold} rows wrong"
    found = f"{wrong:.0f} of {base:.0f} rows are wrong"
    return Verdict(check.threshold.allows(wrong, base), expected, found)


def _row_count(table: CheckedTable, check: Check, alias: str) -> Measure:
    return Measure(value="COUNT(*)", rows=f"SELECT COUNT(*) FROM {table.name} WHERE {table.filter}")  # noqa: S608 - declared in this image


def _judge_count(check: Check, value: float | None, base: float) -> Verdict:
    low, high = check.options["min"], check.options.get("max")
    count = value or 0
    expected = f"at least {low} rows" if high is None else f"{low} to {high} rows"
    return Verdict(low <= count and (high is None or count <= high), expected, f"there are {count:.0f} rows")


def _age(table: CheckedTable, check: Check, alias: str) -> Measure:
    column = check.options["column"]
    day_ends = "TIMESTAMP_ADD(TIMESTAMP({run_date}), INTERVAL 1 DAY)"
    return Measure(
        value=f"TIMESTAMP_DIFF({day_ends}, TIMESTAMP(MAX({column})), SECOND) / 3600",
        rows=f"SELECT MAX({column}) FROM {table.name} WHERE {table.filter}",  # noqa: S608 - declared in this image
    )


def _judge_age(check: Check, value: float | None, base: float) -> Verdict:
    limit = check.options["max_age_hours"]
    found = "there is no row" if value is None else f"the newest row is {value:.1f} h older than the day's end"
    expected = f"at most {limit} h before the end of the run's day"
    return Verdict(value is not None and value <= limit, expected, found)


def _difference(table: CheckedTable, check: Check, alias: str) -> Measure:
    value = check.options.get("value", "COUNT(*)")
    source = f"({check.options['source']})"
    return Measure(
        value=f"ABS({value} - {source})",
        base=source,
        rows=f"SELECT {value} AS found, {source} AS expected FROM {table.name} WHERE {table.filter}",  # noqa: S608 - declared in this image
    )


def _judge_difference(check: Check, value: float | None, base: float) -> Verdict:
    limit: Threshold = check.threshold
    expected = f"a difference of at most {limit} from the source"
    if value is None:
        return Verdict(False, expected, "there is nothing to compare")
    return Verdict(limit.allows(value, base), expected, f"differs by {value:g} from the source's {base:g}")


KINDS = {
    "not_null": Kind(_rows(lambda check: f"{check.options['column']} IS NULL"), _at_most),
    "accepted_values": Kind(_rows(_not_accepted), _at_most),
    "range": Kind(_rows(_outside), _at_most),
    "pattern": Kind(_rows(_not_matching), _at_most),
    "expression": Kind(_rows(lambda check: f"NOT ({check.options['holds']})"), _at_most),
    "unique": Kind(_repeated, _at_most),
    "relationship": Kind(_orphans, _at_most),
    "row_count": Kind(_row_count, _judge_count),
    "freshness": Kind(_age, _judge_age),
    "source_match": Kind(_difference, _judge_difference),
}
