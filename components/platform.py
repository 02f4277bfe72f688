"""The whole platform in one screen: what there is, and what leads where."""

from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from components.api_services import ApiServices
from components.cdc_stream import CdcStream, CdcStreamArgs, SourceTable
from components.container_job import ContainerJob, ContainerJobArgs, JobNetwork
from components.daily_workflow import DailyWorkflow, DailyWorkflowArgs
from components.function_service import FunctionService, FunctionServiceArgs
from components.network import Network
from components.oltp_database import OltpDatabase, OltpDatabaseArgs
from components.packaging import ROOT
from components.place import Place
from components.secrets import Secrets, SecretsArgs
from components.warehouse import Warehouse, WarehouseArgs
from components.workload import Workload
from omnipipe.contracts.tables import DATASETS, DECLARED_TABLES

CAPTURED = (
    SourceTable("public", "customers", key=("customer_id",)),
    SourceTable("public", "trips", key=("trip_id",)),
)
PUBLICATION = "omnipipe"
SLOT = "omnipipe"
APP_USER = "mobility_app"
REPLICATION_USER = "datastream"


@dataclass(frozen=True, kw_only=True)
class PlatformArgs:
    """The settings of one environment; ``stacks/settings.py`` reads and checks them."""

    place: Place
    bigquery_location: str
    database_tier: str
    database_availability: str
    protect_data: bool
    schedule: str
    time_zone: str
    schedule_paused: bool
    weather_api_url: str
    webhook_url: str


