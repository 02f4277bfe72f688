"""Datasets and tables of the program, in the real emulator."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.deployment import Deployment
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.home import Home
from tests.laptop.conftest import PROJECT, Emulator

DATASET, TABLE = "gcp:bigquery/dataset:Dataset", "gcp:bigquery/table:Table"
RUNS = [
    {"name": "run_id", "type": "STRING", "mode": "REQUIRED", "description": "The run."},
    {"name": "rows", "type": "INTEGER", "mode": "NULLABLE", "description": "How many."},
    {
        "name": "origin",
        "type": "RECORD",
        "mode": "NULLABLE",
        "description": "Where from.",
        "fields": [{"name": "host", "type": "STRING", "mode": "NULLABLE", "description": "Which."}],
    },
]


class Warehouse:
    """A dataset and a table in it, registered anew at each `up`."""

    def __init__(self, home: Home, emulated: Emulator) -> None:
        self._home = home
        self.emulated = emulated

    def up(self, schema: list[dict[str, Any]] | None, location: str = "EU", *, protect: bool = False) -> Cloud:
        """Register the dataset and, with a schema, the table; take down the rest."""
        cloud = Cloud(self._home, PROJECT, "europe-west1", base_port=self.emulated.rest_port - 1)
        deployment = Deployment(cloud, may_lose_data=True)
        dataset = {"datasetId": "ops_test", "location": location, "deleteContentsOnDestroy": True}
        deployment.register(DATASET, "ops", dataset, False)
        if schema is not None:
            inputs = {
                "datasetId": "ops_test",
                "tableId": "runs",
                "schema": json.dumps(schema),
                "deletionProtection": protect,
            }
            deployment.register(TABLE, "runs", inputs, False)
        deployment.take_down_unregistered()
        return cloud

    def columns(self) -> dict[str, tuple[str, str]]:
        """The table's columns as BigQuery has them."""
        table = self.emulated.client.get_table(f"{PROJECT}.ops_test.runs")
        return {field.name: (field.field_type, field.mode) for field in table.schema}


@pytest.fixture
def warehouse(cloud: Cloud, emulated: Emulator) -> Iterator[Warehouse]:
    yield Warehouse(cloud.home, emulated)
    emulated.client.delete_dataset("ops_test", delete_contents=True, not_found_ok=True)


def column(name: str, type_: str, mode: str = "NULLABLE") -> dict[str, str]:
    return {"name": name, "type": type_, "mode": mode, "description": "Added."}


def test_a_table_is_made_once_and_keeps_its_rows(warehouse: Warehouse) -> None:
    warehouse.up(RUNS)
    warehouse.emulated.rows("INSERT INTO ops_test.runs (run_id, `rows`) VALUES ('r1', 1)")
    warehouse.up(RUNS)

    assert warehouse.columns() == {
        "run_id": ("STRING", "REQUIRED"),
        "rows": ("INTEGER", "NULLABLE"),
        "origin": ("RECORD", "NULLABLE"),
    }
    assert warehouse.emulated.rows("SELECT run_id FROM ops_test.runs") == [("r1",)]


@pytest.mark.parametrize(
    ("added", "value", "expected"),
    [
        (column("note", "STRING"), "'late'", "late"),
        (column("count", "INTEGER"), "5", 5),
        (column("share", "FLOAT"), "0.5", 0.5),
        (column("done", "BOOLEAN"), "true", True),
        (column("tags", "STRING", "REPEATED"), "['a', 'b']", ["a", "b"]),
        ({"name": "short", "type": "STRING"}, "'no mode'", "no mode"),
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) else "",
)
def test_a_new_column_is_added_in_place(
    warehouse: Warehouse, added: dict[str, str], value: str, expected: object
) -> None:
    warehouse.up(RUNS)
    warehouse.emulated.rows("INSERT INTO ops_test.runs (run_id) VALUES ('r1')")

    for _ in range(2):  # as after a crash between the change and its record
        warehouse.up([*RUNS, added])
    warehouse.emulated.rows(f"INSERT INTO ops_test.runs (run_id, `{added['name']}`) VALUES ('r2', {value})")

    assert warehouse.emulated.rows(f"SELECT `{added['name']}` FROM ops_test.runs WHERE run_id = 'r2'") == [
        (expected,)
    ]
    assert warehouse.emulated.rows("SELECT COUNT(*) FROM ops_test.runs") == [(2,)]


@pytest.mark.parametrize(
    ("schema", "complaint"),
    [
        (RUNS[1:], "the column run_id cannot change"),
        ([RUNS[0], column("rows", "STRING"), RUNS[2]], "the column rows cannot change"),
        ([column("run_id", "STRING"), *RUNS[1:]], "the column run_id cannot change"),
        ([*RUNS[:2], RUNS[2] | {"fields": [column("port", "INTEGER")]}], "the column origin cannot change"),
        ([*RUNS, column("late", "STRING", "REQUIRED")], "such as late, must be NULLABLE or REPEATED"),
    ],
    ids=["dropped", "type", "mode", "fields of a record", "required"],
)
def test_any_other_change_is_refused_and_nothing_changes(
    warehouse: Warehouse, schema: list[dict[str, Any]], complaint: str
) -> None:
    warehouse.up(RUNS)
    before = warehouse.columns()

    with pytest.raises(LaptopError, match=f"bigquery.Table runs: ops_test.runs: .*{complaint}"):
        warehouse.up(schema)

    assert warehouse.columns() == before
    warehouse.up(RUNS)


def test_other_words_for_a_column_are_no_other_column(warehouse: Warehouse) -> None:
    warehouse.up(RUNS)
    warehouse.up([RUNS[0] | {"description": "The id of the run."}, *RUNS[1:]])


def test_a_dataset_does_not_move(warehouse: Warehouse) -> None:
    warehouse.up(RUNS)
    with pytest.raises(LaptopError, match=r"ops_test cannot move from EU to US .*down --purge"):
        warehouse.up(RUNS, "US")


def test_what_bigquery_refuses_is_told_in_its_words(warehouse: Warehouse) -> None:
    with pytest.raises(LaptopError, match=r"bigquery.Table runs: BigQuery refused POST datasets/ops_test/tables"):
        warehouse.up([column("a", "STRNG")])


def test_a_table_that_is_left_out_is_dropped_unless_it_is_protected(warehouse: Warehouse) -> None:
    warehouse.up(RUNS, protect=True)
    with pytest.raises(LaptopError, match="the table runs is protected from deletion"):
        warehouse.up(None)
    assert warehouse.columns()

    warehouse.up(RUNS, protect=False)
    warehouse.up(None)
    assert list(warehouse.emulated.client.list_tables("ops_test")) == []
