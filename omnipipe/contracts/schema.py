"""A table is declared once, as a dataclass: its BigQuery schema and the code's row type are the same thing."""

import dataclasses
import types
import typing
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

_BIGQUERY_TYPE = {
    str: "STRING",
    int: "INT64",
    float: "FLOAT64",
    bool: "BOOL",
    bytes: "BYTES",
    Decimal: "NUMERIC",
    date: "DATE",
    datetime: "TIMESTAMP",
}


class Sensitivity(StrEnum):
    """How much a column says about a person; one policy tag for each level."""

    HIGH = "high"  # identifies a person on its own: name, e-mail, phone
    MEDIUM = "medium"  # identifies a person together with other columns


def column(description: str, *, pii: Sensitivity | None = None) -> Any:
    """Declare a dataclass field as a column, with its description and, for personal data, its sensitivity."""
    return dataclasses.field(metadata={"description": description, "pii": pii})


@dataclasses.dataclass(frozen=True)
class Table:
    """One BigQuery table: where it is, the dataclass of its rows, and how it is laid out.

    ``partition_by`` names a DATE or TIMESTAMP column (daily partitions), ``cluster_by`` at most four columns.
    """

    dataset: str
    name: str
    row: type
    description: str
    partition_by: str | None = None
    cluster_by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        columns = {field.name for field in dataclasses.fields(self.row)}
        for name in (*self.cluster_by, *([self.partition_by] if self.partition_by else [])):
            if name not in columns:
                raise ValueError(
                    f"{self.dataset}.{self.name} is laid out by {name!r}, which is not a column of it"
                )
        if len(self.cluster_by) > 4:
            raise ValueError(f"{self.dataset}.{self.name}: BigQuery clusters by at most four columns")

    @property
    def id(self) -> str:
        """``dataset.table``, as SQL and the clients take it."""
        return f"{self.dataset}.{self.name}"

    def schema(self) -> list[dict[str, Any]]:
        """The table's schema in the form of BigQuery's REST API (and of ``bigquery.Table.schema`` as JSON)."""
        return columns_of(self.row)

    def pii_columns(self) -> dict[str, Sensitivity]:
        """The columns that hold personal data, with their sensitivity."""
        return {f.name: f.metadata["pii"] for f in dataclasses.fields(self.row) if f.metadata["pii"]}


def columns_of(row: type) -> list[dict[str, Any]]:
    """The columns that a dataclass declares, in the form of BigQuery's REST API."""
    hints = typing.get_type_hints(row)
    return [_field(field, hints[field.name]) for field in dataclasses.fields(row)]


def _field(field: dataclasses.Field[Any], hint: Any) -> dict[str, Any]:
    mode = "REQUIRED"
    if isinstance(hint, types.UnionType):  # `str | None`
        mode = "NULLABLE"
        (hint,) = (arg for arg in typing.get_args(hint) if arg is not types.NoneType)
    elif typing.get_origin(hint) is list:
        mode = "REPEATED"
        (hint,) = typing.get_args(hint)
    schema: dict[str, Any] = {"name": field.name, "mode": mode, "description": field.metadata["description"]}
    if dataclasses.is_dataclass(hint):
        return schema | {"type": "RECORD", "fields": columns_of(typing.cast(type, hint))}
    return schema | {"type": _BIGQUERY_TYPE[hint]}
