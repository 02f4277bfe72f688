"""What is watched, declared once: policies, the dashboard, the runbooks' headings and the tests come from here."""

import re
from dataclasses import dataclass
from typing import Literal

import pulumi

from components.checks import require

Severity = Literal["CRITICAL", "ERROR", "WARNING"]
GIBIBYTE = 2.0**30
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


@dataclass(frozen=True, kw_only=True)
class Alert:
    """Something that a person should hear of.

    ``title`` is also the heading of its part of ``runbook``, a page of docs/runbooks; ``advice`` is what comes with
    the notification: what it means, and what to do first.
    """

    title: str
    severity: Severity
    runbook: str
    advice: str

    @property
    def anchor(self) -> str:
        """The address of its heading in the page, as GitHub forms it."""
        return self.title.lower().replace(" ", "-")


@dataclass(frozen=True, kw_only=True)
class Figure(Alert):
    """A figure that the job ``probe`` logs under ``name``. It fires at ``threshold`` and above.

    ``unit`` is a unit of measure of https://ucum.org: h, By, 1.
    """

    name: str
    unit: Literal["h", "By", "1"]
    threshold: float


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
    Figure(
        name="captured_age_hours",
        title="Captured table is stale",
        unit="h",
        threshold=24,
        severity="WARNING",
        runbook="raw.md",
        advice="A captured table has got no row for a day: business rests, or capture does not work.",
    ),
    Figure(
        name="weather_age_hours",
        title="Weather is stale",
        unit="h",
        threshold=26,
        severity="WARNING",
        runbook="raw.md",
        advice="raw.weather has got no row since the run before the last one. Look at the step weather of the runs.",
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


@dataclass(frozen=True, kw_only=True)
class ServiceKind(Alert):
    """A kind of Google's services: how its log entries are told, and what counts as an error among them.

    Resource types and labels: https://cloud.google.com/logging/docs/api/v2/resource-list
    """

    resource_type: str
    label: str
    errors: str = "severity>=ERROR"


SERVICE_KINDS = {
    "function": ServiceKind(
        title="Errors of a function",
        severity="ERROR",
        runbook="services.md",
        advice="A function logged an error. Its step of the run has failed, and ops.step_runs has the cause.",
        resource_type="cloud_run_revision",
        label="service_name",
    ),
    "job": ServiceKind(
        title="Errors of a job",
        severity="ERROR",
        runbook="services.md",
        advice="A job logged an error, or an execution of it failed. See its log.",
        resource_type="cloud_run_job",
        label="job_name",
    ),
    "workflow": ServiceKind(
        title="Errors of a workflow",
        severity="ERROR",
        runbook="services.md",
        advice="An execution of a workflow failed. Its error names the step; what comes after it did not run.",
        resource_type="workflows.googleapis.com/Workflow",
        label="workflow_id",
    ),
    "schedule": ServiceKind(
        title="Errors of a schedule",
        severity="ERROR",
        runbook="services.md",
        advice="Cloud Scheduler could not start what it is to start: a grant is missing, or the target is gone.",
        resource_type="cloud_scheduler_job",
        label="job_id",
    ),
    "stream": ServiceKind(
        title="Errors of a stream",
        severity="ERROR",
        runbook="services.md",
        advice="Datastream logged an error: capture stands still, and the write-ahead log grows meanwhile.",
        resource_type="datastream.googleapis.com/Stream",
        label="stream_id",
    ),
    "database": ServiceKind(
        title="Errors of a database",
        severity="ERROR",
        runbook="services.md",
        advice="Postgres refused a connection or ended one because of an error. Its log says why.",
        resource_type="cloudsql_database",
        label="database_id",
        # A statement that fails is its sender's business, and a restart is none. Its severities are told by its text:
        # https://www.postgresql.org/docs/current/runtime-config-logging.html#RUNTIME-CONFIG-SEVERITY-LEVELS
        errors='textPayload=~"(FATAL|PANIC):" AND NOT textPayload=~"the database system is '
        '(starting up|shutting down|not yet accepting connections)|terminating connection due to administrator"',
    ),
}


@dataclass(frozen=True)
class Service:
    """A service whose errors are watched. ``id`` is what the label of its kind says, if that is not its name.

    A database's is ``PROJECT:INSTANCE``. Raises ValueError for a kind that is not in ``SERVICE_KINDS``
    and for a name that no metric can have.
    """

    kind: str
    name: str
    id: pulumi.Input[str] | None = None

    def __post_init__(self) -> None:
        require(
            (self.kind in SERVICE_KINDS, f"{self.name} is a {self.kind!r}: choose of {', '.join(SERVICE_KINDS)}"),
            (
                bool(_NAME.fullmatch(self.name)),
                f"a {self.kind} is called {self.name!r}: its metric's name takes lower-case letters, digits and "
                "hyphens, at most 63",
            ),
        )

    @property
    def alert(self) -> ServiceKind:
        """What its kind declares."""
        return SERVICE_KINDS[self.kind]
