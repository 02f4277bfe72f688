"""The connectors that this interpreter knows: which request each is, and how long work is waited for.

A connector is a row of `CONNECTORS`. Arguments, paths and queries are those of the APIs' own descriptions and of
https://cloud.google.com/workflows/docs/reference/googleapis
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from omnipipe.laptop.services.workflows.interpreter.errors import failure
from omnipipe.laptop.services.workflows.interpreter.functions import Parameter
from omnipipe.laptop.services.workflows.interpreter.values import a_type, jsonable

PLACEHOLDER = re.compile(r"{(\w+)(?:\?([^}]*))?}")
"""An argument in a URL, `{name}`; `{name?TEXT}` may be left out, and has TEXT behind it where it is given."""


RUN_V1_PATH = "/apis/run.googleapis.com/v1"


@dataclass(frozen=True)
class Operation:
    """A kind of long work: where to ask for it, whether it has ended, and how."""

    path: Callable[[Mapping[str, Any]], str]
    ended: Callable[[Mapping[str, Any]], bool]
    error: Callable[[Mapping[str, Any]], Any]
    result: Callable[[Mapping[str, Any]], Any]


def _bigquery_job_path(job: Mapping[str, Any]) -> str:
    reference = job["jobReference"]
    location = f"?location={quote(reference['location'])}" if reference.get("location") else ""
    return f"/bigquery/v2/projects/{reference['projectId']}/jobs/{reference['jobId']}{location}"


def _execution_error(execution: Mapping[str, Any]) -> Any:
    if execution["state"] == "SUCCEEDED":
        return None
    return execution.get("error") or {"message": f"the execution ended as {execution['state']}"}


def _completed(execution: Mapping[str, Any]) -> Mapping[str, Any]:
    """The condition of an execution that says whether it has ended; empty before there is one."""
    conditions = execution.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == "Completed"), {})


_RUN_OPERATION = Operation(
    path=lambda operation: f"/v2/{operation['name']}",
    ended=lambda operation: operation.get("done") is True,
    error=lambda operation: operation.get("error"),
    result=lambda operation: operation.get("response"),
)
_RUN_V1_EXECUTION = Operation(
    path=lambda execution: (
        f"{RUN_V1_PATH}/namespaces/{execution['metadata']['namespace']}/executions/{execution['metadata']['name']}"
    ),
    ended=lambda execution: _completed(execution).get("status") in ("True", "False"),
    error=lambda execution: None if _completed(execution)["status"] == "True" else _completed(execution),
    result=lambda execution: execution,
)
_BIGQUERY_JOB = Operation(
    path=_bigquery_job_path,
    ended=lambda job: job["status"]["state"] == "DONE",
    error=lambda job: job["status"].get("errorResult"),
    result=lambda job: job,
)
_WORKFLOW_EXECUTION = Operation(
    path=lambda execution: f"/v1/{execution['name']}",
    ended=lambda execution: execution["state"] not in ("ACTIVE", "QUEUED", "STATE_UNSPECIFIED"),
    error=_execution_error,
    result=lambda execution: json.loads(execution.get("result") or "null"),
)


@dataclass(frozen=True)
class Body:
    """The argument that is a request's body: as it is, or made to one by `form`."""

    argument: str = "body"
    required: bool = True
    form: Callable[[Any], Any] = lambda value: value

    def of(self, arguments: Mapping[str, Any]) -> Any:
        """The body for the arguments of a call."""
        return self.form(arguments[self.argument]) if self.argument in arguments else {}


@dataclass(frozen=True)
class Connector:
    """A row of the table.

    url: `https://HOST/path` with `{argument}` for each argument of the path; see `PLACEHOLDER`.
    query: optional arguments that go into the query.
    defaults: arguments that may be left out, and what stands in: an attribute of the environment, or `=TEXT`.
    operation: how to wait for it; None where the answer is the result.
    result: what the call returns of the answer.
    order: the arguments by position, where that is not the order of the path.
    in_expressions: whether an expression may call it, which is so for helpers of Google's that only read.
    """

    method: str
    url: str
    query: tuple[str, ...] = ()
    body: Body | None = None
    defaults: tuple[tuple[str, str], ...] = ()
    operation: Operation | None = None
    result: Callable[[Any], Any] = lambda answer: answer
    order: tuple[str, ...] = ()
    in_expressions: bool = False

    def parameters(self) -> tuple[Parameter, ...]:
        """The arguments by name."""
        optional = {name for name, _ in self.defaults}
        found = [(match[1], match[2] is None) for match in PLACEHOLDER.finditer(self.url)]
        path = [Parameter(name, required and name not in optional) for name, required in found]
        path.sort(key=lambda parameter: self.order.index(parameter.name) if self.order else not parameter.required)
        body = [Parameter(self.body.argument, self.body.required)] if self.body else []
        return (*path, *body, *(Parameter(name, required=False) for name in (*self.query, "connector_params")))


