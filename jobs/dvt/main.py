"""Cloud Run job: check the tables before anything of them leaves the platform.

The run's id and day come as ``RUN_ID`` and ``RUN_DATE``. The checks are declared in ``checks/*.yml``; their results
go to ``ops.validation_results``. The exit code is 1 when a check of severity error did not pass. With several tasks,
each takes its share of the tables.

What is captured is compared with its source: libpq's PGHOST, PGPORT, PGDATABASE and PGUSER lead there, by a login that
may read and no more; comparison.py says which other variables it takes.
"""

import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from google.cloud import bigquery
from scope import Scope
from source import Source
from validation import Validation

from omnipipe.contracts.checks import BadChecks, load
from omnipipe.contracts.tables import VALIDATION_RESULTS, ValidationResult
from omnipipe.runtime import audit, warehouse
from omnipipe.runtime.job import StepFailed, run_step
from omnipipe.runtime.run import Run

STEP = "validate"
CHECKS = Path(__file__).resolve().parent / "checks"
_log = logging.getLogger(STEP)


class ChecksFailed(StepFailed):
    """Checks of severity error did not pass, or cannot be used; the text names them."""


def validate_day(client: bigquery.Client, run: Run, step: audit.Step) -> None:
    """Check this task's tables. Raises ChecksFailed as ``validate``, and when one of severity error did not pass."""
    step.rows, results = validate(client, run)
    step.message = summary(results)
    if any(result.severity == "error" and result.status != "passed" for result in results):
        raise ChecksFailed(step.message)


def validate(client: bigquery.Client, run: Run) -> tuple[int, list[ValidationResult]]:
    """Check this task's tables and record the results; return how many rows were read, and the results.

    Raises ChecksFailed for declarations that cannot be used.
    """
    try:
        tables = load(CHECKS)
    except BadChecks as error:
        raise ChecksFailed(str(error)) from None
    index, count = int(os.environ.get("CLOUD_RUN_TASK_INDEX", 0)), int(os.environ.get("CLOUD_RUN_TASK_COUNT", 1))
    rows, results = 0, []
    scope = Scope.of(client, run.run_id, datetime.now(UTC))
    _log.info("reading %s", f"what changed since {scope.since}" if scope.since else "everything")
    with Source() as source:
        validation = Validation(client, source, run.run_id, run.run_date, scope)
        for table in tables[index::count]:
            read, found = validation.run(table)
            rows += read
            results += found
    warehouse.insert(client, VALIDATION_RESULTS, results)
    for result in results:
        if result.status != "passed":
            level = logging.ERROR if result.severity == "error" else logging.WARNING
            _log.log(
                level, "%s %s: %s", result.check_id, result.status, result.message, extra={"run_id": run.run_id}
            )
    return rows, results


def summary(results: list[ValidationResult]) -> str:
    """One sentence: how many checks did not pass, and which, the errors first."""
    failed = sorted((r for r in results if r.status != "passed"), key=lambda r: r.severity)
    if not failed:
        return f"all {len(results)} checks passed"
    named = "; ".join(f"{r.check_id} ({r.severity}, {r.table_id}): {r.message}" for r in failed)
    return f"{len(failed)} of {len(results)} checks did not pass: {named}"


if __name__ == "__main__":
    sys.exit(run_step(STEP, validate_day))
