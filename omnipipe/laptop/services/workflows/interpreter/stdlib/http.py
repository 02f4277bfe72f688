"""The modules `http` and `retry`."""

from typing import TYPE_CHECKING, Any

from omnipipe.laptop.services.workflows.interpreter.errors import failure
from omnipipe.laptop.services.workflows.interpreter.functions import FUNCTIONS, define
from omnipipe.laptop.services.workflows.interpreter.transport import METHODS, send

if TYPE_CHECKING:
    from omnipipe.laptop.services.workflows.interpreter.execution import Execution


# Service Directory and certificates of one's own: Google takes them, this machine has neither.
_UNAVAILABLE = ("private_service_name", "ca_certificate")


@define("http.request", context=True, blocking=True, unavailable=_UNAVAILABLE)
def request(
    execution: "Execution",
    method: Any,
    url: Any,
    timeout: Any = None,
    body: Any = None,
    headers: Any = None,
    query: Any = None,
    auth: Any = None,
    private_service_name: Any = None,
    ca_certificate: Any = None,
) -> dict:
    """Send an HTTP request with any method; see `transport.send`."""
    if method not in METHODS:
        raise failure("ValueError", f"{method!r} is no HTTP method: use one of {', '.join(METHODS)}")
    for name, value in zip(_UNAVAILABLE, (private_service_name, ca_certificate), strict=True):
        if value is not None:
            raise failure("SystemError", f"there is no {name} on this machine — leave it out")
    execution.check_cancelled()
    return send(
        execution.environment, method, url, timeout=timeout, body=body, headers=headers, query=query, auth=auth
    )


@define("http.get", context=True, blocking=True, unavailable=_UNAVAILABLE)
def get(
    execution: "Execution",
    url: Any,
    timeout: Any = None,
    headers: Any = None,
    query: Any = None,
    auth: Any = None,
    private_service_name: Any = None,
    ca_certificate: Any = None,
) -> dict:
    """Send a GET request."""
    return request(
        execution, "GET", url, timeout, None, headers, query, auth, private_service_name, ca_certificate
    )


def _define_with_body(method: str) -> None:
    def shortcut(
        execution: "Execution",
        url: Any,
        timeout: Any = None,
        body: Any = None,
        headers: Any = None,
        query: Any = None,
        auth: Any = None,
        private_service_name: Any = None,
        ca_certificate: Any = None,
    ) -> dict:
        return request(
            execution, method, url, timeout, body, headers, query, auth, private_service_name, ca_certificate
        )

    define(f"http.{method.lower()}", context=True, blocking=True, unavailable=_UNAVAILABLE)(shortcut)


for _method in ("DELETE", "PATCH", "POST", "PUT"):
    _define_with_body(_method)


def _matches(exception: Any, codes: set[int], tags: set[str]) -> bool:
    if type(exception) is not dict:
        return False
    found = exception.get("tags")
    return exception.get("code") in codes or (type(found) is list and any(tag in tags for tag in found))


@define("http.default_retry_predicate")
def default_retry_predicate(exception: Any) -> bool:
    """Whether to try an idempotent request again."""
    return _matches(exception, {429, 502, 503, 504}, {"ConnectionError", "ConnectionFailedError", "TimeoutError"})


@define("http.default_retry_predicate_non_idempotent")
def default_retry_predicate_non_idempotent(exception: Any) -> bool:
    """Whether to try a request again that must not take effect twice."""
    return _matches(exception, {429, 503}, {"ConnectionFailedError"})


@define("retry.always")
def always(exception: Any) -> bool:
    """Try again after every error."""
    return True


@define("retry.never")
def never(exception: Any) -> bool:
    """Do not try again."""
    return False


_BACKOFF = {"initial_delay": 1, "max_delay": 60, "multiplier": 1.25}


def _policy(predicate: str) -> dict[str, Any]:
    return {"predicate": FUNCTIONS[predicate], "max_retries": 5, "backoff": dict(_BACKOFF)}


VALUES = {
    "retry.default_backoff": dict(_BACKOFF),
    "http.default_retry": _policy("http.default_retry_predicate"),
    "http.default_retry_non_idempotent": _policy("http.default_retry_predicate_non_idempotent"),
}
