"""The operational Postgres: where customers and trips are born."""

from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from components.checks import require
from components.place import Place
from components.workload import Workload

PORT = 5432
# Cloud SQL's role of those who may make roles, tables, publications; its members are no superusers.
ADMINISTRATORS = "cloudsqlsuperuser"
# What PostgreSQL calls a service account is its e-mail address without this.
# https://cloud.google.com/sql/docs/postgres/add-manage-iam-users
_DOMAIN = ".gserviceaccount.com"


@dataclass(frozen=True, kw_only=True)
class OltpDatabaseArgs:
    """What an ``OltpDatabase`` needs.

    ``network_id`` and ``subnet_id`` are where its private address is; ``tier`` its machine type;
    ``availability`` ZONAL or REGIONAL; ``protect`` keeps it from being deleted; ``backups`` keeps backups, with
    point-in-time recovery; ``database`` is the name of the database; ``kms_key`` encrypts the instance and its
    backups, if not a key of Google's own; ``stopped`` stops the instance, which keeps its data. One that was never
    started has no database yet, so begin with a running one.

    Raises ValueError for another availability, and for REGIONAL without ``backups``: a standby takes them.
    """

    place: Place
    network_id: pulumi.Input[str]
    subnet_id: pulumi.Input[str]
    tier: str
    availability: str
    protect: bool
    backups: bool
    database: str
    kms_key: pulumi.Input[str] | None = None
    stopped: bool = False

    def __post_init__(self) -> None:
        require(
            (
                self.availability in ("ZONAL", "REGIONAL"),
                f"availability is {self.availability!r}: choose ZONAL or REGIONAL",
            ),
            # As the provider says of `availability_type`.
            (
                self.backups or self.availability != "REGIONAL",
                "availability is REGIONAL, which Cloud SQL takes only with backups and point-in-time recovery: set "
                "backups, or choose ZONAL",
            ),
        )


class OltpDatabase(pulumi.ComponentResource):
    """Cloud SQL for PostgreSQL without a public address, ready for logical replication.

    Creates the instance, an address in the subnet that leads to it by Private Service Connect, and a database. The
    instance's name is the resource's with a random end, because Cloud SQL does not take the name of a deleted instance
    again for a week.

    No user with a password: Cloud SQL's API makes each a member of cloudsqlsuperuser. Who is to have one is made in
    SQL, by an administrator that ``let_in`` lets in.

    It takes encrypted connections only. Who wants to be sure whom it talks to checks the server's certificate with
    ``ca_certificate``, which every instance has its own of.

    Exposes ``host`` and ``port`` (reachable inside the network only), ``database``, ``connection``, ``ca_certificate``;
    ``log_id``, by which Cloud Logging knows the instance; ``ready``, what must
    exist before somebody connects. ``let_in`` makes a workload an IAM user, who logs in with its access tokens, over
    TLS, and grants it ``roles/cloudsql.instanceUser`` on the project for instances of this name alone.

    Example::

        from components.network import Network
        from components.oltp_database import OltpDatabase, OltpDatabaseArgs
        from components.place import Place
        from components.workload import Workload, WorkloadArgs

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
        migrate = WorkloadArgs(place=place, physical_name="migrate-job", purpose="Migrates the shop")
        user = database.let_in(Workload("migrate", migrate), administrator=True)
    """

    def __init__(self, name: str, args: OltpDatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:OltpDatabase", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        data = pulumi.ResourceOptions(parent=self, protect=args.protect)
        self._name, self._place = name, args.place
        instance = gcp.sql.DatabaseInstance(
            f"{name}-instance",
            project=args.place.project,
            region=args.place.region,
            database_version="POSTGRES_17",
            deletion_protection=args.protect,
            encryption_key_name=args.kms_key,
            settings={
                "edition": "ENTERPRISE",
                "tier": args.tier,
                "availability_type": args.availability,
                "activation_policy": "NEVER" if args.stopped else "ALWAYS",
                "deletion_protection_enabled": args.protect,
                "database_flags": [
                    {"name": "cloudsql.logical_decoding", "value": "on"},
                    {"name": "cloudsql.iam_authentication", "value": "on"},
                ],
                "backup_configuration": {"enabled": args.backups, "point_in_time_recovery_enabled": args.backups},
                "ip_configuration": {
                    "ipv4_enabled": False,
                    "ssl_mode": "ENCRYPTED_ONLY",
                    "psc_configs": [{"psc_enabled": True, "allowed_consumer_projects": [args.place.project]}],
                },
            },
            opts=data,
        )
        address = gcp.compute.Address(
            f"{name}-address",
            project=args.place.project,
            region=args.place.region,
            subnetwork=args.subnet_id,
            address_type="INTERNAL",
            opts=child,
        )
        endpoint = gcp.compute.ForwardingRule(
            f"{name}-endpoint",
            project=args.place.project,
            region=args.place.region,
            network=args.network_id,
            ip_address=address.self_link,
            target=instance.psc_service_attachment_link,
            load_balancing_scheme="",  # what a Private Service Connect endpoint is told by
            # Another instance takes another endpoint, which the provider does not know, and an address takes one:
            # https://github.com/hashicorp/terraform-provider-google/issues/19189
            opts=pulumi.ResourceOptions(parent=self, replace_on_changes=["target"], delete_before_replace=True),
        )
        database = gcp.sql.Database(
            f"{name}-database",
            project=args.place.project,
            instance=instance.name,
            name=args.database,
            # It goes with the instance. Alone, Postgres does not drop it while somebody is connected:
            # https://github.com/hashicorp/terraform-provider-google/issues/12968
            deletion_policy="ABANDON",
            opts=data,
        )
        self._instance = instance
        self.log_id = pulumi.Output.concat(args.place.project, ":", instance.name)
        self.host = address.address
        self.port = PORT
        self.database = database.name
        self.ca_certificate = instance.server_ca_certs.apply(lambda certificates: str(certificates[0].cert))
        self.connection = pulumi.Output.format("{0}:{1}/{2}", self.host, PORT, database.name)
        self.ready: list[pulumi.Resource] = [endpoint, database]
        self.register_outputs({"host": self.host, "database": self.database, "connection": self.connection})

    def let_in(self, workload: Workload, *, administrator: bool = False) -> pulumi.Output[str]:
        """Make a workload an IAM user of the instance; returns what it logs in as, and adds to ``ready``.

        Such a user has no rights but everybody's, which includes reading the state of replication slots; an
        ``administrator`` may take on cloudsqlsuperuser.
        """
        name = workload.email.apply(lambda email: email.removesuffix(_DOMAIN))
        user = gcp.sql.User(
            f"{self._name}-{workload.physical_name}",
            project=self._place.project,
            instance=self._instance.name,
            type="CLOUD_IAM_SERVICE_ACCOUNT",
            name=name,
            database_roles=[ADMINISTRATORS] if administrator else None,
            # Postgres refuses to drop a role that owns or was granted something; it goes with the instance.
            deletion_policy="ABANDON",
            opts=pulumi.ResourceOptions(parent=self),
        )
        # Not by the instance's whole name, which is known only when it exists: a new grant takes minutes to count.
        # Cloud SQL knows conditions on names: https://cloud.google.com/sql/docs/postgres/iam-conditions
        grant = workload.grant_project(
            "roles/cloudsql.instanceUser",
            only_named=pulumi.Output.concat("projects/", self._place.project, f"/instances/{self._name}-instance"),
        )
        self.ready += [user, grant]
        return name
