"""Schemas and layouts of tables."""

import json
from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN

from policy.bigquery_tables import partitioned_tables, table_schemas
from tests.policy.conftest import said

COLUMNS = [
    {"name": "day", "type": "DATE", "mode": "REQUIRED"},
    {"name": "at", "type": "timestamp"},
    {"name": "id", "type": "INT64"},
    {"name": "Name", "type": "STRING", "mode": "nullable"},
    {"name": "share", "type": "FLOAT64"},
    {"name": "tags", "type": "STRING", "mode": "REPEATED"},
    {"name": "days", "type": "DATE", "mode": "REPEATED"},
    {"name": "part", "type": "RECORD", "fields": [{"name": "id", "type": "STRING"}]},
]


def table(columns: Any = COLUMNS, **inputs: Any) -> dict[str, Any]:
    """The inputs of a table."""
    return {"schema": json.dumps(columns), **inputs}


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"schema": "[{"}, "schema is no JSON"),
        (table({"fields": []}), "schema is no list"),
        (table([*COLUMNS, "id"]), "schema has 'id': a column has a name and a type"),
        (table([{"type": "STRING"}]), "a column has a name and a type"),
        (table([{"name": "a", "type": "VARCHAR"}]), "column a has type 'VARCHAR'"),
        (table([{"name": "a"}]), "column a has type None"),
        (table([{"name": "a", "type": "STRING", "mode": "OPTIONAL"}]), "column a has mode 'OPTIONAL'"),
        (table([{"name": "a.b", "type": "STRING"}]), "column a.b: take letters"),
        (table([{"name": "a" * 301, "type": "STRING"}]), "at most 300"),
        (table([{"name": "_partitiontime", "type": "STRING"}]), "none of BigQuery's own prefixes"),
        (table([{"name": "a", "type": "STRING"}, {"name": "A", "type": "DATE"}]), "column A is there twice"),
        (table([{"name": "a", "type": "STRUCT"}]), "column a is a STRUCT without fields"),
        (
            table([{"name": "a", "type": "RECORD", "fields": [{"name": "b", "type": "INT"}]}]),
            "column a.b has type 'INT'",
        ),
        (
            table(timePartitioning={"type": "DAY", "field": "dai"}),
            "timePartitioning.field is 'dai', which is no column",
        ),
        (
            table(timePartitioning={"type": "DAY", "field": "id"}),
            "is id, a INT64: partition by a DATE or TIMESTAMP",
        ),
        (table(timePartitioning={"type": "DAY", "field": "days"}), "timePartitioning.field is days, a DATE"),
        (
            table(rangePartitioning={"field": "day"}),
            "rangePartitioning.field is day, a DATE: partition by a INTEGER",
        ),
        (table(clusterings=["id", "nam"]), "clusterings has 'nam', which is no column: it has day, at, id, name"),
        (table(clusterings=["share"]), "clusterings has share, a  FLOAT64"),
        (table(clusterings=["tags"]), "clusterings has tags, a REPEATED STRING"),
    ],
)
def test_a_table_that_bigquery_refuses(inputs: dict[str, Any], words: str) -> None:
    (message,) = said(table_schemas, "bigquery.Table", inputs)
    assert words in message


@pytest.mark.parametrize(
    "inputs",
    [
        table(),
        table(timePartitioning={"type": "DAY", "field": "day"}, clusterings=["id", "name", "AT"]),
        table(timePartitioning={"type": "HOUR", "field": "AT"}),
        table(timePartitioning={"type": "DAY"}),
        table(rangePartitioning={"field": "id"}),
        table([{"name": "a" * 300, "type": "JSON"}, {"name": "größe in m", "type": "NUMERIC"}]),
        {"schema": UNKNOWN, "timePartitioning": {"field": "day"}},
        {},
    ],
)
def test_a_table_that_bigquery_takes(inputs: dict[str, Any]) -> None:
    assert not said(table_schemas, "bigquery.Table", inputs)


def test_all_that_is_wrong_is_told_at_once() -> None:
    inputs = table(["a", {"name": "a", "type": "X", "mode": "Y"}], clusterings=["b"])
    assert len(said(table_schemas, "bigquery.Table", inputs)) == 4


def test_a_table_without_partitions_is_refused_unless_it_is_small() -> None:
    (message,) = said(partitioned_tables, "bigquery.Table", {})
    assert message.startswith("it is not partitioned, and nobody says how large it will be")
    for size, refused in ((0.5, False), (0.999, False), (1, True), (20, True)):
        told = said(partitioned_tables, "bigquery.Table", {}, expectedGb={"it": size})
        assert bool(told) is refused
    assert "it will have 20 GB" in told[0]
    assert not said(partitioned_tables, "bigquery.Table", {}, expectedGb={"it": 20}, aboveGb=50)
    assert said(partitioned_tables, "bigquery.Table", {}, expectedGb={"other": 0.5})


@pytest.mark.parametrize(
    "inputs",
    [
        {"timePartitioning": {"type": "DAY"}},
        {"timePartitioning": UNKNOWN},
        {"rangePartitioning": {"field": "id"}},
        {"view": {"query": "SELECT 1"}},
        {"materializedView": {"query": "SELECT 1"}},
        {"externalDataConfiguration": {"sourceUris": []}},
    ],
)
def test_a_table_with_partitions_or_without_data_of_its_own(inputs: dict[str, Any]) -> None:
    assert not said(partitioned_tables, "bigquery.Table", inputs)
