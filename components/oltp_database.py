"""The operational Postgres: where customers and trips are born."""

from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from components.place import Place
from components.secrets import Secret, Secrets

PORT = 5432


@dataclass(frozen=True, kw_only=True)
class OltpDatabaseArgs:
    """What an ``OltpDatabase`` needs.

    ``network_id`` and ``subnet_id`` are where its private address is; ``tier`` its machine type;
    ``availability`` ZONAL or REGIONAL; ``protect`` keeps it from being deleted and keeps backups with
    point-in-time recovery; ``database`` is the name of the database; ``users`` are logins beside the admin;
    ``secrets`` keeps their passwords.
    """

    place: Place
    network_id: pulumi.Input[str]
    subnet_id: pulumi.Input[str]
    tier: str
    availability: str
    protect: bool
    database: str
    users: tuple[str, ...]
    secrets: Secrets


class OltpDatabase(pulumi.ComponentResource):
    """Cloud SQL for PostgreSQL without a public address, ready for logical replication.

    Creates the instance, an address in the subnet that leads to it by Private Service Connect, a database, an
    admin login and one login for each of ``users``, each with a password in Secret Manager.

    Exposes ``host`` and ``port`` (reachable inside the network only), ``database``, ``connection``, and
    ``passwords``, a ``Secret`` by login; ``ready`` lists what must exist before somebody connects.
    """

    ADMIN = "platform_admin"

    def __init__(self, name: str, args: OltpDatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:OltpDatabase", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        instance = gcp.sql.DatabaseInstance(
            f"{name}-instance",
            project=args.place.project,
            region=args.place.region,
            database_version="POSTGRES_17",
            deletion_protection=args.protect,
            settings={
                "edition": "ENTERPRISE",
                "tier": args.tier,
                "availability_type": args.availability,
                "deletion_protection_enabled": args.protect,
                "database_flags": [{"name": "cloudsql.logical_decoding", "value": "on"}],
                "backup_configuration": {"enabled": args.protect, "point_in_time_recovery_enabled": args.protect},
                "ip_configuration": {
                    "ipv4_enabled": False,
                    "psc_configs": [{"psc_enabled": True, "allowed_consumer_projects": [args.place.project]}],
                },
            },
            opts=child,
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
            opts=child,
        )
        database = gcp.sql.Database(
            f"{name}-database", project=args.place.project, instance=instance.name, name=args.database, opts=child
        )
        self.passwords: dict[str, Secret] = {}
        users = []
        for login in (self.ADMIN, *args.users):
            secret = args.secrets.password(f"{name}-{login.replace('_', '-')}")
            self.passwords[login] = secret
            users.append(
                gcp.sql.User(
                    f"{name}-{login}",
                    project=args.place.project,
                    instance=instance.name,
                    name=login,
                    password=secret.value,
                    # Postgres refuses to drop a role that owns or was granted something.
                    deletion_policy="ABANDON",
                    opts=child,
                )
            )
        self.host = address.address
        self.port = PORT
        self.database = database.name
        self.connection = pulumi.Output.format("{0}:{1}/{2}", self.host, PORT, database.name)
        self.ready: list[pulumi.Resource] = [endpoint, database, *users]
        self.register_outputs({"host": self.host, "database": self.database, "connection": self.connection})
