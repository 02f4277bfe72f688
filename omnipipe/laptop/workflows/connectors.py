"""Connectors: calls of Google's APIs by name, `googleapis.SERVICE.VERSION.RESOURCE.METHOD`.

A connector is a row of `CONNECTORS`. How long ones are waited for is one of the `Operation` kinds.
https://cloud.google.com/workflows/docs/connectors
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from omnipipe.laptop.workflows.errors import WorkflowError, failure
from omnipipe.laptop.workflows.functions import Function, Parameter
from omnipipe.laptop.workflows.stdlib.http import VALUES
from omnipipe.laptop.workflows.transport import CLOUD_PLATFORM, send
from omnipipe.laptop.workflows.values import is_number

if TYPE_CHECKING:
    from omnipipe.laptop.workflows.execution import Execution, Frame

DEFAULT_TIMEOUT = 1800
_POLLING = {"initial_delay": 1, "multiplier": 1.25, "max_delay": 60}
_PARAMETERS = ("timeout", "polling_policy", "skip_polling", "scopes")


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


_RUN_OPERATION = Operation(
    path=lambda operation: f"/v2/{operation['name']}",
    ended=lambda operation: operation.get("done") is True,
    error=lambda operation: operation.get("error"),
    result=lambda operation: operation.get("response"),
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
class Connector:
    """A row of the table.

    url: `https://HOST/path` with `{argument}` for each argument of the path.
    query: optional arguments that go into the query. body: the request has one.
    fields: arguments that make up the body themselves, where there is no `body` argument; `argument`
        of a workflow's execution is sent as JSON text.
    defaults: arguments that may be left out, and the attribute of the environment that stands in.
    operation: how to wait for it; None where the answer is the result.
    """

    method: str
    url: str
    query: tuple[str, ...] = ()
    body: bool = False
    fields: tuple[str, ...] = ()
    defaults: tuple[tuple[str, str], ...] = ()
    operation: Operation | None = None

    def parameters(self) -> tuple[Parameter, ...]:
        """The arguments by name."""
        optional = {name for name, _ in self.defaults}
        names = re.findall(r"{(\w+)}", self.url)
        body = (Parameter("body"),) if self.body else ()
        return (
            *(Parameter(name, name not in optional) for name in names),
            *body,
            *(Parameter(name, required=False) for name in (*self.query, *self.fields, "connector_params")),
        )


_RUN = "https://run.googleapis.com/v2"
_BIGQUERY = "https://bigquery.googleapis.com/bigquery/v2/projects/{projectId}"
_EXECUTIONS = "https://workflowexecutions.googleapis.com/v1"

CONNECTORS = {
    "googleapis.run.v2.projects.locations.jobs.run": Connector(
        "POST", _RUN + "/{name}:run", fields=("body",), operation=_RUN_OPERATION
    ),
    "googleapis.run.v2.projects.locations.jobs.get": Connector("GET", _RUN + "/{name}"),
    "googleapis.run.v2.projects.locations.jobs.executions.get": Connector("GET", _RUN + "/{name}"),
    "googleapis.bigquery.v2.jobs.query": Connector("POST", _BIGQUERY + "/queries", body=True),
    "googleapis.bigquery.v2.jobs.insert": Connector(
        "POST", _BIGQUERY + "/jobs", body=True, operation=_BIGQUERY_JOB
    ),
    "googleapis.bigquery.v2.jobs.get": Connector("GET", _BIGQUERY + "/jobs/{jobId}", query=("location",)),
    "googleapis.bigquery.v2.jobs.getQueryResults": Connector(
        "GET",
        _BIGQUERY + "/queries/{jobId}",
        query=("location", "maxResults", "pageToken", "startIndex", "timeoutMs"),
    ),
    "googleapis.workflowexecutions.v1.projects.locations.workflows.executions.create": Connector(
        "POST", _EXECUTIONS + "/{parent}/executions", body=True
    ),
    "googleapis.workflowexecutions.v1.projects.locations.workflows.executions.get": Connector(
        "GET", _EXECUTIONS + "/{name}", query=("view",)
    ),
    "googleapis.workflowexecutions.v1.projects.locations.workflows.executions.run": Connector(
        "POST",
        _EXECUTIONS + "/projects/{project_id}/locations/{location}/workflows/{workflow_id}/executions",
        fields=("argument",),
        defaults=(("project_id", "project"), ("location", "location")),
        operation=_WORKFLOW_EXECUTION,
    ),
}


def connector_functions() -> dict[str, Function]:
    """The connectors as functions that a step can call."""
    return {
        name: Function(name, connector.parameters(), _invocation(connector), blocking=True)
        for name, connector in CONNECTORS.items()
    }


def _invocation(connector: Connector) -> Callable[[Frame, list[Any]], Any]:
    names = [parameter.name for parameter in connector.parameters()]

    def invoke(frame: Frame, arguments: list[Any]) -> Any:
        given = {name: value for name, value in zip(names, arguments, strict=False) if value is not None}
        return _call(connector, frame.execution, given)

    return invoke


def _call(connector: Connector, execution: Execution, given: dict[str, Any]) -> Any:
    for name, attribute in connector.defaults:
        given.setdefault(name, getattr(execution.environment, attribute))
    settings = _settings(given.get("connector_params"))
    deadline = time.monotonic() + settings["timeout"]

    def request(method: str, url: str, **more: Any) -> Any:
        return _request(execution, method, url, deadline, settings, **more)

    def fill(match: re.Match[str]) -> str:
        value = given.get(match[1])
        if type(value) is not str:
            raise failure("TypeError", f"{match[1]} must be a string")
        return quote(value, safe="/:")

    url = re.sub(r"{(\w+)}", fill, connector.url)
    query = {name: given[name] for name in connector.query if name in given}
    response = request(connector.method, url, query=query, body=_body(connector, given))
    if connector.operation is None or settings["skip_polling"]:
        return response
    host = url.split("/")[2]
    return _wait(connector.operation, execution, response, deadline, request, f"https://{host}", settings)


def _body(connector: Connector, given: dict[str, Any]) -> Any:
    if connector.body or "body" in connector.fields:
        return given.get("body", {})
    if "argument" in connector.fields:
        return {"argument": json.dumps(given["argument"])} if "argument" in given else {}
    return None


def _settings(parameters: Any) -> dict[str, Any]:
    parameters = {} if parameters is None else parameters
    if type(parameters) is not dict or any(name not in _PARAMETERS for name in parameters):
        raise failure("ValueError", f"connector_params is a map of {', '.join(_PARAMETERS)}")
    policy = parameters.get("polling_policy") or {}
    if type(policy) is not dict or any(name not in _POLLING for name in policy):
        raise failure("ValueError", f"polling_policy is a map of {', '.join(_POLLING)}")
    settings = {"timeout": DEFAULT_TIMEOUT, "skip_polling": False, "scopes": CLOUD_PLATFORM, **parameters}
    settings["polling_policy"] = {**_POLLING, **policy}
    for name, value in [("timeout", settings["timeout"]), *settings["polling_policy"].items()]:
        if not is_number(value) or value <= 0:
            raise failure("ValueError", f"{name} of connector_params must be a number over 0")
    return settings


def _request(
    execution: Execution,
    method: str,
    url: str,
    deadline: float,
    settings: dict[str, Any],
    query: dict[str, Any] | None = None,
    body: Any = None,
) -> Any:
    """One request of a connector, tried again as Google does: GET as idempotent, the others not."""
    policy = VALUES["http.default_retry" if method == "GET" else "http.default_retry_non_idempotent"]
    delay = policy["backoff"]["initial_delay"]
    retries = policy["max_retries"]
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise failure("TimeoutError", f"the connector call took over {settings['timeout']} s")
        execution.check_cancelled()
        try:
            auth = {"type": "OAuth2", "scopes": settings["scopes"]}
            timeout = min(left, DEFAULT_TIMEOUT)
            return send(execution.environment, method, url, timeout=timeout, body=body, query=query, auth=auth)[
                "body"
            ]
        except WorkflowError as error:
            if not retries or not policy["predicate"].invoke(None, [error.error]):
                raise
        retries -= 1
        execution.sleep(min(delay, max(deadline - time.monotonic(), 0)))
        delay = min(delay * policy["backoff"]["multiplier"], policy["backoff"]["max_delay"])


def _wait(
    operation: Operation,
    execution: Execution,
    state: Any,
    deadline: float,
    request: Callable[..., Any],
    base: str,
    settings: dict[str, Any],
) -> Any:
    """Poll until the work has ended. Raises: OperationError with the operation, TimeoutError."""
    policy = settings["polling_policy"]
    delay = policy["initial_delay"]
    try:
        while not operation.ended(state):
            # where the time is up, the request says so
            execution.sleep(min(delay, max(deadline - time.monotonic(), 0)))
            delay = min(delay * policy["multiplier"], policy["max_delay"])
            execution.tick()  # each poll is a step, on the bill too
            state = request("GET", base + operation.path(state))
        error = operation.error(state)
        if error is None:
            return operation.result(state)
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        raise failure("ResponseTypeError", f"the service's answer is no operation: {problem!r}") from None
    message = error.get("message") if isinstance(error, dict) else None
    raise failure("OperationError", str(message or error), error=error, operation=state)
