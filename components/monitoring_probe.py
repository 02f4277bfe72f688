"""The probe: a job that measures, each quarter of an hour, what no error tells of."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.code_store import CodeStore
from components.container_job import ContainerJob, ContainerJobArgs
from components.network import Network
from components.packaging import ROOT
from components.place import Place
from components.schedule import Schedule, ScheduleArgs
from components.warehouse import Warehouse
from components.workload import Workload

INTERVAL_S = 900


@dataclass(frozen=True, kw_only=True)
class ProbeArgs:
    """What a ``Probe`` needs.

    ``workload`` is the identity that it runs as: the database has a user of it already, ``user``, who may look at
    replication slots (pg_monitor). ``host``, ``port`` and ``database`` are where; ``network`` leads there. ``pipeline``
    is the name of the workflow whose runs count. ``depends_on`` is what must be there before it measures.
    """

    place: Place
    code: CodeStore
    network: Network
    warehouse: Warehouse
    workload: Workload
    user: pulumi.Input[str]
    host: pulumi.Input[str]
    port: int
    database: pulumi.Input[str]
    bigquery_location: str
    pipeline: str
    paused: bool
    depends_on: Sequence[pulumi.Resource] = ()


class Probe(pulumi.ComponentResource):
    """The job ``probe`` and the schedule that starts it through Cloud Run's API.

    Creates the job, an identity of the schedule, and the schedule. Grants the probe the reading of the ops tables that
    it counts and of ``analysis``, and the metadata of ``raw`` without its data; grants the schedule the job.

    Example::

        import pulumi
        from components.code_store import CodeStore, CodeStoreArgs
        from components.monitoring_probe import Probe, ProbeArgs
        from components.network import Network
        from components.place import Place
        from components.warehouse import Warehouse, WarehouseArgs
        from components.workload import Workload
        from omnipipe.contracts.tables import DATASETS, DECLARED_TABLES

        place = Place("my-project", "europe-west1")
        workload = Workload("probe-job", place, "Measures what alerts need")
        Probe(
            "probe",
            ProbeArgs(
                place=place,
                code=CodeStore("code", CodeStoreArgs(place=place)),
                network=Network("network", place),
                warehouse=Warehouse(
                    "warehouse",
                    WarehouseArgs(
                        place=place, location="EU", protect=False, datasets=DATASETS, tables=DECLARED_TABLES
                    ),
                ),
                workload=workload,
                user="probe-job@my-project.iam",
                host="10.20.0.5",
                port=5432,
                database="mobility",
                bigquery_location="EU",
                pipeline="daily",
                paused=False,
            ),
        )
    """

    def __init__(self, name: str, args: ProbeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:Probe", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        clock = Workload(f"{name}-schedule", args.place, f"Starts the job {name}", child)
        rights = args.warehouse.allow(
            args.workload,
            read=[
                "ops.pipeline_runs",
                "ops.validation_results",
                "ops.dead_letters",
                "ops.reverse_sync_state",
                "analysis",
            ],
            watch=["raw"],
        )
        job = ContainerJob(
            name,
            ContainerJobArgs(
                place=args.place,
                code=args.code,
                folder=ROOT / "jobs" / "probe",
                environment={
                    "GOOGLE_CLOUD_PROJECT": args.place.project,
                    "BIGQUERY_LOCATION": args.bigquery_location,
                    "PIPELINE": args.pipeline,
                    "PGHOST": args.host,
                    "PGPORT": str(args.port),
                    "PGDATABASE": args.database,
                    "PGUSER": args.user,
                },
                network=args.network,
                workload=args.workload,
                runners=(clock,),
                timeout_s=180,
                max_retries=0,  # the next measurement is near
                depends_on=[*rights, *args.depends_on],
            ),
            child,
        )
        Schedule(
            name,
            ScheduleArgs(
                place=args.place,
                description=f"Starts the job {name}.",
                cron=f"*/{INTERVAL_S // 60} * * * *",
                time_zone="Etc/UTC",
                paused=args.paused,
                caller=clock,
                uri=job.run_uri,
                body={},
                depends_on=[job],
            ),
            child,
        )
        self.register_outputs({"job_id": job.job_id})
