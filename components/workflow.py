"""A workflow, and the schedule that starts it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_gcp as gcp

from components.place import Place
from components.schedule import Schedule, ScheduleArgs
from components.workload import Workload, WorkloadArgs


@dataclass(frozen=True, kw_only=True)
class WorkflowArgs:
    """What a ``Workflow`` needs.

    ``physical_name`` is the workflow's, and its schedule's; ``source`` is its YAML, and ``environment`` what that reads
    by ``sys.get_env``; ``workload`` is the identity that the workflow runs as: what it calls has granted it that
    already, and ``roles`` are what it needs on the project beside. ``schedule`` is a cron line in ``time_zone``;
    ``argument`` is what the schedule starts it with.
    """

    place: Place
    physical_name: str
    description: str
    source: str
    workload: Workload
    environment: Mapping[str, pulumi.Input[str]]
    schedule: str
    time_zone: str
    paused: bool
    roles: Sequence[str] = ()
    argument: Mapping[str, Any] = field(default_factory=dict)


class Workflow(pulumi.ComponentResource):
    """A workflow, and a scheduler job that starts it.

    Creates the workflow, the scheduler's own identity with the right to start executions in the project
    (``roles/workflows.invoker``: Workflows takes no grant on a single workflow), and the schedule. The workflow's
    identity may write its log (``roles/logging.logWriter``), and has its ``roles`` on the project.

    Exposes ``id``, ``name``, and ``workloads``: who is here, beside the workflow's own that it was given.

    Example::

        from components.place import Place
        from components.workflow import Workflow, WorkflowArgs
        from components.workload import Workload, WorkloadArgs

        place = Place("my-project", "europe-west1")
        runner = WorkloadArgs(place=place, physical_name="nightly-workflow", purpose="Runs the nightly workflow")
        Workflow(
            "nightly",
            WorkflowArgs(
                place=place,
                physical_name="nightly",
                description="Says what it was told.",
                source="main: {steps: [{greet: {return: good night}}]}",
                workload=Workload("runner", runner),
                environment={},
                schedule="0 3 * * *",
                time_zone="Etc/UTC",
                paused=False,
            ),
        )
    """

    def __init__(self, name: str, args: WorkflowArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:Workflow", name, {}, opts)
        physical, child = args.physical_name, pulumi.ResourceOptions(parent=self)
        rights = [args.workload.grant_project(role) for role in ("roles/logging.logWriter", *args.roles)]
        workflow = gcp.workflows.Workflow(
            f"{name}-workflow",
            project=args.place.project,
            region=args.place.region,
            name=physical,
            description=args.description,
            service_account=args.workload.email,
            source_contents=args.source,
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
                body={"argument": json.dumps(dict(args.argument))},  # the API takes JSON as text
                depends_on=[clock.grant_project("roles/workflows.invoker")],
            ),
            child,
        )
        self.workloads = (clock,)
        self.id = workflow.id
        self.name = workflow.name
        self.register_outputs({"id": self.id})
