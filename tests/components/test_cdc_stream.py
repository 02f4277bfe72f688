"""The stream: every table of the list, laid out from the first row on, after all that it stands on."""

from typing import Any

import pulumi
import pulumi_gcp as gcp
import pytest

from components.cdc_stream import CdcStream, CdcStreamArgs, SourceTable
from components.place import Place
from components.secrets import Secrets, SecretsArgs
from tests.components.mocks import UNKNOWN, Recorder, record

PLACE = Place("shop-prod", "europe-west1")
TABLES = (
    SourceTable("public", "orders", key=("order_id",)),
    SourceTable("stock", "items", key=("shelf", "place")),
    SourceTable("public", "customers", key=("customer_id",)),
)


def stream(*, preview: bool = False, **changed: Any) -> Recorder:
    """A stream that waits for a job, as the platform's does for the one that makes the slot."""

    def program() -> None:
        password = Secrets("secrets", SecretsArgs(place=PLACE)).password("replication")
        args: dict[str, Any] = {
            "place": PLACE,
            "physical_name": "cdc",
            "instance": gcp.sql.DatabaseInstance("instance", database_version="POSTGRES_17").name,
            "host": gcp.compute.Address("database").address,
            "port": 5432,
            "database": "shop",
            "user": "datastream",
            "password": password.value,
            "ca_certificate": "a certificate",
            "publication": "shop_changes",
            "slot": "shop_slot",
            "attachment_id": gcp.compute.NetworkAttachment(
                "attachment", connection_preference="ACCEPT_AUTOMATIC", subnetworks=[]
            ).id,
            "dataset": "shop-prod:raw",
            "tables": TABLES,
        }
        migrate = gcp.pubsub.Topic("migrate")
        CdcStream("cdc", CdcStreamArgs(**args | changed), pulumi.ResourceOptions(depends_on=[migrate]))

    return record(program, preview=preview)


def test_every_table_is_captured_under_its_schema_and_no_other() -> None:
    source = stream().named("cdc-stream").inputs["sourceConfig"]["postgresqlSourceConfig"]

    schemas = source["includeObjects"]["postgresqlSchemas"]
    assert {s["schema"]: [t["table"] for t in s["postgresqlTables"]] for s in schemas} == {
        "public": ["orders", "customers"],
        "stock": ["items"],
    }
    assert len(schemas) == 2
    assert (source["publication"], source["replicationSlot"]) == ("shop_changes", "shop_slot")
    assert "excludeObjects" not in source


def test_each_table_is_partitioned_by_day_and_clustered_by_its_key_from_the_start() -> None:
    rules = stream().named("cdc-stream").inputs["ruleSets"]

    def table(rule: dict[str, Any]) -> str:
        found = rule["objectFilter"]["sourceObjectIdentifier"]["postgresqlIdentifier"]
        return f"{found['schema']}.{found['table']}"

    assert {table(rule): rule["customizationRules"] for rule in rules} == {
        name: [
            {
                "bigqueryPartitioning": {
                    "ingestionTimePartition": {"partitioningTimeGranularity": "PARTITIONING_TIME_GRANULARITY_DAY"}
                }
            },
            {"bigqueryClustering": {"columns": key}},
        ]
        for name, key in {
            "public.orders": ["order_id"],
            "stock.items": ["shelf", "place"],
            "public.customers": ["customer_id"],
        }.items()
    }


def test_changes_are_appended_and_what_was_there_before_comes_too() -> None:
    inputs = stream().named("cdc-stream").inputs

    target = inputs["destinationConfig"]["bigqueryDestinationConfig"]
    assert target["appendOnly"] == {}
    assert "merge" not in target
    assert target["dataFreshness"] == "900s"
    assert target["singleTargetDataset"] == {"datasetId": "shop-prod:raw"}
    assert inputs["backfillAll"] == {}
    assert "backfillNone" not in inputs
    assert inputs["desiredState"] == "RUNNING"  # it would start as NOT_STARTED
    assert stream(paused=True).named("cdc-stream").inputs == inputs | {"desiredState": "PAUSED"}


