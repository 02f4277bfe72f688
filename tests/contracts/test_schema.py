"""A dataclass is a table's schema."""

from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal

import pytest

from omnipipe.contracts import tables
from omnipipe.contracts.schema import Sensitivity, Table, column
from omnipipe.contracts.sources.mobility import PUBLIC_CUSTOMERS

ALL = [value for value in vars(tables).values() if isinstance(value, Table)]


@dataclass(frozen=True, kw_only=True)
class Inner:
    at: datetime = column("When.")


@dataclass(frozen=True, kw_only=True)
class Row:
    key: int = column("Key.")
    name: str | None = column("Name.", pii=Sensitivity.HIGH)
    amount: Decimal | None = column("Amount.")
    tags: list[str] = column("Tags.")
    inner: Inner | None = column("Nested.")
    photo: bytes | None = column("Photo.")


def test_types_and_modes_follow_the_annotations() -> None:
    schema = Table("ops", "rows", Row, "").schema()

    assert [(f["name"], f["type"], f["mode"]) for f in schema] == [
        ("key", "INT64", "REQUIRED"),
        ("name", "STRING", "NULLABLE"),
        ("amount", "NUMERIC", "NULLABLE"),
        ("tags", "STRING", "REPEATED"),
        ("inner", "RECORD", "NULLABLE"),
        ("photo", "BYTES", "NULLABLE"),
    ]
    assert schema[-2]["fields"] == [
        {"name": "at", "type": "TIMESTAMP", "mode": "REQUIRED", "description": "When."}
    ]


def test_personal_data_is_marked_in_the_declaration() -> None:
    assert Table("ops", "rows", Row, "").pii_columns() == {"name": Sensitivity.HIGH}
    assert set(PUBLIC_CUSTOMERS.pii_columns()) == {"full_name", "email", "phone"}


def test_a_layout_by_a_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="'day', which is not a column"):
        Table("ops", "rows", Row, "", partition_by="day")


def test_more_than_four_clustering_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="at most four"):
        Table("ops", "rows", Row, "", cluster_by=("key", "name", "amount", "tags", "inner"))
    Table("ops", "rows", Row, "", cluster_by=("key", "name", "amount", "tags"))


def test_a_table_is_named_as_sql_names_it() -> None:
    assert Table("ops", "rows", Row, "").id == "ops.rows"


@pytest.mark.parametrize("table", ALL, ids=lambda table: table.id)
def test_every_table_is_in_a_dataset_of_the_platform_and_describes_its_columns(table: Table) -> None:
    assert table.dataset in tables.DATASETS
    assert all(field.metadata["description"].endswith(".") for field in fields(table.row))
    assert table.schema()
