"""The steps of a day, who each of them is, and the workflow that runs them in order."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi

from components.code_store import CodeStore
from components.container_job import ContainerJob, ContainerJobArgs
from components.function_service import FunctionService, FunctionServiceArgs
from components.monitoring_alerts import Service
from components.network import Network
from components.pii_policy import PiiPolicy
from components.place import Place
from components.platform import services
from components.platform.capture import SLOT, Capture, Login
from components.platform.sources import ROOT, SOURCES
from components.secrets import Secret, Secrets
from components.warehouse import Warehouse
from components.workflow import Workflow, WorkflowArgs
from components.workload import Workload, WorkloadArgs
from omnipipe.contracts.schema import Sensitivity

SOURCE = Path(__file__).with_name("daily_workflow.yaml")
WORKFLOW = "daily"  # to Google, with its schedule
# How long a run waits for what was committed before it, and validate for what it compares with, in seconds.
CAPTURED_WITHIN_S = 900
# How long the stream may take from reading a change to writing it, before validate calls a difference one.
WRITTEN_WITHIN_S = 120


@dataclass(frozen=True, kw_only=True)
class DailyPipelineArgs:
    """What a ``DailyPipeline`` needs: the components that it stands on, and the settings of its steps."""

    place: Place
    network: Network
    capture: Capture
    code: CodeStore
    secrets: Secrets
    warehouse: Warehouse
    pii: PiiPolicy
    bigquery_location: str
    weather_api_url: str
    webhook_url: str
    webhook_allow_private: bool
    schedule: str
    time_zone: str
    paused: bool


class DailyPipeline(pulumi.ComponentResource):
    """capture -> weather -> dbt -> validate -> reverse sync, each with its own identity, and the workflow over them.

    Grants each step what it reads and writes, table by table where the platform declares the table:

    - capture waits until the stream has brought its heartbeat, which it writes in the database, to ``raw``;
    - weather writes ``raw.weather``;
    - dbt reads ``raw`` and writes ``staging``, ``prod``, ``analysis`` and, alone, ``vault``;
    - validate reads what it checks: ``raw``, which it compares with the database, ``staging``, ``prod``, ``analysis``;
    - reverse sync reads ``analysis`` and writes its state, its deliveries, and dead letters.

    All write their own row of ``ops.step_runs``; the workflow writes ``ops.pipeline_runs``, and
    ``ops.pipeline_leases``, by which one run goes on at a time. dbt puts the policy tags on columns with personal data
    and, like validate, reads them.

    Exposes ``workflow``; ``services``, whose errors are to be watched; ``workloads``, who is here.

    Example::

        from components.platform.capture import Capture, CaptureArgs
        from components.code_store import CodeStore, CodeStoreArgs
        from components.platform.daily_pipeline import DailyPipeline, DailyPipelineArgs
        from components.network import Network
        from components.pii_policy import PiiPolicy, PiiPolicyArgs
        from components.place import Place
        from components.quota_provider import quota_provider
        from components.secrets import Secrets, SecretsArgs
        from components.warehouse import Warehouse, WarehouseArgs
        from omnipipe.contracts.tables import DATASETS, DECLARED_TABLES

        place = Place("my-project", "europe-west1")
        tables = WarehouseArgs(
            place=place, location="EU", protect=True, datasets=DATASETS, tables=DECLARED_TABLES
        )
        network = Network("network", place)
        secrets = Secrets("secrets", SecretsArgs(place=place))
        code = CodeStore("code", CodeStoreArgs(place=place))
        warehouse = Warehouse("warehouse", tables)
        capture = Capture(
            "capture",
            CaptureArgs(
                place=place,
                network=network,
                secrets=secrets,
                code=code,
                warehouse=warehouse,
                tier="db-f1-micro",
                availability="ZONAL",
                protect=True,
            ),
        )
        DailyPipeline(
            "daily",
            DailyPipelineArgs(
                place=place,
                network=network,
                capture=capture,
                code=code,
                secrets=secrets,
                warehouse=warehouse,
                pii=PiiPolicy(
                    "pii",
                    PiiPolicyArgs(
                        place=place,
                        physical_name="pii",
                        provider=quota_provider("quota", place),
                        location="EU",
                        protect=True,
                    ),
                ),
                bigquery_location="EU",
                weather_api_url="https://api.open-meteo.com",
                webhook_url="https://example.com/hook",
                webhook_allow_private=False,
                schedule="0 5 * * *",
                time_zone="Etc/UTC",
                paused=False,
            ),
        )
    """

    def __init__(self, name: str, args: DailyPipelineArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:DailyPipeline", name, {}, opts)
        place, child = args.place, pulumi.ResourceOptions(parent=self)
        here = {"BIGQUERY_LOCATION": args.bigquery_location}
        daily = Workload(
            f"{name}-runner",
            WorkloadArgs(
                place=place, physical_name=f"{WORKFLOW}-workflow", purpose=f"Runs the {WORKFLOW} workflow"
            ),
            child,
        )

        def function(
            function: str,
            folder: str,
            environment: Mapping[str, pulumi.Input[str]],
            timeout_s: int,
            secrets: Mapping[str, Secret] | None = None,
        ) -> FunctionService:
            return FunctionService(
                f"{name}-{function}",
                FunctionServiceArgs(
                    place=place,
                    physical_name=function,
                    sources=SOURCES,
                    folder=ROOT / "functions" / folder,
                    entry_point=folder,
                    bucket=args.code.bucket,
                    builder=args.code.builder,
                    repository_id=args.code.repository_id,
                    environment={**here, **environment},
                    secrets=secrets or {},
                    invokers=(daily,),
                    timeout_s=timeout_s,
                    depends_on=args.code.ready,
                ),
                child,
            )

        weather = function("weather", "weather", {"WEATHER_API_URL": args.weather_api_url}, timeout_s=120)
        heartbeat, reader = args.capture.heartbeat, args.capture.reader
        of_source = {"SLOT": SLOT, "CAPTURED_WITHIN_S": str(CAPTURED_WITHIN_S)}
        of_stream = {"STREAM": args.capture.stream_id}
        of_writing = {"WRITTEN_WITHIN_S": str(WRITTEN_WITHIN_S)}

        def job(
            job: str,
            folder: str,
            environment: Mapping[str, pulumi.Input[str]],
            login: Login | None = None,
        ) -> ContainerJob:
            return ContainerJob(
                f"{name}-{job}",
                ContainerJobArgs(
                    place=place,
                    physical_name=job,
                    registry=args.code.registry,
                    context=ROOT,
                    folder=ROOT / "jobs" / folder,
                    environment={
                        **here,
                        "GOOGLE_CLOUD_PROJECT": place.project,
                        **environment,
                        **(args.capture.connection_of(login) if login else {}),
                    },
                    workload=login.workload if login else None,
                    network_id=args.network.network_id if login else None,
                    subnet_id=args.network.subnet_id if login else None,
                    runners=(daily,),
                    overrides=True,  # of the run's id and day
                    timeout_s=3600,
                    # What failed fails again: a model, a check, a wait that has ended. What passes by itself, a lost
                    # answer or a service that is busy, the clients have asked again about before; a run can be repeated
                    # at any time.
                    max_retries=0,
                ),
                child,
            )

        capture = job("capture", "catch_up", of_source | of_stream, heartbeat)
        dbt = job("dbt", "dbt", {"PII_POLICY_TAG_HIGH": args.pii.tag_ids[Sensitivity.HIGH]})
        validate = job("validate", "dvt", of_source | of_writing, reader)
        reverse_sync = function(
            "reverse-sync",
            "reverse_sync",
            {
                "WEBHOOK_URL": args.webhook_url,
                "WEBHOOK_ALLOW_PRIVATE": "true" if args.webhook_allow_private else "false",
            },
            timeout_s=540,
            secrets={"WEBHOOK_SECRET": args.secrets.signing_key("webhook-secret")},
        )
        allow = args.warehouse.allow
        allow(daily, write=["ops.pipeline_runs", "ops.pipeline_leases"])
        allow(capture.workload, read=["raw"], write=["ops.step_runs"])
        allow(weather.workload, write=["raw.weather", "ops.step_runs"])
        allow(dbt.workload, read=["raw"], write=["staging", "prod", "analysis", "vault", "ops.step_runs"])
        allow(
            validate.workload,
            read=["raw", "staging", "prod", "analysis"],
            write=["ops.validation_results", "ops.step_runs"],
        )
        allow(
            reverse_sync.workload,
            read=["analysis"],
            write=["ops.reverse_sync_state", "ops.reverse_sync_deliveries", "ops.dead_letters", "ops.step_runs"],
        )
        # dbt tags the columns that hold personal data, and goes on reading them; validate checks e-mail addresses.
        args.pii.grant_tagger(dbt.workload)
        args.pii.grant_reader(dbt.workload, Sensitivity.HIGH)
        args.pii.grant_reader(validate.workload, Sensitivity.HIGH)
        self.workflow = Workflow(
            f"{name}-run",
            WorkflowArgs(
                place=place,
                physical_name=WORKFLOW,
                description="Catch up, fetch, transform, validate, and only then push the KPIs out.",
                source=SOURCE.read_text(),
                workload=daily,
                # It follows the jobs that it starts, whose operations belong to the project, and sees whether an
                # earlier run is still going on.
                roles=("roles/run.viewer", "roles/workflows.viewer"),
                environment=here
                | {
                    "CAPTURE_JOB": capture.job_id,
                    "WEATHER_FUNCTION_URL": weather.uri,
                    "DBT_JOB": dbt.job_id,
                    "VALIDATE_JOB": validate.job_id,
                    "REVERSE_SYNC_FUNCTION_URL": reverse_sync.uri,
                },
                schedule=args.schedule,
                time_zone=args.time_zone,
                paused=args.paused,
                # What a person starts says nothing; `ops.pipeline_runs` tells the two apart.
                argument={"started_by": "schedule"},
            ),
            child,
        )
        # Those of capture and validate are the capture's own.
        steps = (weather.workload, dbt.workload, reverse_sync.workload)
        self.workloads = (daily, *steps, *self.workflow.workloads)
        self.services = (
            Service(services.JOB, "capture"),
            Service(services.FUNCTION, "weather"),
            Service(services.JOB, "dbt"),
            Service(services.JOB, "validate"),
            Service(services.FUNCTION, "reverse-sync"),
            Service(services.WORKFLOW, WORKFLOW),
            Service(services.SCHEDULE, WORKFLOW),
        )
        self.register_outputs({"workflow": self.workflow.id})
