"""The daily run: a workflow, and the schedule that starts it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_gcp as gcp

from components.place import Place
from components.schedule import Schedule, ScheduleArgs
from components.workload import Workload, WorkloadArgs

SOURCE = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True, kw_only=True)
class DailyWorkflowArgs:
    """What a ``DailyWorkflow`` needs.

    ``physical_name`` is the workflow's, and its schedule's; ``workload`` is the identity that the workflow runs as:
    what it calls has granted it that already; ``environment`` is what its source reads by ``sys.get_env``;
    ``schedule`` is a cron line in ``time_zone``.
    """

    place: Place
    physical_name: str
    workload: Workload
    environment: Mapping[str, pulumi.Input[str]]
    schedule: str
    time_zone: str
    paused: bool


class DailyWorkflow(pulumi.ComponentResource):
    """The workflow of ``daily_workflow.yaml``, and a scheduler job that starts it.

    Creates the workflow, the scheduler's own identity with the right to start executions in the project
    (``roles/workflows.invoker``: Workflows takes no grant on a single workflow), and the schedule. The workflow's
    identity may write its log (``roles/logging.logWriter``), follow the jobs that it starts (``roles/run.viewer``:
    their operations belong to the project), and see whether an earlier run is still going on
    (``roles/workflows.viewer``).

    Exposes ``id``, ``name``, and ``workloads``: who is here, beside the workflow's own that it was given.

    Example::

        from components.daily_workflow import DailyWorkflow, DailyWorkflowArgs
        from components.place import Place
        from components.workload import Workload, WorkloadArgs

        place = Place("my-project", "europe-west1")
        runner = WorkloadArgs(
            place=place, physical_name="daily-workflow", purpose="Runs the daily workflow"
        )
        job = "projects/my-project/locations/europe-west1/jobs/"
        DailyWorkflow(
            "daily",
            DailyWorkflowArgs(
                place=place,
                physical_name="daily",
                workload=Workload("runner", runner),
                environment={
                    "BIGQUERY_LOCATION": "EU",
                    "CAPTURE_JOB": f"{job}capture",
                    "WEATHER_FUNCTION_URL": "https://weather.example.com",
                    "DBT_JOB": f"{job}dbt",
                    "VALIDATE_JOB": f"{job}validate",
                    "REVERSE_SYNC_FUNCTION_URL": "https://reverse-sync.example.com",
                },
                schedule="0 5 * * *",
                time_zone="Etc/UTC",
                paused=False,
            ),
        )
    """

    def __init__(self, name: str, args: DailyWorkflowArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:DailyWorkflow", name, {}, opts)
        physical, child = args.physical_name, pulumi.ResourceOptions(parent=self)
        roles = ("roles/logging.logWriter", "roles/run.viewer", "roles/workflows.viewer")
        rights = [args.workload.grant_project(role) for role in roles]
        workflow = gcp.workflows.Workflow(
            f"{name}-workflow",
            project=args.place.project,
            region=args.place.region,
            name=physical,
            description="Catch up, fetch, transform, validate, and only then push the KPIs out.",
            service_account=args.workload.email,
            source_contents=SOURCE.read_text(),
            user_env_vars=dict(args.environment),
            call_log_level="LOG_ERRORS_ONLY",
            deletion_protection=False,
            opts=pulumi.ResourceOptions(parent=self, depends_on=rights),
        )
        clock = Workload(
            f"{name}-clock",
            WorkloadArgs(
                place=args.place,
                physical_name=f"{physical}-schedule",
                purpose=f"Starts the workflow {physical}",
            ),
            child,
        )
        Schedule(
            f"{name}-schedule",
            ScheduleArgs(
                place=args.place,
                physical_name=physical,
                description=f"Starts the workflow {physical}.",
                cron=args.schedule,
                time_zone=args.time_zone,
                paused=args.paused,
                caller=clock.email,
                uri=pulumi.Output.concat(
                    "https://workflowexecutions.googleapis.com/v1/", workflow.id, "/executions"
                ),
                # What a person starts says nothing; `ops.pipeline_runs` tells the two apart.
                body={"argument": json.dumps({"started_by": "schedule"})},
                depends_on=[clock.grant_project("roles/workflows.invoker")],
            ),
            child,
        )
        self.workloads = (clock,)
        self.id = workflow.id
        self.name = workflow.name
        self.register_outputs({"id": self.id})
