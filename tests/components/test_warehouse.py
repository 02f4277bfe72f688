"""BigQuery: what protects data protects all of it, and a grant is as narrow as it is written."""

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest

from components.place import Place
from components.warehouse import Warehouse, WarehouseArgs
from components.workload import Workload, WorkloadArgs
from omnipipe.contracts.schema import Table, column
from tests.components.mocks import UNKNOWN, Recorder, record

PLACE = Place("shop-prod", "europe-west1")
MEMBER = "serviceAccount:report-job@shop-prod.iam.gserviceaccount.com"


@dataclass(frozen=True, kw_only=True)
class Order:
    day: date = column("Day of the order.")
    city: str | None = column("Where to.")


ORDERS = Table("raw", "orders", Order, "A row an order.", partition_by="day", cluster_by=("city",))
CITIES = Table("raw", "cities", Order, "A row a city.")


def warehouse(
    *, protect: bool = True, allow: dict[str, Any] | None = None, preview: bool = False, **changed: Any
) -> Recorder:
    def program() -> None:
        args: dict[str, Any] = {
            "place": PLACE,
            "location": "EU",
            "protect": protect,
            "datasets": {"raw": "As delivered.", "ops": "Runs."},
            "tables": [ORDERS, CITIES],
        }
        made = Warehouse("warehouse", WarehouseArgs(**args | changed))
        if allow is not None:
            made.allow(
                Workload("report-job", WorkloadArgs(place=PLACE, physical_name="report-job", purpose="Reports")),
                **allow,
            )

    return record(program, preview=preview)


def test_datasets_are_where_they_are_told_and_described() -> None:
    program = warehouse()

    assert {d.inputs["datasetId"]: d.inputs["description"] for d in program.of("bigquery.Dataset")} == {
        "raw": "As delivered.",
        "ops": "Runs.",
    }
    for dataset in program.of("bigquery.Dataset"):
        assert (dataset.inputs["project"], dataset.inputs["location"]) == ("shop-prod", "EU")
        # An update of the list would silently drop the grants.
        assert "accesses" not in dataset.inputs
        assert "defaultEncryptionConfiguration" not in dataset.inputs


def test_a_table_has_the_schema_and_the_layout_of_its_declaration() -> None:
    program = warehouse()

    table = program.named("warehouse-raw-orders").inputs
    assert (table["datasetId"], table["tableId"], table["description"]) == ("raw", "orders", "A row an order.")
    assert json.loads(table["schema"]) == ORDERS.schema()
    assert table["timePartitioning"] == {"type": "DAY", "field": "day"}
    assert table["clusterings"] == ["city"]
    assert program.named("warehouse-raw-orders").property_dependencies["datasetId"] == {"warehouse-raw"}

    plain = program.named("warehouse-raw-cities").inputs
    assert not plain.keys() & {"timePartitioning", "clusterings"}


@pytest.mark.parametrize("protect", [False, True])
def test_data_is_kept_by_google_and_by_pulumi_or_by_neither(protect: bool) -> None:
    program = warehouse(protect=protect, allow={"read": ["raw"]})

    for table in program.of("bigquery.Table"):
        assert (table.inputs["deletionProtection"], table.protect) == (protect, protect)
    for dataset in program.of("bigquery.Dataset"):
        assert (dataset.inputs["deleteContentsOnDestroy"], dataset.protect) == (not protect, protect)
    # A grant can be taken back in every stack.
    (grant,) = program.of("bigquery.DatasetIamMember")
    assert not grant.protect


def test_one_key_encrypts_every_dataset_and_every_table() -> None:
    program = warehouse(kms_key="keys/bigquery")

    key = {"kmsKeyName": "keys/bigquery"}
    assert [d.inputs["defaultEncryptionConfiguration"] for d in program.of("bigquery.Dataset")] == [key] * 2
    assert [t.inputs["encryptionConfiguration"] for t in program.of("bigquery.Table")] == [key] * 2
    assert all("encryptionConfiguration" not in table.inputs for table in warehouse().of("bigquery.Table"))


