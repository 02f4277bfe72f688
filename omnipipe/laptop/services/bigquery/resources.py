"""BigQuery's datasets and tables, made in the emulator by BigQuery's own REST API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import requests

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.kind import Kind

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource


class Dataset(Kind):
    """A dataset."""

    effect = "a dataset of the emulator"
    different = "its location is a name"
    holds_data = True
    identity = ("datasetId",)

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        inputs = resource.inputs
        body = {
            "datasetReference": {"projectId": cloud.project, "datasetId": inputs["datasetId"]},
            "location": inputs["location"],
            "description": inputs.get("description", ""),
        }
        if previous is not None and previous.inputs["location"] != inputs["location"]:
            raise LaptopError(
                f"the dataset {inputs['datasetId']} cannot move from {previous.inputs['location']} to "
                f"{inputs['location']} with its data: start anew with `omnipipe down --purge`"
            )
        if _call(cloud, "GET", f"datasets/{inputs['datasetId']}") is None:
            _call(cloud, "POST", "datasets", body)
        resource.id = f"projects/{cloud.project}/datasets/{inputs['datasetId']}"
        resource.outputs = {**inputs, "selfLink": resource.id}

    def remove(self, cloud: Cloud, resource: Resource) -> None:
        contents = "true" if resource.inputs.get("deleteContentsOnDestroy") else "false"
        _call(cloud, "DELETE", f"datasets/{resource.inputs['datasetId']}?deleteContents={contents}")


class Table(Kind):
    """A table. A new column is added to it; any other change of its schema needs a new table, as on Google."""

    effect = "a table of the emulator"
    different = "partition filters and bytes processed mean nothing; partitions are not laid out anew"
    holds_data = True
    identity = ("datasetId", "tableId")

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        inputs = resource.inputs
        dataset, table = inputs["datasetId"], inputs["tableId"]
        body: dict[str, Any] = {
            "tableReference": {"projectId": cloud.project, "datasetId": dataset, "tableId": table},
            "schema": {"fields": json.loads(inputs["schema"])},
            "description": inputs.get("description", ""),
        }
        if inputs.get("timePartitioning"):
            body["timePartitioning"] = inputs["timePartitioning"]
        if inputs.get("clusterings"):
            body["clustering"] = {"fields": inputs["clusterings"]}
        path = f"datasets/{dataset}/tables"
        if _call(cloud, "GET", f"{path}/{table}") is None:
            _call(cloud, "POST", path, body)
        elif previous is not None:
            _add_columns(cloud, f"{dataset}.{table}", previous.inputs["schema"], inputs["schema"])
            if previous.inputs != inputs:
                _call(cloud, "PATCH", f"{path}/{table}", body)
        resource.id = f"projects/{cloud.project}/datasets/{dataset}/tables/{table}"
        resource.outputs = {**inputs, "selfLink": resource.id}

    def remove(self, cloud: Cloud, resource: Resource) -> None:
        if resource.inputs.get("deletionProtection", True):
            raise LaptopError(f"the table {resource.inputs['tableId']} is protected from deletion")
        _call(cloud, "DELETE", f"datasets/{resource.inputs['datasetId']}/tables/{resource.inputs['tableId']}")


def _add_columns(cloud: Cloud, table: str, before: str, after: str) -> None:
    """Add what a schema has more than the table's; LaptopError for any other difference.

    By SQL: the emulator's ``tables.patch`` changes what it says of a table and not the table, ``ALTER`` the opposite.
    """
    old, new = _columns(json.loads(before)), _columns(json.loads(after))
    for name in old:
        if old[name] != new.get(name):
            raise LaptopError(
                f"{table}: the column {name} cannot change or go in place, as on Google: "
                "add a column with another name, or start anew with `omnipipe down --purge`"
            )
    for name, (type_, mode, _) in new.items():
        if name in old:
            continue
        if mode == "REQUIRED":
            raise LaptopError(f"{table}: a column that is added, such as {name}, must be NULLABLE or REPEATED")
        type_ = f"ARRAY<{type_}>" if mode == "REPEATED" else type_
        query = f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {name} {type_}"
        _call(cloud, "POST", "queries", {"query": query, "useLegacySql": False})


def _columns(fields: list[dict[str, Any]]) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Type, mode and, of a record, columns by name: what makes a column another one. Its description does not."""
    return {
        field["name"]: (field["type"], field.get("mode", "NULLABLE"), _columns(field.get("fields", [])))
        for field in fields
    }


def _call(cloud: Cloud, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """One call of BigQuery's API; None for what does not exist. Raises LaptopError with BigQuery's own words."""
    url = f"{cloud.bigquery()}/bigquery/v2/projects/{cloud.project}/{path}"
    answer = requests.request(method, url, json=body, headers=cloud.as_owner(), timeout=30)
    if answer.status_code == 404 and method in ("GET", "DELETE"):
        return None
    if not answer.ok:
        raise LaptopError(f"BigQuery refused {method} {path}: {answer.text[:500]}")
    return answer.json() if answer.content else {}


KINDS: dict[str, Kind] = {
    "gcp:bigquery/dataset:Dataset": Dataset(),
    "gcp:bigquery/table:Table": Table(),
}
