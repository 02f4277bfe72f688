"""Datastream's column is declared once, and each captured table has it behind the source's."""

from dataclasses import fields

import pytest

from omnipipe.contracts.datastream import METADATA, METADATA_FIELD, METADATA_SCHEMA, DatastreamMetadata
from omnipipe.contracts.schema import Table
from omnipipe.contracts.tables import DATASTREAM_TABLES


@pytest.mark.parametrize("table", DATASTREAM_TABLES, ids=lambda table: table.id)
def test_a_captured_table_ends_with_it(table: Table) -> None:
    assert table.schema()[-1] == METADATA_SCHEMA


def test_it_is_what_google_documents() -> None:
    """https://cloud.google.com/datastream/docs/destination-bigquery, append-only."""
    assert METADATA == "datastream_metadata"
    assert (METADATA_SCHEMA["type"], METADATA_SCHEMA["mode"]) == ("RECORD", "NULLABLE")
    assert [(field["name"], field["type"], field["mode"]) for field in METADATA_SCHEMA["fields"]] == [
        ("uuid", "STRING", "NULLABLE"),
        ("source_timestamp", "INT64", "NULLABLE"),
        ("change_sequence_number", "STRING", "NULLABLE"),
        ("change_type", "STRING", "NULLABLE"),
        ("sort_keys", "STRING", "REPEATED"),
    ]


def test_sql_takes_its_fields_by_their_names() -> None:
    assert vars(METADATA_FIELD) == {
        field.name: f"datastream_metadata.{field.name}" for field in fields(DatastreamMetadata)
    }
