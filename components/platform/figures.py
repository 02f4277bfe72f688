"""The figures of the probe and when each is an alert, declared once: policies, dashboard, runbooks and tests use it."""

from components.monitoring_alerts import Alert, Figure
from omnipipe.contracts.sources import SOURCES

GIBIBYTE = 2.0**30

FIGURES = (
    Figure(
        name="hours_since_success",
        title="No successful run",
        unit="h",
        threshold=26,
        severity="CRITICAL",
        runbook="pipeline.md",
        advice="The daily workflow has not succeeded for more than a day, or was never started. What is published "
        "is old. Look for the newest run in ops.pipeline_runs and at its error.",
    ),
    Figure(
        name="slot_wal_bytes",
        title="Write-ahead log piles up",
        unit="By",
        threshold=5 * GIBIBYTE,
        severity="CRITICAL",
        runbook="replication.md",
        advice="A replication slot keeps Postgres from dropping its log: the disk fills, and then Postgres stops. "
        "See whether a stream reads the slot; drop a slot that none does.",
    ),
    Figure(
        name="capture_lag_bytes",
        title="Capture lags behind",
        unit="By",
        threshold=1 * GIBIBYTE,
        severity="ERROR",
        runbook="replication.md",
        advice="Changes in Postgres do not reach BigQuery, or too slowly. Look at the stream's state and errors.",
    ),
    Figure(
        name="slot_idle_hours",
        title="Slot without a reader",
        unit="h",
        threshold=1,
        severity="ERROR",
        runbook="replication.md",
        advice="No stream reads a replication slot, which keeps the log all the same. Start the stream, or run "
        "migrate, which drops slots of ours that no stream names.",
    ),
    *(
        Figure(
            name=source.figure,
            title=f"{source.title} is stale",
            unit="h",
            threshold=source.fresh_within_h,
            severity="WARNING",
            runbook="raw.md",
            advice=source.when_late,
        )
        for source in SOURCES
    ),
    Figure(
        name="failed_error_checks",
        title="Failed checks of severity error",
        unit="1",
        threshold=1,
        severity="ERROR",
        runbook="validation.md",
        advice="The newest run was stopped by its checks and sent nothing. ops.validation_results names each check, "
        "with the query that shows its rows.",
    ),
    Figure(
        name="failed_warn_checks",
        title="Failed checks of severity warn",
        unit="1",
        threshold=1,
        severity="WARNING",
        runbook="validation.md",
        advice="The newest run went on, but checks of severity warn failed: see ops.validation_results.",
    ),
    Figure(
        name="dead_letters",
        title="Dead letters",
        unit="1",
        threshold=1,
        severity="WARNING",
        runbook="dead-letters.md",
        advice="Something was given up in the last 24 hours: a change, or a message that the receiver refused in five "
        "runs. Each row of ops.dead_letters says why and what to do.",
    ),
    Figure(
        name="undelivered_rows",
        title="Many rows wait for delivery",
        unit="1",
        threshold=10_000,
        severity="WARNING",
        runbook="reverse-sync.md",
        advice="Far more KPI rows than a day has changed wait for the webhook. See whether the receiver answers.",
    ),
    Figure(
        name="undelivered_hours",
        title="Rows wait long for delivery",
        unit="h",
        threshold=6,
        severity="ERROR",
        runbook="reverse-sync.md",
        advice="KPI rows that changed hours ago are not delivered, or it is not known whether they are: reverse sync "
        "fails, does not run, or the receiver has said that it is gone.",
    ),
)

# The probe logs this figure at the end, whatever could be measured: without it, the probe does not run.
HEARTBEAT = "probe_seconds"
SILENCE = Alert(
    title="The probe is silent",
    severity="CRITICAL",
    runbook="probe.md",
    advice="No figure is measured, so none of the other alerts on figures can fire. See the last executions of the "
    "job probe and its schedule.",
)
