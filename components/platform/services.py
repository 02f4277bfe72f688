"""The kinds of Google's services that run here: what an error of each means, and what to do first.

Resource types and labels: https://cloud.google.com/logging/docs/api/v2/resource-list
"""

from components.monitoring_alerts import ServiceKind

FUNCTION = ServiceKind(
    name="function",
    title="Errors of a function",
    severity="ERROR",
    runbook="services.md",
    advice="A function logged an error. Its step of the run has failed, and ops.step_runs has the cause.",
    resource_type="cloud_run_revision",
    label="service_name",
)
JOB = ServiceKind(
    name="job",
    title="Errors of a job",
    severity="ERROR",
    runbook="services.md",
    advice="A job logged an error, or an execution of it failed. See its log.",
    resource_type="cloud_run_job",
    label="job_name",
)
WORKFLOW = ServiceKind(
    name="workflow",
    title="Errors of a workflow",
    severity="ERROR",
    runbook="services.md",
    advice="An execution of a workflow failed. Its error names the step; what comes after it did not run.",
    resource_type="workflows.googleapis.com/Workflow",
    label="workflow_id",
)
SCHEDULE = ServiceKind(
    name="schedule",
    title="Errors of a schedule",
    severity="ERROR",
    runbook="services.md",
    advice="Cloud Scheduler could not start what it is to start: a grant is missing, or the target is gone.",
    resource_type="cloud_scheduler_job",
    label="job_id",
)
STREAM = ServiceKind(
    name="stream",
    title="Errors of a stream",
    severity="ERROR",
    runbook="services.md",
    advice="Datastream logged an error: capture stands still, and the write-ahead log grows meanwhile.",
    resource_type="datastream.googleapis.com/Stream",
    label="stream_id",
)
DATABASE = ServiceKind(
    name="database",
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
)

SERVICE_KINDS = (FUNCTION, JOB, WORKFLOW, SCHEDULE, STREAM, DATABASE)