@pytest.mark.parametrize("preview", [False, True])
def test_the_stream_comes_after_its_profiles_and_they_after_the_way_in(preview: bool) -> None:
    program = stream(preview=preview)

    made = program.named("cdc-stream")
    assert made.property_dependencies["sourceConfig"] == {"cdc-source"}
    assert made.property_dependencies["destinationConfig"] == {"cdc-destination"}
    source = program.named("cdc-source")
    assert source.property_dependencies["privateConnectivity"] == {"cdc-private"}
    assert source.property_dependencies["postgresqlProfile"] == {"database", "secrets-replication-value"}
    assert program.named("cdc-private").property_dependencies["pscInterfaceConfig"] == {"attachment"}
    # Pulumi registers a component after what it depends on, and its children after it.
    (component,) = (c for c in program.components if c.name == "cdc")
    assert component.dependencies == {"migrate"}
    assert {made.parent, source.parent} == {"cdc"}


def test_the_way_in_goes_before_a_new_one_takes_its_id() -> None:
    private = stream().named("cdc-private")

    assert private.delete_before_replace
    assert private.inputs["privateConnectionId"] == "cdc-private"
    # Peering with the network would not reach Cloud SQL.
    assert private.inputs["pscInterfaceConfig"] == {"networkAttachment": "id/attachment"}
    assert "vpcPeeringConfig" not in private.inputs


def test_a_profile_goes_before_a_new_one_takes_its_id() -> None:
    program = stream()

    assert program.named("cdc-source").delete_before_replace


def test_the_stream_begins_anew_with_another_instance_of_the_database() -> None:
    made = stream().named("cdc-stream")

    # Kept in the state, so a deployment that failed in between does not make it forgotten.
    assert made.replacement_trigger == "instance"
    assert made.delete_before_replace  # the slot takes one reader, and the id is the same
    assert stream(instance="instance-2").named("cdc-stream").replacement_trigger == "instance-2"
    assert stream(preview=True).named("cdc-stream").replacement_trigger == UNKNOWN


def test_the_password_is_secret_in_the_state_and_the_connection_encrypted() -> None:
    source = stream().named("cdc-source")

    # A part that is secret makes all of the profile so.
    assert source.secrets == {"postgresqlProfile"}
    assert source.inputs["postgresqlProfile"] == {
        "hostname": "10.20.0.5",
        "port": 5432,
        "username": "datastream",
        "password": "generated",
        "database": "shop",
        "sslConfig": {"serverVerification": {"caCertificate": "a certificate"}},
    }
    unknown = stream(preview=True).named("cdc-source").inputs["postgresqlProfile"]
    assert (unknown["hostname"], unknown["password"]) == (UNKNOWN, UNKNOWN)


@pytest.mark.parametrize("preview", [False, True])
def test_the_stream_is_exposed_and_unknown_in_a_preview(preview: bool) -> None:
    program = stream(preview=preview)

    assert program.exposed["cdc"] == {"stream_id": UNKNOWN if preview else "id/cdc-stream"}
    children = [resource for resource in program.resources if resource.parent == "cdc"]
    assert {child.name for child in children} == {"cdc-private", "cdc-source", "cdc-destination", "cdc-stream"}
    assert {(c.inputs["project"], c.inputs["location"]) for c in children} == {("shop-prod", "europe-west1")}
    assert not program.of("projects.IAMMember")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"tables": []}, "no tables: name at least one to capture"),
        (
            {"tables": [*TABLES, SourceTable("public", "logs", key=())]},
            r"^public\.logs: give the one to four columns of the primary key",
        ),
        (
            {"tables": [SourceTable("public", "wide", key=("a", "b", "c", "d", "e"))]},
            r"^public\.wide: give the one",
        ),
        (
            {"publication": "Shop"},
            "publication is 'Shop': take lower-case letters, digits and underscores, at most 63",
        ),
        ({"slot": "shop-slot"}, "slot is 'shop-slot': take lower-case"),
        ({"slot": "s" * 64}, "slot is 's+'"),
        ({"slot": ""}, "slot is ''"),
        ({"tables": [], "publication": "", "slot": ""}, "no tables.*; publication is ''.*; slot is ''"),
    ],
)
def test_what_does_not_fit_is_told(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        stream(**wrong)
