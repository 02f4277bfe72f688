"""Carry out the checks of a table: those of BigQuery alone in one query, those of the source each by itself."""

import dataclasses
import logging
from collections.abc import Iterable
from datetime import UTC, date, datetime

import comparison
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery
from kinds import KINDS, Measure, Verdict
from scope import Scope, render
from source import Source, SourceUnreadable

from omnipipe.contracts.checks import Check, CheckedTable
from omnipipe.contracts.tables import ValidationResult

_log = logging.getLogger(__name__)

# Raw beside the table of the source that it is captured from.
CAPTURED = "captured"


class Validation:
    """The checks of one run."""

    def __init__(self, client: bigquery.Client, source: Source, run_id: str, run_date: date, scope: Scope) -> None:
        self._client, self._source, self._run_id, self._run_date = client, source, run_id, run_date
        self._scope = scope
        self._days: dict[str, frozenset[date] | None] = {}  # of each table, what is read

    def run(self, table: CheckedTable) -> tuple[int, list[ValidationResult]]:
        """Check a table: how many rows were read, and a result for each check."""
        try:
            self._days[table.name] = self._scope.days(self._client, table, self._run_date)
        except GoogleAPICallError as error:
            reason = f"changed_days, which says what to read, cannot run: {error.message}"
            return 0, [self._broken(table, check, reason) for check in table.checks]
        comparisons = [check for check in table.checks if check.kind == CAPTURED]
        measured = tuple(check for check in table.checks if check.kind != CAPTURED)
        rows, results = self._measured(dataclasses.replace(table, checks=measured)) if measured else (0, [])
        for check in comparisons:
            found, result = self._compared(table, check)
            rows += found
            results.append(result)
        return rows, results

    def _measured(self, table: CheckedTable) -> tuple[int, list[ValidationResult]]:
        """When the query as a whole fails, each check is tried alone, so that one bad check hides no other."""
        try:
            return self._scan(table)
        except GoogleAPICallError as error:
            if len(table.checks) == 1:
                check = table.checks[0]
                measure = KINDS[check.kind].measure(table, check, "j0")
                reason = f"{error.message}; the query: {self._render(table, query(table, [measure]))}"
                return 0, [self._broken(table, check, reason)]
            _log.warning("the checks of %s cannot run together, trying each alone: %s", table.name, error.message)
            outcomes = [self._measured(table.only(check)) for check in table.checks]
            return max(rows for rows, _ in outcomes), [result for _, results in outcomes for result in results]

    def _scan(self, table: CheckedTable) -> tuple[int, list[ValidationResult]]:
        measures = [KINDS[c.kind].measure(table, c, f"j{number}") for number, c in enumerate(table.checks)]
        (row,) = self._client.query(self._render(table, query(table, measures))).result()
        results = []
        for number, (check, measure) in enumerate(zip(table.checks, measures, strict=True)):
            value, base = (None if row[name] is None else float(row[name]) for name in _names(number))
            verdict = KINDS[check.kind].judge(check, value, base or 0)
            results.append(self._result(table, check, measure, value, verdict))
        return row["total"], results

    def _compared(self, table: CheckedTable, check: Check) -> tuple[int, ValidationResult]:
        try:
            found = comparison.compare(self._client, self._source, check.options["source"], table.name)
        except SourceUnreadable as error:
            return 0, self._broken(table, check, f"{check.options['source']}: {error}")
        except GoogleAPICallError as error:
            return 0, self._broken(table, check, error.message or str(error))
        status = "failed" if found.wrong else "passed"
        return found.rows, self._new_result(
            table, check, status, found.wrong, "the same rows as the source", found.words
        )

    def _result(
        self, table: CheckedTable, check: Check, measure: Measure, value: float | None, verdict: Verdict
    ) -> ValidationResult:
        shown = "" if verdict.passed else f"; see: {self._render(table, measure.rows)}"
        status = "passed" if verdict.passed else "failed"
        return self._new_result(table, check, status, value, verdict.expected, f"{verdict.found}{shown}")

    def _broken(self, table: CheckedTable, check: Check, reason: str) -> ValidationResult:
        return self._new_result(
            table, check, "error", None, "a query that runs", f"the check could not run: {reason}"
        )

    def _new_result(
        self, table: CheckedTable, check: Check, status: str, observed: float | None, expected: str, message: str
    ) -> ValidationResult:
        return ValidationResult(
            run_id=self._run_id,
            check_id=check.id,
            table_id=table.name,
            dimension=check.dimension,
            severity=check.severity,
            status=status,
            observed=observed,
            threshold=expected,
            message=message,
            checked_at=datetime.now(UTC),
            scope=str(self._scope),
        )

    def _render(self, table: CheckedTable, sql: str) -> str:
        return render(sql, self._run_date, self._days[table.name])


def query(table: CheckedTable, measures: Iterable[Measure]) -> str:
    """The one query that measures everything asked of a table."""
    measures = list(measures)
    columns = ["COUNT(*) AS total"]
    for number, measure in enumerate(measures):
        value, base = _names(number)
        columns += [f"{measure.value} AS {value}", f"{measure.base} AS {base}"]
    joins = [measure.join for measure in measures if measure.join]
    return "\n".join([f"SELECT {', '.join(columns)}", f"FROM {table.name}", *joins, f"WHERE {table.filter}"])


def _names(number: int) -> tuple[str, str]:
    return f"value_{number}", f"base_{number}"
