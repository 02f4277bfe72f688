"""REST request -> permissions: every method of BigQuery's API that is let through, and what it needs.

https://cloud.google.com/bigquery/docs/reference/rest/v2 (each method), and
https://cloud.google.com/bigquery/docs/access-control for the permissions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_API = "/bigquery/v2"
_UPLOAD = "/upload/bigquery/v2"
_PROJECT = "projects/{project}"
_DATASET = _PROJECT + "/datasets/{dataset}"
_TABLE = _DATASET + "/tables/{table}"


@dataclass(frozen=True)
class Route:
    """A method of the API: its permissions by the resource that they are needed on; ``name`` is the method's."""

    name: str
    method: str
    path: str
    needs: tuple[tuple[str, str], ...] = ()

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """The names in a request's path, if the request is of this method."""
        found = _pattern(self.path).fullmatch(path) if method == self.method else None
        return found.groupdict() if found else None


_PATTERNS: dict[str, re.Pattern[str]] = {}


def _pattern(path: str) -> re.Pattern[str]:
    if path not in _PATTERNS:
        _PATTERNS[path] = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))
    return _PATTERNS[path]


def _on(resource: str, *permissions: str) -> tuple[tuple[str, str], ...]:
    return tuple((permission, resource) for permission in permissions)


_DATASETS = _API + "/" + _PROJECT + "/datasets"
_TABLES = _API + "/" + _DATASET + "/tables"
_ROUTINES = _API + "/" + _DATASET + "/routines"
_MODELS = _API + "/" + _DATASET + "/models"
_JOBS = _API + "/" + _PROJECT + "/jobs"
_QUERIES = _API + "/" + _PROJECT + "/queries"
_UPDATE_TABLE = _on(_TABLE, "bigquery.tables.get", "bigquery.tables.update")
_CREATE_JOB = _on(_PROJECT, "bigquery.jobs.create")

ROUTES: tuple[Route, ...] = (
    Route("datasets.list", "GET", _DATASETS),  # the answer has those that the caller may get
    Route("datasets.insert", "POST", _DATASETS, _on(_PROJECT, "bigquery.datasets.create")),
    Route("datasets.get", "GET", _DATASETS + "/{dataset}", _on(_DATASET, "bigquery.datasets.get")),
    Route("datasets.patch", "PATCH", _DATASETS + "/{dataset}", _on(_DATASET, "bigquery.datasets.update")),
    Route("datasets.update", "PUT", _DATASETS + "/{dataset}", _on(_DATASET, "bigquery.datasets.update")),
    Route(
        "datasets.delete",
        "DELETE",
        _DATASETS + "/{dataset}",
        _on(_DATASET, "bigquery.datasets.delete", "bigquery.tables.delete"),
    ),
    Route("tables.list", "GET", _TABLES, _on(_DATASET, "bigquery.tables.list")),
    Route("tables.insert", "POST", _TABLES, _on(_DATASET, "bigquery.tables.create")),
    Route("tables.get", "GET", _TABLES + "/{table}", _on(_TABLE, "bigquery.tables.get")),
    Route("tables.patch", "PATCH", _TABLES + "/{table}", _UPDATE_TABLE),
    Route("tables.update", "PUT", _TABLES + "/{table}", _UPDATE_TABLE),
    Route("tables.delete", "DELETE", _TABLES + "/{table}", _on(_TABLE, "bigquery.tables.delete")),
    Route(
        "tabledata.insertAll", "POST", _TABLES + "/{table}/insertAll", _on(_TABLE, "bigquery.tables.updateData")
    ),
    Route("tabledata.list", "GET", _TABLES + "/{table}/data", _on(_TABLE, "bigquery.tables.getData")),
    Route("routines.list", "GET", _ROUTINES, _on(_DATASET, "bigquery.routines.list")),
    Route("routines.insert", "POST", _ROUTINES, _on(_DATASET, "bigquery.routines.create")),
    Route("routines.get", "GET", _ROUTINES + "/{routine}", _on(_DATASET, "bigquery.routines.get")),
    Route("routines.update", "PUT", _ROUTINES + "/{routine}", _on(_DATASET, "bigquery.routines.update")),
    Route("routines.delete", "DELETE", _ROUTINES + "/{routine}", _on(_DATASET, "bigquery.routines.delete")),
    Route("models.list", "GET", _MODELS, _on(_DATASET, "bigquery.models.list")),
    Route("models.get", "GET", _MODELS + "/{model}", _on(_DATASET, "bigquery.models.getMetadata")),
    Route("models.patch", "PATCH", _MODELS + "/{model}", _on(_DATASET, "bigquery.models.updateMetadata")),
    Route("models.delete", "DELETE", _MODELS + "/{model}", _on(_DATASET, "bigquery.models.delete")),
    Route("jobs.query", "POST", _QUERIES, _CREATE_JOB),
    Route("jobs.insert", "POST", _JOBS, _CREATE_JOB),
    Route("jobs.upload", "POST", _UPLOAD + "/" + _PROJECT + "/jobs", _CREATE_JOB),
    Route("jobs.list", "GET", _JOBS, _on(_PROJECT, "bigquery.jobs.list")),
    Route("jobs.delete", "DELETE", _JOBS + "/{job}/delete", _on(_PROJECT, "bigquery.jobs.delete")),
    # Who made a job may follow it, cancel it and go on with its upload; the permission is for the jobs of others.
    Route("jobs.get", "GET", _JOBS + "/{job}", _on(_PROJECT, "bigquery.jobs.get")),
    Route("jobs.getQueryResults", "GET", _QUERIES + "/{job}", _on(_PROJECT, "bigquery.jobs.get")),
    Route("jobs.cancel", "POST", _JOBS + "/{job}/cancel", _on(_PROJECT, "bigquery.jobs.update")),
    Route("jobs.continueUpload", "PUT", _UPLOAD + "/" + _PROJECT + "/jobs"),
)


def route(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The method of the API that a request is of, and the names in its path; None for what is in no row."""
    for each in ROUTES:
        if (found := each.match(method, path)) is not None:
            return each, found
    return None
