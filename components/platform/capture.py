"""The operational database, and every change of it in BigQuery."""

from dataclasses import dataclass

import pulumi

from components.cdc_stream import CdcStream, CdcStreamArgs, SourceTable
from components.code_store import CodeStore
from components.container_job import ContainerJob, ContainerJobArgs
from components.monitoring_alerts import Service
from components.network import Network
from components.oltp_database import OltpDatabase, OltpDatabaseArgs
from components.place import Place
from components.platform import services
from components.platform.sources import ROOT
from components.secrets import Secrets
from components.warehouse import Warehouse
from components.workload import Workload, WorkloadArgs

CAPTURED = (
    SourceTable("public", "customers", key=("customer_id",)),
    SourceTable("public", "trips", key=("trip_id",)),
    # The platform's own (jobs/migrate/platform.sql): by its row a run knows how far raw is.
    SourceTable("public", "heartbeat", key=("writer",)),
)
DATABASE = "mobility"
APP_USER = "mobility_app"
REPLICATION_USER = "datastream"
PUBLICATION = "omnipipe"
SLOT = "omnipipe"


@dataclass(frozen=True)
class Login:
    """A workload that logs in to the database, and the name that it does so by."""

    workload: Workload
    user: pulumi.Output[str]


@dataclass(frozen=True, kw_only=True)
class CaptureArgs:
    """What ``Capture`` needs: the components that it stands on, and what its database may differ in.

    ``resting`` stops the database and pauses the stream, once both have run; migrate waits until they run again.
    """

    place: Place
    network: Network
    secrets: Secrets
    code: CodeStore
    warehouse: Warehouse
    tier: str
    availability: str
    protect: bool
    backups: bool
    resting: bool = False
    kms_key: pulumi.Input[str] | None = None


class Capture(pulumi.ComponentResource):
    """Postgres, the migrate job, and a stream of every change into the dataset ``raw``.

    The order is the point: migrate makes the tables, the publication and the slot; only then does the stream start.
    Both do their work again for another instance of the database.

    Grants the migrate job a login as an administrator of the database, and the passwords of the users that it makes:
    the application's and Datastream's. Two steps of the day log in too, and are made here, because migrate tells their
    users what they may do: ``heartbeat`` may write ``public.heartbeat`` and look at the stream
    (``roles/datastream.viewer``), ``reader`` may read what is captured.

    Exposes ``database``; ``connection_of`` and ``connection_as``, with which variables a login or a user connects to
    it; ``app_password``, the secret of the application's user; ``stream_id``; ``heartbeat`` and ``reader``;
    ``services``, whose errors are to be watched; ``workloads``, who is here.

    Example::

        from components.platform.capture import Capture, CaptureArgs
        from components.code_store import CodeStore, CodeStoreArgs
        from components.network import Network
        from components.place import Place
        from components.secrets import Secrets, SecretsArgs
        from components.warehouse import Warehouse, WarehouseArgs
        from omnipipe.contracts.tables import DATASETS, DECLARED_TABLES

        place = Place("my-project", "europe-west1")
        tables = WarehouseArgs(
            place=place, location="EU", protect=True, datasets=DATASETS, tables=DECLARED_TABLES
        )
        Capture(
            "capture",
            CaptureArgs(
                place=place,
                network=Network("network", place),
                secrets=Secrets("secrets", SecretsArgs(place=place)),
                code=CodeStore("code", CodeStoreArgs(place=place)),
                warehouse=Warehouse("warehouse", tables),
                tier="db-f1-micro",
                availability="ZONAL",
                protect=True,
                backups=True,
            ),
        )
    """

    def __init__(self, name: str, args: CaptureArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:Capture", name, {}, opts)
        place, child = args.place, pulumi.ResourceOptions(parent=self)
        self.database = database = OltpDatabase(
            f"{name}-oltp",
            OltpDatabaseArgs(
                place=place,
                network_id=args.network.network_id,
                subnet_id=args.network.subnet_id,
                tier=args.tier,
                availability=args.availability,
                protect=args.protect,
                backups=args.backups,
                database=DATABASE,
                kms_key=args.kms_key,
                stopped=args.resting,
            ),
            child,
        )
        migrator = Workload(
            f"{name}-migrator",
            WorkloadArgs(place=place, physical_name="migrate-job", purpose="Job migrate"),
            child,
        )
        migrator_login = database.let_in(migrator, administrator=True)
        heartbeat = Workload(
            f"{name}-heart",
            WorkloadArgs(place=place, physical_name="capture-job", purpose="Job capture"),
            child,
        )
        heartbeat.grant_project("roles/datastream.viewer")
        self.heartbeat = Login(heartbeat, database.let_in(heartbeat))
        reader = Workload(
            f"{name}-reader",
            WorkloadArgs(place=place, physical_name="validate-job", purpose="Job validate"),
            child,
        )
        self.reader = Login(reader, database.let_in(reader))
        self.app_password = args.secrets.password("oltp-mobility-app")
        replication_password = args.secrets.password("oltp-datastream")
        migrate = ContainerJob(
            f"{name}-migrate",
            ContainerJobArgs(
                place=place,
                physical_name="migrate",
                registry=args.code.registry,
                context=ROOT,
                folder=ROOT / "jobs" / "migrate",
                environment=self.connection_of(Login(migrator, migrator_login))
                | {
                    "APP_USER": APP_USER,
                    "HEARTBEAT_USER": self.heartbeat.user,
                    "READING_USER": self.reader.user,
                    "REPLICATION_USER": REPLICATION_USER,
                    "PUBLICATION": PUBLICATION,
                    "SLOT": SLOT,
                },
                secrets={"APP_PASSWORD": self.app_password, "REPLICATION_PASSWORD": replication_password},
                workload=migrator,
                network_id=args.network.network_id,
                subnet_id=args.network.subnet_id,
                prepares=database.log_id,  # another instance is empty
                on_hold=args.resting,  # a stopped one lets nobody in
                timeout_s=600,
                max_retries=1,
                depends_on=database.ready,
            ),
            child,
        )
        stream = CdcStream(
            f"{name}-cdc",
            CdcStreamArgs(
                place=place,
                physical_name="cdc",
                instance=database.log_id,
                host=database.host,
                port=database.port,
                database=database.database,
                user=REPLICATION_USER,
                password=replication_password.value,
                ca_certificate=database.ca_certificate,
                publication=PUBLICATION,
                slot=SLOT,
                attachment_id=args.network.attachment_id,
                dataset=pulumi.Output.concat(place.project, ":", args.warehouse.dataset_id("raw")),
                tables=CAPTURED,
                paused=args.resting,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[migrate.job]),
        )
        self.stream_id = stream.stream_id
        self.workloads = (migrator, heartbeat, reader)
        self.services = (
            Service(services.JOB, "migrate"),
            Service(services.STREAM, "cdc"),
            Service(services.DATABASE, "oltp", database.log_id),
        )
        self.register_outputs({"database": database.connection})

    def connection_of(self, login: Login) -> dict[str, pulumi.Input[str]]:
        """libpq's variables of a login, whose password is an access token of its workload's own."""
        return self.connection_as(login.user)

    def connection_as(self, user: pulumi.Input[str]) -> dict[str, pulumi.Input[str]]:
        """libpq's variables of a user of the database, less the password."""
        return {
            "PGHOST": self.database.host,
            "PGPORT": str(self.database.port),
            "PGDATABASE": self.database.database,
            "PGUSER": user,
        }
