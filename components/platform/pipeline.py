"""A pipeline as it is declared: each step with its own identity, and the workflow that runs them in order."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from components.checks import require
from components.code_store import CodeStore
from components.container_job import ContainerJob, ContainerJobArgs
from components.function_service import FunctionService, FunctionServiceArgs
from components.monitoring_alerts import Service
from components.network import Network
from components.pii_policy import PiiPolicy
from components.place import Place
from components.platform import services
from components.platform.sources import ROOT, SOURCES
from components.platform.workflow_source import workflow_source
from components.secrets import Secret
from components.warehouse import Warehouse
from components.workflow import Workflow, WorkflowArgs
from components.workload import Workload, WorkloadArgs
from omnipipe.contracts import pipelines
from omnipipe.contracts.tables import PIPELINE_LEASES, PIPELINE_RUNS, STEP_RUNS

_KINDS = {"function": services.FUNCTION, "job": services.JOB}


@dataclass(frozen=True, kw_only=True)
class StepArgs:
    """What a step is told beside what is declared of it: variables, and secrets as variables.

    A job may be a ``workload`` that was made before, because something else needs its name, and be in a ``network``.
    """

    environment: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    workload: Workload | None = None
    network: Network | None = None


@dataclass(frozen=True, kw_only=True)
class PipelineArgs:
    """What a ``Pipeline`` needs: what is declared, the components that it stands on, and the stack's settings.

    ``steps`` tells some of them more, by their names. ``schedule`` is the stack's own cron line, if it is not the
    declared one.

    Raises ValueError for a step that is not declared, and for a function with a workload or a network.
    """

    place: Place
    declared: pipelines.Pipeline
    code: CodeStore
    warehouse: Warehouse
    pii: PiiPolicy
    bigquery_location: str
    time_zone: str
    paused: bool
    steps: Mapping[str, StepArgs] = field(default_factory=dict)
    schedule: str | None = None

    def __post_init__(self) -> None:
        kinds = {step.name: step.kind for step in self.declared.steps}
        require(
            *((name in kinds, f"{self.declared.name} declares no step {name!r}") for name in self.steps),
            *(
                (
                    kinds.get(name) != "function" or not (told.workload or told.network),
                    f"{name} is a function: only a job takes a workload or a network",
                )
                for name, told in self.steps.items()
            ),
        )


class Pipeline(pulumi.ComponentResource):
    """The steps of a pipeline, each with its own identity, and the workflow over them.

    Grants each step what it is declared to read and write, and its row of ``ops.step_runs``; clear values and policy
    tags where that is declared too. The workflow runs the steps, alone, and writes ``ops.pipeline_runs`` and
    ``ops.pipeline_leases``, by which one run goes on at a time.

    Exposes ``workflow``; ``services``, whose errors are to be watched; ``workloads``, who is here.

    Example::

        from components.code_store import CodeStore, CodeStoreArgs
        from components.pii_policy import PiiPolicy, PiiPolicyArgs
        from components.place import Place
        from components.platform.pipeline import Pipeline, PipelineArgs, StepArgs
        from components.quota_provider import quota_provider
        from components.warehouse import Warehouse, WarehouseArgs
        from omnipipe.contracts import pipelines
        from omnipipe.contracts.tables import DATASETS, DECLARED_TABLES

        place = Place("my-project", "europe-west1")
        pii = PiiPolicyArgs(
            place=place,
            physical_name="pii",
            provider=quota_provider("quota", place),
            location="EU",
            protect=True,
        )
        tables = WarehouseArgs(
            place=place, location="EU", protect=True, datasets=DATASETS, tables=DECLARED_TABLES
        )
        weather = pipelines.Step(
            name="weather", kind="function", folder="weather", timeout_s=120, writes=("raw.weather",)
        )
        Pipeline(
            "hourly",
            PipelineArgs(
                place=place,
                declared=pipelines.Pipeline(
                    name="hourly",
                    title="The weather of each hour.",
                    description="Fetch the weather.",
                    remark="It transforms nothing.",
                    schedule="0 * * * *",
                    order=(weather,),
                ),
                code=CodeStore("code", CodeStoreArgs(place=place)),
                warehouse=Warehouse("warehouse", tables),
                pii=PiiPolicy("pii", pii),
                bigquery_location="EU",
                time_zone="Etc/UTC",
                paused=False,
                steps={"weather": StepArgs(environment={"WEATHER_API_URL": "https://api.open-meteo.com"})},
            ),
        )
    """

    def __init__(self, name: str, args: PipelineArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:Pipeline", name, {}, opts)
        declared = args.declared
        self._name, self._args, self._child = name, args, pulumi.ResourceOptions(parent=self)
        self._here = {"BIGQUERY_LOCATION": args.bigquery_location}
        runner = Workload(
            f"{name}-runner",
            WorkloadArgs(
                place=args.place,
                physical_name=f"{declared.name}-workflow",
                purpose=f"Runs the {declared.name} workflow",
            ),
            self._child,
        )
        args.warehouse.allow(runner, write=[PIPELINE_RUNS.id, PIPELINE_LEASES.id])
        addresses, self.workloads = {}, [runner]
        for step in declared.steps:
            told = args.steps.get(step.name, StepArgs())
            make = self._job if step.kind == "job" else self._function
            workload, addresses[step.variable] = make(step, told, runner)
            self._grant(step, workload)
            if workload is not told.workload:
                self.workloads.append(workload)
        self.workflow = Workflow(
            f"{name}-run",
            WorkflowArgs(
                place=args.place,
                physical_name=declared.name,
                description=declared.description,
                source=workflow_source(declared),
                workload=runner,
                # It follows the jobs that it starts, whose operations belong to the project, and sees whether an
                # earlier run is still going on.
                roles=("roles/run.viewer", "roles/workflows.viewer"),
                environment=self._here | addresses,
                schedule=args.schedule or declared.schedule,
                time_zone=args.time_zone,
                paused=args.paused,
                # What a person starts says nothing; `ops.pipeline_runs` tells the two apart.
                argument={"started_by": "schedule"},
            ),
            self._child,
        )
        self.workloads += self.workflow.workloads
        self.services = (
            *(Service(_KINDS[step.kind], step.service) for step in declared.steps),
            Service(services.WORKFLOW, declared.name),
            Service(services.SCHEDULE, declared.name),
        )
        self.register_outputs({"workflow": self.workflow.id})

    def _function(
        self, step: pipelines.Step, told: StepArgs, runner: Workload
    ) -> tuple[Workload, pulumi.Output[str]]:
        """Make a function: who it is, and where the workflow calls it."""
        code = self._args.code
        function = FunctionService(
            f"{self._name}-{step.service}",
            FunctionServiceArgs(
                place=self._args.place,
                physical_name=step.service,
                sources=SOURCES,
                folder=ROOT / "functions" / step.folder,
                entry_point=step.folder,
                bucket=code.bucket,
                builder=code.builder,
                repository_id=code.repository_id,
                environment={**self._here, **told.environment},
                secrets=told.secrets,
                invokers=(runner,),
                timeout_s=step.timeout_s,
                depends_on=code.ready,
            ),
            self._child,
        )
        return function.workload, function.uri

    def _job(self, step: pipelines.Step, told: StepArgs, runner: Workload) -> tuple[Workload, pulumi.Output[str]]:
        """Make a job: who it is, and what the workflow calls it."""
        job = ContainerJob(
            f"{self._name}-{step.service}",
            ContainerJobArgs(
                place=self._args.place,
                physical_name=step.service,
                registry=self._args.code.registry,
                context=ROOT,
                folder=ROOT / "jobs" / step.folder,
                environment={**self._here, "GOOGLE_CLOUD_PROJECT": self._args.place.project, **told.environment},
                secrets=told.secrets,
                workload=told.workload,
                network_id=told.network.network_id if told.network else None,
                subnet_id=told.network.subnet_id if told.network else None,
                runners=(runner,),
                overrides=True,  # of the run's id and day
                timeout_s=step.timeout_s,
                max_retries=step.retries,
            ),
            self._child,
        )
        return job.workload, job.job_id

    def _grant(self, step: pipelines.Step, workload: Workload) -> None:
        self._args.warehouse.allow(workload, read=step.reads, write=[*step.writes, STEP_RUNS.id])
        if step.tags:
            self._args.pii.grant_tagger(workload)
        for level in step.clear:
            self._args.pii.grant_reader(workload, level)
