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
from urllib.parse import quote, urlsplit

from omnipipe.laptop.workflows.errors import WorkflowError, failure
from omnipipe.laptop.workflows.functions import Function, Parameter
from omnipipe.laptop.workflows.stdlib.http import VALUES
from omnipipe.laptop.workflows.transport import CLOUD_PLATFORM, send
from omnipipe.laptop.workflows.values import is_number, jsonable

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
class Body:
    """The argument that is a request's body: as it is, or as JSON text in a `field` of the body."""

    argument: str = "body"
    required: bool = True
    field: str | None = None

    def of(self, given: Mapping[str, Any]) -> Any:
        """The body for the arguments of a call."""
        if self.argument not in given:
            return {}
        value = given[self.argument]
        return value if self.field is None else {self.field: json.dumps(jsonable(value, self.argument))}


@dataclass(frozen=True)
class Connector:
    """A row of the table.

    url: `https://HOST/path` with `{argument}` for each argument of the path.
    query: optional arguments that go into the query.
    defaults: arguments that may be left out, and the attribute of the environment that stands in.
    operation: how to wait for it; None where the answer is the result.
    """

    method: str
    url: str
    query: tuple[str, ...] = ()
    body: Body | None = None
    defaults: tuple[tuple[str, str], ...] = ()
    operation: Operation | None = None

    def parameters(self) -> tuple[Parameter, ...]:
        """The arguments by name."""
        optional = {name for name, _ in self.defaults}
        path = [Parameter(name, name not in optional) for name in re.findall(r"{(\w+)}", self.url)]
        body = [Parameter(self.body.argument, self.body.required)] if self.body else []
        return (*path, *body, *(Parameter(name, required=False) for name in (*self.query, "connector_params")))


_RUN = "https://run.googleapis.com/v2"
_BIGQUERY = "https://bigquery.googleapis.com/bigquery/v2/projects/{projectId}"
_EXECUTIONS = "https://workflowexecutions.googleapis.com/v1"

CONNECTORS = {
    "googleapis.run.v2.projects.locations.jobs.run": Connector(
        "POST", _RUN + "/{name}:run", body=Body(required=False), operation=_RUN_OPERATION
    ),
    "googleapis.run.v2.projects.locations.jobs.get": Connector("GET", _RUN + "/{name}"),
    "googleapis.run.v2.projects.locations.jobs.executions.get": Connector("GET", _RUN + "/{name}"),
    "googleapis.bigquery.v2.jobs.query": Connector("POST", _BIGQUERY + "/queries", body=Body()),
    "googleapis.bigquery.v2.jobs.insert": Connector(
        "POST", _BIGQUERY + "/jobs", body=Body(), operation=_BIGQUERY_JOB
    ),
    "googleapis.bigquery.v2.jobs.get": Connector("GET", _BIGQUERY + "/jobs/{jobId}", query=("location",)),
    "googleapis.bigquery.v2.jobs.getQueryResults": Connector(
        "GET",
        _BIGQUERY + "/queries/{jobId}",
        query=("location", "maxResults", "pageToken", "startIndex", "timeoutMs"),
    ),
    "googleapis.workflowexecutions.v1.projects.locations.workflows.executions.create": Connector(
        "POST", _EXECUTIONS + "/{parent}/executions", body=Body()
    ),
    "googleapis.workflowexecutions.v1.projects.locations.workflows.executions.get": Connector(
        "GET", _EXECUTIONS + "/{name}", query=("view",)
    ),
    "googleapis.workflowexecutions.v1.projects.locations.workflows.executions.run": Connector(
        "POST",
        _EXECUTIONS + "/projects/{project_id}/locations/{location}/workflows/{workflow_id}/executions",
        body=Body("argument", required=False, field="argument"),
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
        for name, attribute in connector.defaults:
            given.setdefault(name, getattr(frame.execution.environment, attribute))
        return _Call(frame.execution, _settings(given.get("connector_params"))).run(connector, given)

    return invoke


def _settings(parameters: Any) -> dict[str, Any]:
    """The `connector_params` of a call with their defaults. Raises: ValueError of the language."""
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
    if type(settings["skip_polling"]) is not bool:
        raise failure("TypeError", "skip_polling of connector_params must be a boolean")
    return settings


class _Call:
    """One call of a connector, with the time it has from beginning to end."""

    def __init__(self, execution: Execution, settings: dict[str, Any]):
        self.execution = execution
        self.settings = settings
        self.deadline = time.monotonic() + settings["timeout"]

    def run(self, connector: Connector, given: dict[str, Any]) -> Any:
        """Send the request, and wait for the operation where there is one."""

        def fill(match: re.Match[str]) -> str:
            value = given.get(match[1])
            if type(value) is not str:
                raise failure("TypeError", f"{match[1]} must be a string")
            return quote(value, safe="/:")

        url = re.sub(r"{(\w+)}", fill, connector.url)
        query = {name: given[name] for name in connector.query if name in given}
        response = self.request(connector.method, url, query, connector.body.of(given) if connector.body else None)
        if connector.operation is None or self.settings["skip_polling"]:
            return response
        return self.wait(connector.operation, response, f"https://{urlsplit(url).netloc}")

    def request(self, method: str, url: str, query: dict[str, Any] | None = None, body: Any = None) -> Any:
        """Send a request, tried again as Google does: GET as idempotent, the others not."""
        policy = VALUES["http.default_retry" if method == "GET" else "http.default_retry_non_idempotent"]
        backoff, delay = policy["backoff"], policy["backoff"]["initial_delay"]
        auth = {"type": "OAuth2", "scopes": self.settings["scopes"]}
        for retries_left in range(policy["max_retries"], -1, -1):
            timeout = min(self.time_left(), DEFAULT_TIMEOUT)
            try:
                environment = self.execution.environment
                response = send(environment, method, url, timeout=timeout, body=body, query=query, auth=auth)
                return response["body"]
            except WorkflowError as error:
                if not retries_left or not policy["predicate"].invoke(None, [error.error]):
                    raise
            self.execution.sleep(min(delay, self.time_left()))
            delay = min(delay * backoff["multiplier"], backoff["max_delay"])
        raise AssertionError("the last try returns or raises")

    def time_left(self) -> float:
        """Seconds until the call's timeout. Raises: TimeoutError when there are none, Stop when cancelled."""
        self.execution.check_cancelled()
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise failure("TimeoutError", f"the connector call took over {self.settings['timeout']} s")
        return left

    def wait(self, operation: Operation, state: Any, base: str) -> Any:
        """Poll until the work has ended. Raises: OperationError with the operation, TimeoutError."""
        policy = self.settings["polling_policy"]
        delay = policy["initial_delay"]
        try:
            while not operation.ended(state):
                self.execution.sleep(min(delay, self.time_left()))
                delay = min(delay * policy["multiplier"], policy["max_delay"])
                self.execution.tick()  # each poll is a step, on the bill too
                state = self.request("GET", base + operation.path(state))
            error = operation.error(state)
            if error is None:
                return operation.result(state)
        except (KeyError, TypeError, AttributeError, ValueError) as problem:
            raise failure("ResponseTypeError", f"the service's answer is no operation: {problem!r}") from None
        message = error.get("message") if isinstance(error, dict) else None
        raise failure("OperationError", str(message or error), error=error, operation=state)
