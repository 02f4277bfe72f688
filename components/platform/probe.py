"""The probe: a job that measures, each quarter of an hour, what no error tells of."""

from dataclasses import dataclass

import pulumi

from components.code_store import CodeStore
from components.container_job import ContainerJob, ContainerJobArgs
from components.monitoring_alerts import Service
from components.network import Network
from components.oltp_database import OltpDatabase
from components.place import Place
from components.platform import services
from components.platform.sources import ROOT
from components.schedule import Schedule, ScheduleArgs
from components.warehouse import Warehouse
from components.workload import Workload, WorkloadArgs

PROBE = "probe"  # to Google, the job and its schedule
INTERVAL_S = 900


@dataclass(frozen=True, kw_only=True)
class ProbeArgs:
    """What a ``Probe`` needs.

    ``database`` is asked for its replication slots, and ``network`` leads there; ``pipeline`` is the name of the
    workflow whose runs count; ``delivers`` says whether the KPIs have a destination, so that there may be a backlog.
    """

    place: Place
    code: CodeStore
    network: Network
    warehouse: Warehouse
    database: OltpDatabase
    bigquery_location: str
    pipeline: str
    delivers: bool
    paused: bool


class Probe(pulumi.ComponentResource):
    """The job ``probe`` and the schedule that starts it through Cloud Run's API.

    Creates the job with an identity of its own, an identity of the schedule, and the schedule. Grants the probe the
    reading of the ops tables that it counts and of ``analysis``, the metadata of ``raw`` without its data, and a login
    without rights; grants the schedule the job.

    Exposes ``services``, whose errors are to be watched, and ``workloads``, who is here.

    Example::

        from components.code_store import CodeStore, CodeStoreArgs
        from components.platform.probe import Probe, ProbeArgs
        from components.network import Network
        from components.oltp_database import OltpDatabase, OltpDatabaseArgs
        from components.place import Place
        from components.warehouse import Warehouse, WarehouseArgs
        from omnipipe.contracts.tables import DATASETS, DECLARED_TABLES

        place = Place("my-project", "europe-west1")
        network = Network("network", place)
        database = OltpDatabase(
            "shop",
            OltpDatabaseArgs(
                place=place,
                network_id=network.network_id,
                subnet_id=network.subnet_id,
                tier="db-f1-micro",
                availability="ZONAL",
                protect=False,
                backups=False,
                database="shop",
            ),
        )
        tables = WarehouseArgs(
            place=place, location="EU", protect=False, datasets=DATASETS, tables=DECLARED_TABLES
        )
        Probe(
            "probe",
            ProbeArgs(
                place=place,
                code=CodeStore("code", CodeStoreArgs(place=place)),
                network=network,
                warehouse=Warehouse("warehouse", tables),
                database=database,
                bigquery_location="EU",
                pipeline="daily",
                delivers=True,
                paused=False,
            ),
        )
    """

    def __init__(self, name: str, args: ProbeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:Probe", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        workload = Workload(
            f"{name}-workload",
            WorkloadArgs(place=args.place, physical_name=f"{PROBE}-job", purpose="Measures what alerts need"),
            child,
        )
        clock = Workload(
            f"{name}-clock",
            WorkloadArgs(place=args.place, physical_name=f"{PROBE}-schedule", purpose=f"Starts the job {PROBE}"),
            child,
        )
        user = args.database.let_in(workload)
        rights = args.warehouse.allow(
            workload,
            read=[
                "ops.pipeline_runs",
                "ops.validation_results",
                "ops.dead_letters",
                "ops.reverse_sync_state",
                "ops.reverse_sync_deliveries",
                "analysis",
            ],
            watch=["raw"],
        )
        job = ContainerJob(
            f"{name}-measure",
            ContainerJobArgs(
                place=args.place,
                physical_name=PROBE,
                registry=args.code.registry,
                context=ROOT,
                folder=ROOT / "jobs" / "probe",
                environment={
                    "GOOGLE_CLOUD_PROJECT": args.place.project,
                    "BIGQUERY_LOCATION": args.bigquery_location,
                    "PIPELINE": args.pipeline,
                    "DELIVERS": "true" if args.delivers else "false",
                    "PGHOST": args.database.host,
                    "PGPORT": str(args.database.port),
                    "PGDATABASE": args.database.database,
                    "PGUSER": user,
                },
                network_id=args.network.network_id,
                subnet_id=args.network.subnet_id,
                workload=workload,
                runners=(clock,),
                timeout_s=180,
                max_retries=0,  # the next measurement is near
                depends_on=[*rights, *args.database.ready],
            ),
            child,
        )
        Schedule(
            f"{name}-schedule",
            ScheduleArgs(
                place=args.place,
                physical_name=PROBE,
                description=f"Starts the job {PROBE}.",
                cron=f"*/{INTERVAL_S // 60} * * * *",
                time_zone="Etc/UTC",
                paused=args.paused,
                caller=clock.email,
                uri=job.run_uri,
                body={},
                depends_on=[job],
            ),
            child,
        )
        self.workloads = (workload, clock)
        self.services = (Service(services.JOB, PROBE), Service(services.SCHEDULE, PROBE))
        self.register_outputs({"job_id": job.job_id})
