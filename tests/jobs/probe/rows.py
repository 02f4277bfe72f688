"""Rows of the ops tables, as of some hours ago."""

from datetime import UTC, date, datetime, timedelta
from hashlib import sha256

from omnipipe.contracts.tables import PipelineRun, ReverseSyncDelivery, ReverseSyncState, ValidationResult

PIPELINE = "daily"
NOW = datetime.now(UTC)


def hours_ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def run(status: str, hours: float) -> PipelineRun:
    started, finished = hours_ago(hours + 0.1), hours_ago(hours)
    return PipelineRun(
        run_id=f"{status}-{hours}",
        pipeline=PIPELINE,
        run_date=date(2026, 6, 1),
        status=status,
        started_at=started,
        finished_at=None if status == "running" else finished,
        error=None,
        started_by="schedule",
    )


def check(run_id: str, check_id: str, severity: str, status: str, hours: float) -> ValidationResult:
    return ValidationResult(
        run_id=run_id,
        check_id=check_id,
        table_id="prod.trips",
        dimension="validity",
        severity=severity,
        status=status,
        observed=1.0,
        threshold="0",
        message=None,
        checked_at=hours_ago(hours),
        scope="changed",
    )


def delivery(key: str, status: str, hours: float, content_hash: str = "x") -> ReverseSyncDelivery:
    """What became of a message to the webhook."""
    return ReverseSyncDelivery(
        delivery_id=sha256(f"webhook|{key}|{content_hash}|".encode()).hexdigest(),  # of the key's first content
        destination="webhook",
        key=key,
        content_hash=content_hash,
        status=status,
        http_status=None,
        error=None,
        run_id=f"run-{hours}",
        recorded_at=hours_ago(hours),
    )


def tried_until(hours: float) -> ReverseSyncState:
    """The ledger knows of all that changed until then."""
    return ReverseSyncState(
        destination="webhook",
        watermark_updated_at=hours_ago(hours),
        watermark_key="",
        run_id="r",
        recorded_at=NOW,
        disabled=None,
        disabled_address=None,
    )
