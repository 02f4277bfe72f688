"""Tables of BigQuery: a schema that it takes, laid out so that a query need not read all of it."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from policy.subject import Resource, resource_policy

# https://cloud.google.com/bigquery/docs/reference/rest/v2/tables#TableFieldSchema
_TYPES = {
    *("STRING", "BYTES", "INTEGER", "INT64", "FLOAT", "FLOAT64", "NUMERIC", "BIGNUMERIC", "BOOLEAN", "BOOL"),
    *("TIMESTAMP", "DATE", "TIME", "DATETIME", "INTERVAL", "RANGE", "GEOGRAPHY", "JSON", "RECORD", "STRUCT"),
}
_MODES = ("NULLABLE", "REQUIRED", "REPEATED")
# https://cloud.google.com/bigquery/docs/schemas#column_names
_COLUMN = re.compile(r"[^!\"$()*,./;?@\[\\\]^`{}~]{1,300}")
_RESERVED = ("_TABLE_", "_FILE_", "_PARTITION", "_ROW_TIMESTAMP", "__ROOT__", "_COLIDENTIFIER")
# https://cloud.google.com/bigquery/docs/partitioned-tables
_TIMES = ("DATE", "TIMESTAMP", "DATETIME")
_NUMBERS = ("INTEGER", "INT64")
# https://cloud.google.com/bigquery/docs/clustered-tables#limitations
_UNCLUSTERED = ("BYTES", "FLOAT", "FLOAT64", "TIME", "JSON", "RECORD", "STRUCT", "INTERVAL")


@resource_policy("bigquery.Table", source="https://cloud.google.com/bigquery/docs/schemas")
def table_schemas(table: Resource) -> Iterator[str]:
    """The columns of a table have names, types and modes of BigQuery's, and it is laid out by columns that it has."""
    for text in table.at("schema"):
        try:
            columns = json.loads(text)
        except ValueError as error:
            yield f"schema is no JSON: {error}"
            return
        if not isinstance(columns, list):
            yield "schema is no list: write [{'name': …, 'type': …}]"
            return
        yield from _wrong_columns(columns, "")
        named = {str(each.get("name")).lower(): each for each in columns if isinstance(each, Mapping)}
        yield from _wrong_layout(table, named)


def _wrong_columns(columns: list[Any], within: str) -> Iterator[str]:
    seen = set()
    for column in columns:
        if not isinstance(column, Mapping) or not isinstance(column.get("name"), str):
            yield f"schema has {column!r}: a column has a name and a type"
            continue
        name, type_ = f"{within}{column['name']}", column.get("type")
        if not _COLUMN.fullmatch(column["name"]) or column["name"].upper().startswith(_RESERVED):
            yield f"column {name}: take letters, digits and underscores, at most 300, none of BigQuery's own prefixes"
        if column["name"].lower() in seen:
            yield f"column {name} is there twice: BigQuery does not tell upper from lower case"
        seen.add(column["name"].lower())
        if str(type_).upper() not in _TYPES:
            yield f"column {name} has type {type_!r}: BigQuery has {', '.join(sorted(_TYPES))}"
        if str(column.get("mode", "NULLABLE")).upper() not in _MODES:
            yield f"column {name} has mode {column['mode']!r}: write one of {', '.join(_MODES)}"
        if str(type_).upper() in ("RECORD", "STRUCT"):
            if not column.get("fields"):
                yield f"column {name} is a {type_} without fields: list them"
            yield from _wrong_columns(column.get("fields") or [], f"{name}.")


def _wrong_layout(table: Resource, columns: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for path, types in (("timePartitioning.field", _TIMES), ("rangePartitioning.field", _NUMBERS)):
        for field in table.at(path):
            column = columns.get(field.lower())
            if column is None:
                yield f"{path} is {field!r}, which is no column: it has {', '.join(columns)}"
            elif str(column.get("type")).upper() not in types or column.get("mode") == "REPEATED":
                yield f"{path} is {field}, a {column.get('type')}: partition by a {' or '.join(types)}"
    for field in table.at("clusterings"):
        column = columns.get(field.lower())
        if column is None:
            yield f"clusterings has {field!r}, which is no column: it has {', '.join(columns)}"
        elif str(column.get("type")).upper() in _UNCLUSTERED or column.get("mode") == "REPEATED":
            yield f"clusterings has {field}, a {column.get('mode', '')} {column.get('type')}: BigQuery clusters by none"


@resource_policy(
    "bigquery.Table",
    source="https://cloud.google.com/bigquery/docs/partitioned-tables",
    config={
        "aboveGb": {"type": "number", "default": 1, "description": "Smaller tables need no partitions."},
        "expectedGb": {
            "type": "object",
            "additionalProperties": {"type": "number", "minimum": 0},
            "default": {},
            "description": "How large tables will be, in GB, by the resource's name; of others it is not known.",
        },
    },
)
def partitioned_tables(table: Resource) -> Iterator[str]:
    """A table is partitioned, or small: without partitions each query reads, and bills, all of it."""
    laid_out = ("timePartitioning", "rangePartitioning", "view", "materializedView", "externalDataConfiguration")
    expected = table.config["expectedGb"].get(table.name)
    if not any(map(table.has, laid_out)) and (expected is None or expected >= table.config["aboveGb"]):
        size = "nobody says how large it will be" if expected is None else f"it will have {expected} GB"
        yield f"it is not partitioned, and {size}: set time_partitioning, or say in policy/choices.py that it is small"