class Platform(pulumi.ComponentResource):
    """One environment: Postgres -> Datastream -> BigQuery, a daily workflow over it, and the KPIs out again.

    Exposes the components that others may build on: ``database``, ``warehouse``, ``workflow``.
    """

    def __init__(self, name: str, args: PlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:Platform", name, {}, opts)
        apis = ApiServices("apis", args.place, pulumi.ResourceOptions(parent=self))
        child = pulumi.ResourceOptions(parent=self, depends_on=[apis])

        # Where data lives.
        secrets = Secrets("secrets", SecretsArgs(place=args.place), child)
        network = Network("network", args.place, child)
        self.database = OltpDatabase(
            "oltp",
            OltpDatabaseArgs(
                place=args.place,
                network_id=network.network_id,
                subnet_id=network.subnet_id,
                tier=args.database_tier,
                availability=args.database_availability,
                protect=args.protect_data,
                database="mobility",
                users=(APP_USER,),
                secrets=secrets,
            ),
            child,
        )
        self.warehouse = Warehouse(
            "warehouse",
            WarehouseArgs(
                place=args.place,
                location=args.bigquery_location,
                protect=args.protect_data,
                datasets=DATASETS,
                tables=DECLARED_TABLES,
            ),
            child,
        )

        # Where code is built from.
        sources = gcp.storage.Bucket(
            "sources",
            project=args.place.project,
            name=f"{args.place.project}-sources",
            location=args.place.region,
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            force_destroy=True,
            opts=child,
        )
        images = gcp.artifactregistry.Repository(
            "images",
            project=args.place.project,
            location=args.place.region,
            repository_id="jobs",
            format="DOCKER",
            description="Images of the Cloud Run jobs.",
            opts=child,
        )
        repository = pulumi.Output.concat(
            args.place.region, "-docker.pkg.dev/", args.place.project, "/", images.repository_id
        )

        # Capture: migrate makes the tables, the publication and the slot; the stream reads from them.
        replication_password = secrets.password("oltp-datastream")
        migrate = ContainerJob(
            "migrate",
            ContainerJobArgs(
                place=args.place,
                folder=ROOT / "jobs" / "migrate",
                repository=repository,
                environment={
                    "PGHOST": self.database.host,
                    "PGPORT": str(self.database.port),
                    "PGDATABASE": self.database.database,
                    "PGUSER": OltpDatabase.ADMIN,
                    "APP_USER": APP_USER,
                    "REPLICATION_USER": REPLICATION_USER,
                    "PUBLICATION": PUBLICATION,
                    "SLOT": SLOT,
                },
                secrets={
                    "PGPASSWORD": self.database.passwords[OltpDatabase.ADMIN],
                    "REPLICATION_PASSWORD": replication_password,
                },
                network=JobNetwork(network_id=network.network_id, subnet_id=network.subnet_id),
                run_after_deploy=True,
                timeout_s=600,
                max_retries=1,
                depends_on=self.database.ready,
            ),
            child,
        )
        CdcStream(
            "cdc",
            CdcStreamArgs(
                place=args.place,
                host=self.database.host,
                port=self.database.port,
                database=self.database.database,
                user=REPLICATION_USER,
                password=replication_password.value,
                publication=PUBLICATION,
                slot=SLOT,
                attachment_id=network.attachment_id,
                dataset=pulumi.Output.concat(args.place.project, ":", self.warehouse.dataset_id("raw")),
                tables=CAPTURED,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[apis, migrate.job]),
        )

        # The daily steps, each with an identity of its own.
        daily = Workload("daily-workflow", args.place, "Runs the daily workflow", opts=child)
        weather = FunctionService(
            "weather",
            FunctionServiceArgs(
                place=args.place,
                folder=ROOT / "functions" / "weather",
                entry_point="weather",
                bucket=sources.name,
                environment={
                    "BIGQUERY_LOCATION": args.bigquery_location,
                    "WEATHER_API_URL": args.weather_api_url,
                },
                invokers={"daily": daily.member},
                timeout_s=120,
            ),
            child,
        )
        dbt, validate = (
            ContainerJob(
                job,
                ContainerJobArgs(
                    place=args.place,
                    folder=ROOT / "jobs" / folder,
                    repository=repository,
                    environment={
                        "GOOGLE_CLOUD_PROJECT": args.place.project,
                        "BIGQUERY_LOCATION": args.bigquery_location,
                    },
                    runners={"daily": daily.member},
                    timeout_s=3600,
                    max_retries=1,
                ),
                child,
            )
            for job, folder in (("dbt", "dbt"), ("validate", "dvt"))
        )
        reverse_sync = FunctionService(
            "reverse-sync",
            FunctionServiceArgs(
                place=args.place,
                folder=ROOT / "functions" / "reverse_sync",
                entry_point="reverse_sync",
                bucket=sources.name,
                environment={"BIGQUERY_LOCATION": args.bigquery_location, "WEBHOOK_URL": args.webhook_url},
                secrets={"WEBHOOK_SECRET": secrets.signing_key("webhook-secret")},
                invokers={"daily": daily.member},
                timeout_s=540,
            ),
            child,
        )

        # Who may touch which data.
        viewer, editor = "roles/bigquery.dataViewer", "roles/bigquery.dataEditor"
        for who, workload, grants in (
            ("weather", weather.workload, {"raw": editor, "ops": editor}),
            (
                "dbt",
                dbt.workload,
                {
                    "raw": viewer,
                    "staging": editor,
                    "prod": editor,
                    "analysis": editor,
                    "vault": editor,
                    "ops": editor,
                },
            ),
            (
                "validate",
                validate.workload,
                {"staging": viewer, "prod": viewer, "analysis": viewer, "ops": editor},
            ),
            ("reverse-sync", reverse_sync.workload, {"analysis": viewer, "ops": editor}),
            ("daily", daily, {"ops": editor}),
        ):
            workload.grant_project("roles/bigquery.jobUser")
            for dataset, role in grants.items():
                self.warehouse.grant(dataset, role, who, workload.member)
        daily.grant_project("roles/run.viewer")  # to follow the operation of a job that it started
        daily.grant_project("roles/logging.logWriter")

        self.workflow = DailyWorkflow(
            "daily",
            DailyWorkflowArgs(
                place=args.place,
                workload=daily,
                environment={
                    "BIGQUERY_LOCATION": args.bigquery_location,
                    "WEATHER_FUNCTION_URL": weather.uri,
                    "DBT_JOB": dbt.job_id,
                    "VALIDATE_JOB": validate.job_id,
                    "REVERSE_SYNC_FUNCTION_URL": reverse_sync.uri,
                },
                schedule=args.schedule,
                time_zone=args.time_zone,
                paused=args.schedule_paused,
            ),
            child,
        )
        self.register_outputs({"workflow": self.workflow.id})
