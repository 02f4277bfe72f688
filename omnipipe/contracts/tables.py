"""The platform's own tables, and all that more than one part of it knows: with those of the sources.

dbt's models are declared in dbt, except ``analysis.kpis``, which reverse sync reads.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from omnipipe.contracts.datastream import METADATA_DESCRIPTION, DatastreamMetadata
from omnipipe.contracts.pipelines import DAILY
from omnipipe.contracts.schema import Table, column
from omnipipe.contracts.sources import SOURCES

DATASETS = {name: description for source in SOURCES for name, description in source.datasets.items()} | {
    "analysis": "What is published: the KPIs.",
    "vault": "The salts of the pseudonyms. Only the dbt identity reads it.",
    "ops": "Runs, steps, validation results, deliveries, dead letters.",
}
*_BEFORE, _LAST = (step.name for step in DAILY.steps)


@dataclass(frozen=True, kw_only=True)
class Heartbeat:
    """The row of ``public.heartbeat`` that the run writes which is going on, as Datastream writes it."""

    writer: str | None = column("Primary key: who writes it.")
    run_id: str | None = column("The run that wrote it.")
    beat_at: datetime | None = column("When, by the source's clock.")
    datastream_metadata: DatastreamMetadata | None = column(METADATA_DESCRIPTION)


@dataclass(frozen=True, kw_only=True)
class Kpi:
    """The figures of one city and day: what reverse sync sends."""

    city: str = column("Name of the city.")
    day: date = column("Day of the trips' requests, UTC.")
    trips: int = column("Completed trips.")
    riders: int = column("Customers with at least one completed trip.")
    revenue: Decimal = column("Sum of fares of completed trips, in euros.")
    mean_distance_km: float | None = column("Mean length of completed trips, in kilometres.")
    cancellation_rate: float | None = column("Cancelled trips by all trips, 0 to 1.")
    wet_hours: int | None = column("Hours with at least 0.1 mm of precipitation; null without weather data.")
    mean_temperature_c: float | None = column("Mean of the hourly temperatures, in degrees Celsius.")
    trips_wet: int = column("Completed trips requested in a wet hour.")
    trips_dry: int = column("Completed trips requested in an hour known to be dry.")
    content_hash: str = column("SHA-256 over the figures: changes when, and only when, one of them does.")
    updated_at: datetime = column("When the figures last changed.")


@dataclass(frozen=True, kw_only=True)
class PipelineRun:
    """One run of the daily pipeline, written by the workflow itself."""

    run_id: str = column("Id of the workflow's execution.")
    pipeline: str = column("Name of the workflow.")
    run_date: date = column("The day that the run is for.")
    status: str = column(
        "running, succeeded, failed, interrupted (no end was recorded) or refused (another was on)."
    )
    started_at: datetime = column("When the run began.")
    finished_at: datetime | None = column("When it ended.")
    error: str | None = column("Why it failed: the failed step and its message.")
    started_by: str | None = column("schedule or person; null for runs of before this column was there.")


@dataclass(frozen=True, kw_only=True)
class PipelineLease:
    """Whose turn it is: a pipeline runs once at a time. Taken, given back and taken over by the workflow itself."""

    pipeline: str = column("Name of the workflow.")
    run_id: str | None = column("The run that is going on; null when none is.")
    taken_at: datetime | None = column("When it took the lease.")
    expires_at: datetime | None = column("When it has no right to it any more, whatever became of it.")


@dataclass(frozen=True, kw_only=True)
class StepRun:
    """One attempt at one step of a run, written by the step itself when it ends."""

    run_id: str = column("The run that it belongs to.")
    step: str = column(f"{', '.join(_BEFORE)} or {_LAST}.")
    status: str = column("succeeded, failed, or skipped where there was nothing to do.")
    rows: int | None = column("Rows that the step wrote, checked or sent.")
    started_at: datetime = column("When the attempt began.")
    finished_at: datetime = column("When it ended.")
    message: str | None = column("What a person should know of it: the cause of a failure first.")
    bytes_processed: int | None = column("Bytes that the step's queries read; null when BigQuery did not say.")


@dataclass(frozen=True, kw_only=True)
class ValidationResult:
    """The result of one check in one run."""

    run_id: str = column("The run that it belongs to.")
    check_id: str = column("Name of the check, unique in the project.")
    table_id: str = column("dataset.table that was checked.")
    dimension: str = column("completeness, uniqueness, validity, consistency, timeliness or volume.")
    severity: str = column("error stops the run; warn is recorded only.")
    status: str = column("passed, failed, or error when the check itself could not run.")
    observed: float | None = column("The measured value.")
    threshold: str = column("What was expected of it.")
    message: str | None = column("What was found, in words, and the query that shows the failed rows.")
    checked_at: datetime = column("When the check ran.")
    scope: str | None = column(
        "What the run read: everything, or changed; null for runs of before this was there."
    )


@dataclass(frozen=True, kw_only=True)
class ReverseSyncState:
    """What is known of a destination as a whole: append-only, the newest row of a destination counts."""

    destination: str = column("Name of the destination.")
    watermark_updated_at: datetime = column("updated_at of the last row that was sent or tried.")
    watermark_key: str = column("Key of that row, which breaks ties of updated_at.")
    run_id: str = column("The run that recorded it.")
    recorded_at: datetime = column("When it was recorded.")
    disabled: str | None = column("Why nothing is sent until a person says otherwise; null when it is sent.")
    disabled_address: str | None = column("SHA-256 of the address that is not asked again; null when it is.")


@dataclass(frozen=True, kw_only=True)
class ReverseSyncDelivery:
    """One message to one destination: append-only, a row before it is sent and one when its answer is known."""

    delivery_id: str = column(
        "The webhook-id: SHA-256 over destination, key, content and what the receiver had before, so stable over "
        "retries."
    )
    destination: str = column("Name of the destination.")
    key: str = column("Key of the row that was sent.")
    content_hash: str = column("Hash of the figures that were sent.")
    status: str = column(
        "attempting (about to be sent), then sent, failed (clearly refused), dead (refused for good), unknown (no "
        "clear answer: the receiver may have it) or unsent (it did not leave)."
    )
    http_status: int | None = column("The receiver's answer; null if there was none.")
    error: str | None = column("Why it was not sent, with the beginning of the receiver's answer.")
    run_id: str = column("The run that sent it.")
    recorded_at: datetime = column("When it was recorded.")


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """Something that could not be delivered or understood, kept so that it can be replayed."""

    dead_letter_id: str = column("Stable id of what is kept.")
    origin: str = column("Which part of the platform gave up: a stream or a destination.")
    payload: str = column(
        "What could not be handled, as JSON; of a stream the key, of other values type and length."
    )
    reason: str = column("Why, and what to do.")
    run_id: str | None = column("The run in which it happened, if it was in one.")
    recorded_at: datetime = column("When it was recorded.")


# Datastream makes it itself.
PUBLIC_HEARTBEAT = Table(
    "raw", "public_heartbeat", Heartbeat, "public.heartbeat, every change", cluster_by=("writer",)
)

KPIS = Table("analysis", "kpis", Kpi, "A row a city and day.", partition_by="day", cluster_by=("city",))
PIPELINE_RUNS = Table("ops", "pipeline_runs", PipelineRun, "A row a run.", partition_by="started_at")
# No partitions: statements that change one partition conflict, and the lease lives by that.
PIPELINE_LEASES = Table("ops", "pipeline_leases", PipelineLease, "A row a pipeline: which run is going on.")
STEP_RUNS = Table("ops", "step_runs", StepRun, "A row a step and attempt.", partition_by="started_at")
VALIDATION_RESULTS = Table(
    "ops",
    "validation_results",
    ValidationResult,
    "A row a check and run.",
    partition_by="checked_at",
    cluster_by=("check_id",),
)
REVERSE_SYNC_STATE = Table(
    "ops", "reverse_sync_state", ReverseSyncState, "Watermarks.", cluster_by=("destination",)
)
REVERSE_SYNC_DELIVERIES = Table(
    "ops",
    "reverse_sync_deliveries",
    ReverseSyncDelivery,
    "A row a delivery.",
    partition_by="recorded_at",
    cluster_by=("destination", "delivery_id"),
)
DEAD_LETTERS = Table(
    "ops", "dead_letters", DeadLetter, "What was given up.", partition_by="recorded_at", cluster_by=("origin",)
)

DATASTREAM_TABLES = (
    *(table for source in SOURCES if source.captured for table in source.tables),
    PUBLIC_HEARTBEAT,
)
# The tables that the Pulumi program declares: Datastream makes its own, dbt makes its models.
DECLARED_TABLES = (
    *(table for source in SOURCES if not source.captured for table in source.tables),
    PIPELINE_RUNS,
    PIPELINE_LEASES,
    STEP_RUNS,
    VALIDATION_RESULTS,
    REVERSE_SYNC_STATE,
    REVERSE_SYNC_DELIVERIES,
    DEAD_LETTERS,
)