def _json_text(value: Any) -> dict[str, str]:
    return {"argument": json.dumps(jsonable(value, "argument"))}


def _secret_payload(value: Any) -> dict[str, Any]:
    if type(value) is not str:
        raise failure("TypeError", f"data must be a string, not {a_type(value)}")
    return {"payload": {"data": base64.b64encode(value.encode()).decode()}}


def _secret_text(answer: Any) -> str:
    """The text of a secret. Raises: ValueError where it is none."""
    return base64.b64decode(answer["payload"]["data"], validate=True).decode()


_RUN = "https://run.googleapis.com/v2"
_RUN_V1 = "https://{location?-}run.googleapis.com" + RUN_V1_PATH
_BIGQUERY = "https://bigquery.googleapis.com/bigquery/v2/projects/{projectId}"
_DATASET = _BIGQUERY + "/datasets/{datasetId}"
_TABLE = _DATASET + "/tables/{tableId}"
_EXECUTIONS = "https://workflowexecutions.googleapis.com/v1"
_STORAGE = "https://storage.googleapis.com/storage/v1"
_OBJECT = _STORAGE + "/b/{bucket}/o/{object}"
_COPY = "/b/{sourceBucket}/o/{sourceObject}/%s/b/{destinationBucket}/o/{destinationObject}"
_SECRET = "https://secretmanager.googleapis.com/v1"  # noqa: S105 - an address
_NAMED_SECRET = _SECRET + "/projects/{project_id}/secrets/{secret_id}"
_PUBSUB = "https://pubsub.googleapis.com/v1"

_PAGE = ("maxResults", "pageToken")
_MATCH = ("ifGenerationMatch", "ifGenerationNotMatch", "ifMetagenerationMatch", "ifMetagenerationNotMatch")
_OBJECT_QUERY = ("generation", *_MATCH, "projection", "userProject")
_SOURCE = ("sourceGeneration", *(name.replace("if", "ifSource", 1) for name in _MATCH))
_COPY_QUERY = (*_MATCH, *_SOURCE, "destinationPredefinedAcl", "destinationKmsKeyName", "projection", "userProject")
_NO_BODY = Body(required=False)

