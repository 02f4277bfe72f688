"""The audit trail of a run's steps: one row of ``ops.step_runs`` for each attempt, also when it fails."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from omnipipe.contracts.tables import STEP_RUNS, StepRun
from omnipipe.runtime import failure, warehouse

_log = logging.getLogger(__name__)


@dataclass
class Step:
    """What a step says of itself: it sets rows and message while it runs."""

    started_at: datetime
    rows: int | None = None  # rows written, checked or sent
    message: str | None = None
    skipped: bool = False  # there was nothing for it to do here, and the message says why


@contextmanager
def step(client: warehouse.Client, run_id: str, name: str) -> Iterator[Step]:
    """Record the block as the step ``name`` of the run ``run_id``: succeeded, skipped as it says itself, or failed with
    the exception's words.

    An exception that leaves the block is recorded and passes through.
    """
    current = Step(datetime.now(UTC))

    def record(status: str, message: str | None) -> None:
        finished = StepRun(
            run_id=run_id,
            step=name,
            status=status,
            rows=current.rows,
            started_at=current.started_at,
            finished_at=datetime.now(UTC),
            message=message,
            bytes_processed=client.bytes_processed,
        )
        warehouse.insert(client, STEP_RUNS, [finished])

    try:
        yield current
    except BaseException as cause:  # also SystemExit: a job that leaves with an exit code has failed
        _log.error("step %s failed: %s", name, failure.words(cause), exc_info=True, extra={"run_id": run_id})
        try:
            record("failed", failure.words(cause))
        except Exception:  # noqa: BLE001 - whatever keeps the row from being written must not hide the cause
            _log.exception("the failure of step %s could not be recorded", name, extra={"run_id": run_id})
        raise
    status = "skipped" if current.skipped else "succeeded"
    record(status, current.message)
    _log.info("step %s %s, rows: %s", name, status, current.rows, extra={"run_id": run_id})
