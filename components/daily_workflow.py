"""The daily run: a workflow, and the schedule that starts it."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_gcp as gcp

from components.place import Place
from components.workload import Workload

SOURCE = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True, kw_only=True)
class DailyWorkflowArgs:
    """What a ``DailyWorkflow`` needs.

    ``workload`` is the identity that the workflow runs as: what it calls has granted it that already;
    ``environment`` is what its source reads by ``sys.get_env``; ``schedule`` is a cron line in ``time_zone``.
    """

    place: Place
    workload: Workload
    environment: Mapping[str, pulumi.Input[str]]
    schedule: str
    time_zone: str
    paused: bool


class DailyWorkflow(pulumi.ComponentResource):
    """The workflow of ``daily_workflow.yaml``, and a scheduler job that starts it.

    Creates the workflow, the scheduler's own identity with the right to start executions in the project
    (``roles/workflows.invoker``: Workflows takes no grant on a single workflow), and the schedule.

    Exposes ``id`` and ``name``.
    """

    def __init__(self, name: str, args: DailyWorkflowArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:DailyWorkflow", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        workflow = gcp.workflows.Workflow(
            f"{name}-workflow",
            project=args.place.project,
            region=args.place.region,
            name=name,
            description="Fetch, transform, validate, and only then push the KPIs out.",
            service_account=args.workload.email,
            source_contents=SOURCE.read_text(),
            user_env_vars=dict(args.environment),
            call_log_level="LOG_ERRORS_ONLY",
            deletion_protection=False,
            opts=child,
        )
        scheduler = Workload(f"{name}-schedule", args.place, f"Starts the workflow {name}", opts=child)
        invoker = scheduler.grant_project("roles/workflows.invoker")
        gcp.cloudscheduler.Job(
            f"{name}-schedule",
            project=args.place.project,
            region=args.place.region,
            name=name,
            description=f"Starts the workflow {name}.",
            schedule=args.schedule,
            time_zone=args.time_zone,
            paused=args.paused,
            attempt_deadline="180s",
            retry_config={"retry_count": 3},
            http_target={
                "http_method": "POST",
                "uri": pulumi.Output.concat(
                    "https://workflowexecutions.googleapis.com/v1/", workflow.id, "/executions"
                ),
                "headers": {"Content-Type": "application/json"},
                "body": base64.b64encode(b'{"argument": "{}"}').decode(),
                "oauth_token": {"service_account_email": scheduler.email},
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[invoker]),
        )
        self.id = workflow.id
        self.name = workflow.name
        self.register_outputs({"id": self.id})