_ROWS = {
    "run.v2.projects.locations.jobs.run": Connector(
        "POST", _RUN + "/{name}:run", body=_NO_BODY, operation=_RUN_OPERATION
    ),
    "run.v2.projects.locations.jobs.get": Connector("GET", _RUN + "/{name}"),
    "run.v2.projects.locations.jobs.executions.get": Connector("GET", _RUN + "/{name}"),
    "run.v1.namespaces.jobs.run": Connector(
        "POST", _RUN_V1 + "/{name}:run", body=_NO_BODY, operation=_RUN_V1_EXECUTION
    ),
    "run.v1.namespaces.jobs.get": Connector("GET", _RUN_V1 + "/{name}"),
    "run.v1.namespaces.jobs.list": Connector("GET", _RUN_V1 + "/{parent}/jobs", query=("limit", "continue")),
    "run.v1.namespaces.executions.get": Connector("GET", _RUN_V1 + "/{name}"),
    "bigquery.v2.jobs.query": Connector("POST", _BIGQUERY + "/queries", body=Body()),
    "bigquery.v2.jobs.insert": Connector("POST", _BIGQUERY + "/jobs", body=Body(), operation=_BIGQUERY_JOB),
    "bigquery.v2.jobs.get": Connector("GET", _BIGQUERY + "/jobs/{jobId}", query=("location",)),
    "bigquery.v2.jobs.getQueryResults": Connector(
        "GET", _BIGQUERY + "/queries/{jobId}", query=("location", *_PAGE, "startIndex", "timeoutMs")
    ),
    "bigquery.v2.datasets.get": Connector("GET", _DATASET, query=("datasetView", "accessPolicyVersion")),
    "bigquery.v2.datasets.list": Connector("GET", _BIGQUERY + "/datasets", query=(*_PAGE, "all", "filter")),
    "bigquery.v2.datasets.insert": Connector("POST", _BIGQUERY + "/datasets", body=Body()),
    "bigquery.v2.datasets.patch": Connector("PATCH", _DATASET, body=Body()),
    "bigquery.v2.datasets.update": Connector("PUT", _DATASET, body=Body()),
    "bigquery.v2.datasets.delete": Connector("DELETE", _DATASET, query=("deleteContents",)),
    "bigquery.v2.tables.get": Connector("GET", _TABLE, query=("selectedFields", "view")),
    "bigquery.v2.tables.list": Connector("GET", _DATASET + "/tables", query=_PAGE),
    "bigquery.v2.tables.insert": Connector("POST", _DATASET + "/tables", body=Body()),
    "bigquery.v2.tables.patch": Connector("PATCH", _TABLE, body=Body()),
    "bigquery.v2.tables.update": Connector("PUT", _TABLE, body=Body()),
    "bigquery.v2.tables.delete": Connector("DELETE", _TABLE),
    "bigquery.v2.tabledata.list": Connector(
        "GET", _TABLE + "/data", query=(*_PAGE, "selectedFields", "startIndex")
    ),
    "bigquery.v2.tabledata.insertAll": Connector("POST", _TABLE + "/insertAll", body=Body()),
    "storage.v1.objects.get": Connector("GET", _OBJECT, query=("alt", *_OBJECT_QUERY)),
    "storage.v1.objects.list": Connector(
        "GET",
        _STORAGE + "/b/{bucket}/o",
        query=(
            *("prefix", "delimiter", *_PAGE, "startOffset", "endOffset", "matchGlob", "includeTrailingDelimiter"),
            *("versions", "projection", "userProject"),
        ),
    ),
    # With uploadType: media the body is the object's content, without it the object's metadata.
    "storage.v1.objects.insert": Connector(
        "POST",
        _STORAGE + "/b/{bucket}/o",
        query=(
            *("name", "uploadType", "contentEncoding", *_MATCH),
            *("kmsKeyName", "predefinedAcl", "projection", "userProject"),
        ),
        body=_NO_BODY,
    ),
    "storage.v1.objects.delete": Connector("DELETE", _OBJECT, query=_OBJECT_QUERY),
    "storage.v1.objects.patch": Connector(
        "PATCH", _OBJECT, query=(*_OBJECT_QUERY, "predefinedAcl"), body=_NO_BODY
    ),
    "storage.v1.objects.update": Connector("PUT", _OBJECT, query=(*_OBJECT_QUERY, "predefinedAcl"), body=_NO_BODY),
    "storage.v1.objects.copy": Connector("POST", _STORAGE + _COPY % "copyTo", query=_COPY_QUERY, body=_NO_BODY),
    "storage.v1.objects.rewrite": Connector(
        "POST",
        _STORAGE + _COPY % "rewriteTo",
        query=(*_COPY_QUERY, "maxBytesRewrittenPerCall", "rewriteToken"),
        body=_NO_BODY,
    ),
    "pubsub.v1.projects.topics.publish": Connector("POST", _PUBSUB + "/{topic}:publish", body=Body()),
    "secretmanager.v1.projects.secrets.addVersion": Connector(
        "POST", _SECRET + "/{parent}:addVersion", body=Body()
    ),
    "secretmanager.v1.projects.secrets.addVersionString": Connector(
        "POST",
        _NAMED_SECRET + ":addVersion",
        body=Body("data", form=_secret_payload),
        defaults=(("project_id", "project"),),
        order=("secret_id", "project_id"),
    ),
    "secretmanager.v1.projects.secrets.versions.access": Connector("GET", _SECRET + "/{name}:access"),
    "secretmanager.v1.projects.secrets.versions.accessString": Connector(
        "GET",
        _NAMED_SECRET + "/versions/{version}:access",
        defaults=(("version", "=latest"), ("project_id", "project")),
        result=_secret_text,
        order=("secret_id", "version", "project_id"),
        in_expressions=True,
    ),
    "workflowexecutions.v1.projects.locations.workflows.executions.create": Connector(
        "POST", _EXECUTIONS + "/{parent}/executions", body=_NO_BODY
    ),
    "workflowexecutions.v1.projects.locations.workflows.executions.get": Connector(
        "GET", _EXECUTIONS + "/{name}", query=("view",)
    ),
    "workflowexecutions.v1.projects.locations.workflows.executions.cancel": Connector(
        "POST", _EXECUTIONS + "/{name}:cancel", body=_NO_BODY
    ),
    "workflowexecutions.v1.projects.locations.workflows.executions.run": Connector(
        "POST",
        _EXECUTIONS + "/projects/{project_id}/locations/{location}/workflows/{workflow_id}/executions",
        body=Body("argument", required=False, form=_json_text),
        defaults=(("project_id", "project"), ("location", "location")),
        operation=_WORKFLOW_EXECUTION,
    ),
}
CONNECTORS: dict[str, Connector] = {f"googleapis.{name}": connector for name, connector in _ROWS.items()}
"""The connectors by name, as a workflow writes it."""