def test_a_grant_is_on_the_dataset_or_on_the_table_that_is_named() -> None:
    program = warehouse(allow={"read": ["ops", "raw.cities"], "write": ["raw.orders"], "watch": ["raw"]})

    grants = program.of("bigquery.DatasetIamMember") + program.of("bigquery.IamMember")
    assert {(g.inputs["role"], g.inputs["datasetId"], g.inputs.get("tableId")) for g in grants} == {
        ("roles/bigquery.dataViewer", "ops", None),
        ("roles/bigquery.dataViewer", "raw", "cities"),
        ("roles/bigquery.dataEditor", "raw", "orders"),
        ("roles/bigquery.metadataViewer", "raw", None),
    }
    assert {grant.inputs["member"] for grant in grants} == {MEMBER}
    assert {grant.parent for grant in grants} == {"warehouse"}
    # Grants on a whole dataset of what is a table would fail on Google, and without a wait for it too.
    assert "warehouse-raw-orders" in program.named("warehouse-raw-orders-report-job").dependencies
    assert "warehouse-ops" in program.named("warehouse-ops-report-job").dependencies


def test_who_touches_data_may_run_jobs_and_gets_no_data_by_the_project() -> None:
    (grant,) = warehouse(allow={"read": ["raw"]}).of("projects.IAMMember")

    assert grant.inputs == {"project": "shop-prod", "role": "roles/bigquery.jobUser", "member": MEMBER}


def test_a_later_step_can_wait_for_all_that_was_allowed() -> None:
    granted: list[str] = []

    def program() -> None:
        args = WarehouseArgs(place=PLACE, location="EU", protect=True, datasets={"raw": "Raw."}, tables=[ORDERS])
        report = Workload("report-job", WorkloadArgs(place=PLACE, physical_name="report-job", purpose="Reports"))
        made = Warehouse("warehouse", args).allow(report, read=["raw"], write=["raw.orders"])
        granted.extend(type(resource).__name__ for resource in made)

    record(program)
    assert granted == ["IAMMember", "DatasetIamMember", "IamMember"]


@pytest.mark.parametrize(
    ("allow", "words"),
    [
        ({"read": ["vault"]}, "the warehouse has no dataset 'vault': declare it among its datasets"),
        ({"read": ["raw.lines"]}, "the warehouse declares no table 'raw.lines': grant its dataset, or declare it"),
        ({"write": ["vault.orders"]}, "the warehouse declares no table 'vault.orders'"),
        ({"watch": ["raw."]}, "the warehouse declares no table 'raw.'"),
        ({"read": [""]}, "the warehouse has no dataset ''"),
        ({"read": "raw"}, "the warehouse has no dataset 'r'"),
    ],
)
def test_what_is_not_declared_cannot_be_granted(allow: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        warehouse(allow=allow)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"location": "Europe"}, "location is 'Europe': give EU, US, or a region such as europe-west1"),
        (
            {"datasets": {"raw": "", "raw-2": "", "": ""}},
            "raw-2, : a dataset's name has letters, digits and underscores only",
        ),
        ({"datasets": {"raw": "", "d" * 1025: ""}}, "a dataset's name has letters"),
        ({"datasets": {"ops": "Runs."}}, r"^raw\.cities, raw\.orders: declare their datasets too"),
        ({"datasets": {"a-b": ""}, "location": "eu"}, "location is 'eu'.*; a-b: .*; raw.cities"),
    ],
)
def test_what_does_not_fit_is_told(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        warehouse(**wrong)


@pytest.mark.parametrize("preview", [False, True])
def test_datasets_are_exposed_and_known_in_a_preview(preview: bool) -> None:
    program = warehouse(allow={"read": ["raw"]}, preview=preview)

    assert program.exposed["warehouse"] == {"datasets": ["raw", "ops"]}
    (grant,) = program.of("bigquery.DatasetIamMember")
    assert grant.inputs["datasetId"] == "raw"
    assert grant.inputs["member"] == (UNKNOWN if preview else MEMBER)
    assert {r.parent for r in program.of("bigquery.Dataset") + program.of("bigquery.Table")} == {"warehouse"}
