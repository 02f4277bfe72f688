"""A business that is played: what fills the operational database of a stack that is for trying things out."""

from dataclasses import dataclass

import pulumi

from components.code_store import CodeStore
from components.container_job import ContainerJob, ContainerJobArgs
from components.monitoring_alerts import Service
from components.network import Network
from components.place import Place
from components.platform import services
from components.platform.capture import APP_USER, Capture
from components.platform.sources import ROOT
from components.workload import Workload, WorkloadArgs

BUSINESS = "business"  # to Google, the job


@dataclass(frozen=True, kw_only=True)
class BusinessArgs:
    """What a ``Business`` needs: ``capture`` has the database, and ``network`` leads there."""

    place: Place
    network: Network
    code: CodeStore
    capture: Capture


class Business(pulumi.ComponentResource):
    """The job ``business``, which a person starts: it fills the database, or goes on with the business for a while.

    Creates the job with an identity of its own, which may read the password of the application's user, and nothing
    else. No schedule starts it.

    Exposes ``services``, whose errors are to be watched, and ``workloads``, who is here.

    Example::

        from components.code_store import CodeStore, CodeStoreArgs
        from components.network import Network
        from components.place import Place
        from components.platform.business import Business, BusinessArgs
        from components.platform.capture import Capture, CaptureArgs
        from components.secrets import Secrets, SecretsArgs
        from components.warehouse import Warehouse, WarehouseArgs
        from omnipipe.contracts.tables import DATASETS, DECLARED_TABLES

        place = Place("my-project", "europe-west1")
        network = Network("network", place)
        code = CodeStore("code", CodeStoreArgs(place=place))
        tables = WarehouseArgs(
            place=place, location="EU", protect=False, datasets=DATASETS, tables=DECLARED_TABLES
        )
        capture = Capture(
            "capture",
            CaptureArgs(
                place=place,
                network=network,
                secrets=Secrets("secrets", SecretsArgs(place=place)),
                code=code,
                warehouse=Warehouse("warehouse", tables),
                tier="db-f1-micro",
                availability="ZONAL",
                protect=False,
                backups=False,
            ),
        )
        Business("business", BusinessArgs(place=place, network=network, code=code, capture=capture))
    """

    def __init__(self, name: str, args: BusinessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:Business", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        workload = Workload(
            f"{name}-workload",
            WorkloadArgs(place=args.place, physical_name=f"{BUSINESS}-job", purpose=f"Job {BUSINESS}"),
            child,
        )
        job = ContainerJob(
            f"{name}-play",
            ContainerJobArgs(
                place=args.place,
                physical_name=BUSINESS,
                registry=args.code.registry,
                context=ROOT,
                folder=ROOT / "jobs" / "business",
                environment=args.capture.connection_as(APP_USER),
                secrets={"PGPASSWORD": args.capture.app_password},
                network_id=args.network.network_id,
                subnet_id=args.network.subnet_id,
                workload=workload,
                timeout_s=3600,
                max_retries=0,  # what was played is played
                depends_on=args.capture.database.ready,
            ),
            child,
        )
        self.workloads = (workload,)
        self.services = (Service(services.JOB, BUSINESS),)
        self.register_outputs({"job_id": job.job_id})
