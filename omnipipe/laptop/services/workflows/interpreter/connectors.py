"""Connectors: calls of Google's APIs by name, `googleapis.SERVICE.VERSION.RESOURCE.METHOD`.

What each one is stands in `connector_table`; here is how it is called: retries, time, waiting for long operations.
https://cloud.google.com/workflows/docs/connectors
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from omnipipe.laptop.emulators import EMULATORS
from omnipipe.laptop.services.workflows.interpreter.connector_table import (
    CONNECTORS,
    PLACEHOLDER,
    Connector,
    Operation,
)
from omnipipe.laptop.services.workflows.interpreter.errors import WorkflowError, failure
from omnipipe.laptop.services.workflows.interpreter.functions import Function
from omnipipe.laptop.services.workflows.interpreter.stdlib.http import VALUES
from omnipipe.laptop.services.workflows.interpreter.transport import CLOUD_PLATFORM, send
from omnipipe.laptop.services.workflows.interpreter.values import is_number

if TYPE_CHECKING:
    from omnipipe.laptop.services.workflows.interpreter.execution import Execution, Frame

DEFAULT_TIMEOUT = 1800
_POLLING = {"initial_delay": 1, "multiplier": 1.25, "max_delay": 60}
_PARAMETERS = ("timeout", "polling_policy", "skip_polling", "scopes")


def connector_functions() -> dict[str, Function]:
    """The connectors as functions that a step can call."""
    return {
        name: Function(name, connector.parameters(), _invocation(connector), blocking=not connector.in_expressions)
        for name, connector in CONNECTORS.items()
    }


def _invocation(connector: Connector) -> Callable[[Frame, list[Any]], Any]:
    names = [parameter.name for parameter in connector.parameters()]

    def invoke(frame: Frame, arguments: list[Any]) -> Any:
        by_name = {name: value for name, value in zip(names, arguments, strict=False) if value is not None}
        for name, source in connector.defaults:
            text = source[1:] if source.startswith("=") else getattr(frame.execution.environment, source)
            by_name.setdefault(name, text)
        return _Call(frame.execution, _settings(by_name.get("connector_params"))).run(connector, by_name)

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

    def run(self, connector: Connector, arguments: dict[str, Any]) -> Any:
        """Send the request, and wait for the operation where there is one.

        Raises: SystemError where nothing on this machine answers for the service.
        """

        def fill(match: re.Match[str]) -> str:
            value, behind = arguments.get(match[1]), match[2]
            if value is None and behind is not None:
                return ""
            if type(value) is not str:
                raise failure("TypeError", f"{match[1]} must be a string")
            # what a workflow has encoded itself, such as the slash in an object's name, stays so
            return quote(value, safe="/:%") + (behind or "")

        url = PLACEHOLDER.sub(fill, connector.url)
        self.require_service(urlsplit(url).netloc)
        query = {name: arguments[name] for name in connector.query if name in arguments}
        body, headers = connector.body.of(arguments) if connector.body else None, {}
        if query.get("uploadType") == "media":
            url = url.replace("/storage/", "/upload/storage/", 1)
            headers = {"Content-Type": "text/plain; charset=utf-8"} if type(body) is str else {}
        response = self.request(connector.method, url, query, body, headers)
        if connector.operation and not self.settings["skip_polling"]:
            return self.wait(connector.operation, response, f"https://{urlsplit(url).netloc}")
        try:
            return connector.result(response)
        except (KeyError, TypeError, ValueError) as problem:
            raise failure("ResponseTypeError", f"the service's answer has another form: {problem!r}") from None

    def require_service(self, host: str) -> None:
        """Raise SystemError where nothing on this machine answers for a host of Google's."""
        if host in self.execution.environment.endpoints:
            return
        variable = EMULATORS.get(host)
        advice = f"set {variable} to an emulator's HOST:PORT" if variable else "call what this machine has"
        raise failure("SystemError", f"nothing on this machine answers for {host}: {advice}")

    def request(
        self,
        method: str,
        url: str,
        query: dict[str, Any] | None = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """Send a request, tried again as Google does: GET as idempotent, the others not."""
        policy = VALUES["http.default_retry" if method == "GET" else "http.default_retry_non_idempotent"]
        backoff, delay = policy["backoff"], policy["backoff"]["initial_delay"]
        auth = {"type": "OAuth2", "scopes": self.settings["scopes"]}
        for retries_left in range(policy["max_retries"], -1, -1):
            timeout = min(self.time_left(), DEFAULT_TIMEOUT)
            try:
                environment = self.execution.environment
                return send(
                    environment, method, url, timeout=timeout, body=body, headers=headers, query=query, auth=auth
                )["body"]
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
