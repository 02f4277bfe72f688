"""Change data capture: every change of the database, in BigQuery."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from components.checks import require
from components.place import Place

# https://www.postgresql.org/docs/current/logicaldecoding-explanation.html: what a slot may be called
_NAME = re.compile(r"[a-z0-9_]{1,63}")


@dataclass(frozen=True)
class SourceTable:
    """A table to capture: its schema and name in Postgres, and the columns of its primary key."""

    schema: str
    name: str
    key: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CdcStreamArgs:
    """What a ``CdcStream`` needs.

    ``physical_name`` is the stream's, and what the names of its profiles and connection begin with; ``host``, ``port``,
    ``database``, ``user``, ``password`` are how Datastream connects, encrypted, to a server whose
    certificate ``ca_certificate`` (PEM) signed; ``instance`` is which server that is: with another one the stream
    begins anew; ``publication`` and ``slot`` must exist before the stream does;
    ``attachment_id`` is the network attachment that leads to the
    host; ``dataset`` is where the tables land, as ``project:dataset``; ``paused`` pauses a stream that has run.

    Raises ValueError for no table, one without a key or with a longer one than BigQuery clusters by, and for names
    that Postgres would not take as they are.
    """

    place: Place
    physical_name: str
    instance: pulumi.Input[str]
    host: pulumi.Input[str]
    port: int
    database: pulumi.Input[str]
    user: str
    password: pulumi.Input[str]
    ca_certificate: pulumi.Input[str]
    publication: str
    slot: str
    attachment_id: pulumi.Input[str]
    dataset: pulumi.Input[str]
    tables: Sequence[SourceTable]
    paused: bool = False

    def __post_init__(self) -> None:
        keyless = [f"{table.schema}.{table.name}" for table in self.tables if not 1 <= len(table.key) <= 4]
        require(
            (bool(self.tables), "no tables: name at least one to capture"),
            (not keyless, f"{', '.join(keyless)}: give the one to four columns of the primary key"),
            *(
                (
                    bool(_NAME.fullmatch(name)),
                    f"{what} is {name!r}: take lower-case letters, digits and underscores, at most 63",
                )
                for what, name in (("publication", self.publication), ("slot", self.slot))
            ),
        )


class CdcStream(pulumi.ComponentResource):
    """A Datastream stream from Postgres to BigQuery, append-only, with a backfill of what is already there.

    Creates the private connection, both connection profiles and the running stream. The tables it makes are
    partitioned by ingestion day and clustered by their key, which Datastream decides only when it makes them.

    Grants nothing: Datastream writes to BigQuery by its own service agent.

    Exposes ``stream_id``.

    Example::

        from components.cdc_stream import CdcStream, CdcStreamArgs, SourceTable
        from components.network import Network
        from components.place import Place

        place = Place("my-project", "europe-west1")
        CdcStream(
            "shop",
            CdcStreamArgs(
                place=place,
                physical_name="shop",
                instance="my-project:shop-instance-1234567",
                host="10.20.0.5",
                port=5432,
                database="shop",
                user="datastream",
                password="from a secret",
                ca_certificate="-----BEGIN CERTIFICATE-----...",
                publication="shop",
                slot="shop",
                attachment_id=Network("network", place).attachment_id,
                dataset="my-project:raw",
                tables=[SourceTable("public", "orders", key=("order_id",))],
            ),
        )
    """

    def __init__(self, name: str, args: CdcStreamArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:CdcStream", name, {}, opts)
        physical, child = args.physical_name, pulumi.ResourceOptions(parent=self)
        private = gcp.datastream.PrivateConnection(
            f"{name}-private",
            project=args.place.project,
            location=args.place.region,
            private_connection_id=f"{physical}-private",
            display_name=f"{physical}: into the network",
            psc_interface_config={"network_attachment": args.attachment_id},
            # Nearly every field forces a new one, and two cannot have one id.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        source = gcp.datastream.ConnectionProfile(
            f"{name}-source",
            project=args.place.project,
            location=args.place.region,
            connection_profile_id=f"{physical}-source",
            display_name=f"{physical}: Postgres",
            postgresql_profile={
                "hostname": args.host,
                "port": args.port,
                "username": args.user,
                "password": args.password,
                "database": args.database,
                # Without it Datastream encrypts where the server wants it, and takes any server for the right one. The
                # name in the certificate is not compared: the provider has no field for it, and the host is an address.
                "ssl_config": {"server_verification": {"ca_certificate": args.ca_certificate}},
            },
            private_connectivity={"private_connection": private.id},
            # Another instance has another certificate, and two profiles cannot have one id.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        destination = gcp.datastream.ConnectionProfile(
            f"{name}-destination",
            project=args.place.project,
            location=args.place.region,
            connection_profile_id=f"{physical}-destination",
            display_name=f"{physical}: BigQuery",
            bigquery_profile={},
            opts=child,
        )
        schemas = sorted({table.schema for table in args.tables})
        stream = gcp.datastream.Stream(
            f"{name}-stream",
            project=args.place.project,
            location=args.place.region,
            stream_id=physical,
            display_name=f"{physical}: Postgres to BigQuery",
            desired_state="PAUSED" if args.paused else "RUNNING",
            source_config={
                "source_connection_profile": source.id,
                "postgresql_source_config": {
                    "publication": args.publication,
                    "replication_slot": args.slot,
                    "include_objects": {
                        "postgresql_schemas": [
                            {
                                "schema": schema,
                                "postgresql_tables": [
                                    {"table": table.name} for table in args.tables if table.schema == schema
                                ],
                            }
                            for schema in schemas
                        ]
                    },
                },
            },
            destination_config={
                "destination_connection_profile": destination.id,
                "bigquery_destination_config": {
                    "data_freshness": "900s",
                    "single_target_dataset": {"dataset_id": args.dataset},
                    "append_only": {},
                },
            },
            backfill_all={},
            rule_sets=[
                {
                    "object_filter": {
                        "source_object_identifier": {
                            "postgresql_identifier": {"schema": table.schema, "table": table.name}
                        }
                    },
                    "customization_rules": [
                        {
                            "bigquery_partitioning": {
                                "ingestion_time_partition": {
                                    "partitioning_time_granularity": "PARTITIONING_TIME_GRANULARITY_DAY"
                                }
                            }
                        },
                        {"bigquery_clustering": {"columns": list(table.key)}},
                    ],
                }
                for table in args.tables
            ],
            # A position in the log of one instance means nothing in another's, whose address and names are the same: a
            # stream that was left would skip what is written there. Not `replace_with`: it counts in the deployment
            # that replaces the instance alone, and that one may fail before it comes to the stream.
            # A replacement has the same id, and the slot takes one reader.
            opts=pulumi.ResourceOptions(
                parent=self, replacement_trigger=args.instance, delete_before_replace=True
            ),
        )
        self.stream_id = stream.id
        self.register_outputs({"stream_id": self.stream_id})
