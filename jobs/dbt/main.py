"""Cloud Run job: build the dbt project for one day's run.

The run's id and day come as ``RUN_ID`` and ``RUN_DATE``; ``FULL_REFRESH`` may name a model whose table is to be made
anew, or be ``*`` for all of them. The exit code is the result, and ``ops.step_runs`` has the details. What dbt itself
needs is in ``project/profiles.yml``.
"""

import gc
import json
import logging
import os
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from google.cloud import bigquery

from omnipipe.contracts.tables import STEP_RUNS
from omnipipe.runtime import audit, warehouse
from omnipipe.runtime.job import StepFailed, run_step
from omnipipe.runtime.run import Run

STEP = "dbt"
PROJECT = Path(__file__).resolve().parent / "project"
# Of the one query that is not dbt's own, see profiles.yml for the others: a column of a small table.
_MAXIMUM_BYTES_BILLED = 10 * 2**30
_log = logging.getLogger(STEP)


class BuildFailed(StepFailed):
    """Models or tests failed, or dbt could not start; the text names them with their messages."""


@dataclass
class Built:
    """What dbt has done: how many rows its models wrote, what a person should know of it, and its jobs' ids."""

    rows: int = 0
    remarks: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)


def build_day(client: warehouse.Client, run: Run, step: audit.Step) -> None:
    """Build what changed since the last success. Raises BuildFailed as ``build``."""
    since = last_success(client)
    _log.info("building what changed since %s", since or "the beginning", extra={"run_id": run.run_id})
    variables = {
        "run_id": run.run_id,
        "run_date": run.run_date.isoformat(),
        "since": since.isoformat() if since else "",
        # The stamp of all rows that this run writes: for the next one's `since`, which is the same, they are old.
        "loaded_at": step.started_at.isoformat(),
        "full_refresh": os.environ.get("FULL_REFRESH", ""),
    }
    built = Built()
    try:
        build(variables, built)
    finally:
        client.count(built.jobs)
    step.rows, step.message = built.rows, "; ".join(built.remarks) or None


def last_success(client: bigquery.Client) -> datetime | None:
    """When the last dbt step that succeeded began; None if none ever did."""
    sql = f"SELECT max(started_at) AS since FROM {STEP_RUNS.id} WHERE step = '{STEP}' AND status = 'succeeded'"  # noqa: S608 - constants only
    config = bigquery.QueryJobConfig(maximum_bytes_billed=_MAXIMUM_BYTES_BILLED)
    (row,) = client.query(sql, job_config=config).result()
    return row.since


def build(variables: dict[str, Any], built: Built) -> None:
    """Build models and run data tests with these dbt variables; ``built`` takes what was done, also when it fails.

    Raises BuildFailed when a model or a test fails, or when dbt cannot begin.
    """
    # dbt's import and parse make millions of objects that live until the process ends: looking for garbage among
    # them takes a quarter of a cold start.
    gc.disable()
    # Here, because importing it takes seconds: a bad environment fails sooner.
    from dbt.cli.main import dbtRunner  # pyright: ignore[reportMissingImports] - in the job's own packages only

    with tempfile.TemporaryDirectory() as scratch:
        arguments = [
            *("--no-use-colors", "--log-level", "none", "--log-level-file", "none", "--log-path", scratch),
            *("build", "--exclude-resource-type", "unit_test", "--vars", json.dumps(variables)),
            *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--target-path", scratch),
            *("--no-partial-parse", "--no-write-json"),
        ]
        outcome = dbtRunner(callbacks=[_forward, partial(_note, built)]).invoke(arguments)
    gc.freeze()  # nor when the process ends
    if outcome.exception:
        raise BuildFailed(f"dbt could not run: {_one_line(outcome.exception)}") from outcome.exception
    results = list(getattr(outcome.result, "results", ()))
    failed = [
        f"{result.node.resource_type} {result.node.name}: {_one_line(result.message)}"
        for result in results
        if result.status in ("error", "fail", "runtime error")
    ]
    if failed or not outcome.success:
        raise BuildFailed("; ".join(failed) or "dbt failed without naming a model")
    models = (result for result in results if result.node.resource_type == "model")
    built.rows = sum(model.adapter_response.get("rows_affected") or 0 for model in models)


def _forward(event: Any) -> None:
    """Log the end of each model and test, and whatever dbt warns of, as lines of this job's own log."""
    name, level = event.info.name, event.info.level
    if (name.startswith("Log") and name.endswith("Result")) or level in ("warn", "error"):
        _log.log(getattr(logging, {"warn": "WARNING"}.get(level, level.upper())), "%s", event.info.msg)


def _note(built: Built, event: Any) -> None:
    """Keep the job of each statement, and what macros say: which tables were rebuilt and why, which columns are not
    there yet."""
    if event.info.name == "SQLQueryStatus":
        built.jobs.append(event.data.query_id)
    elif event.info.name == "JinjaLogInfo":
        _log.info("%s", event.info.msg)
        if event.info.msg not in built.remarks:
            built.remarks.append(event.info.msg)


def _one_line(message: object) -> str:
    return " ".join(str(message).split())


if __name__ == "__main__":
    sys.exit(run_step(STEP, build_day))
