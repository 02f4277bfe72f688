"""Everything that one workflow can name: the standard library, the connectors and its subworkflows."""

import difflib
import re
from functools import cache
from typing import Any

from omnipipe.laptop.services.workflows.interpreter.connectors import connector_functions
from omnipipe.laptop.services.workflows.interpreter.errors import failure
from omnipipe.laptop.services.workflows.interpreter.functions import FUNCTIONS, Function
from omnipipe.laptop.services.workflows.interpreter.rest_calls import REST_CALLS
from omnipipe.laptop.services.workflows.interpreter.stdlib import VALUES

_BUILT_IN = {**FUNCTIONS, **connector_functions()}
_MODULES = {name.split(".")[0] for name in _BUILT_IN if "." in name} | {"experimental", "gke"}
# What Google knows beside connectors, and what to do in its place.
_ELSEWHERE = {
    "experimental.executions.run": "call googleapis.workflowexecutions.v1.projects.locations.workflows.executions.run",
    "experimental.executions.map": "use a parallel for",
    "gke.request": "call the cluster's API with http.request",
    "gke.create_job": "call http.post on the cluster's /apis/batch/v1/namespaces/{namespace}/jobs",
    "gke.await_job": "call http.get on the cluster's /apis/batch/v1/namespaces/{namespace}/jobs/{job} until it ended",
    "gke.delete_job": "call http.delete on the cluster's /apis/batch/v1/namespaces/{namespace}/jobs/{job}",
}
_CONNECTOR = re.compile(r"googleapis\.([a-z0-9]+)\.(v\w+)\.((?:\w+\.)*)(\w+)")


class Library:
    """Looks names up. `subworkflows` are the routines of the workflow itself, by name."""

    def __init__(self, subworkflows: dict[str, Function]):
        self.subworkflows = subworkflows

    def function(self, name: str) -> Function | None:
        """The function of that name, or None."""
        return self.subworkflows.get(name) or _BUILT_IN.get(name) or _missing(name)

    def value(self, name: str) -> Any:
        """What the name stands for when it is not called: an object of the library, or a function; or None."""
        return VALUES[name] if name in VALUES else self.function(name)

    def is_module(self, name: str) -> bool:
        """Whether a dotted name that starts so can only be of the library."""
        return name in _MODULES

    def unknown(self, name: str) -> str:
        """Say what is wrong with a name that is no function."""
        close = difflib.get_close_matches(name, [*self.subworkflows, *_BUILT_IN, *VALUES], 1)
        return f"no function or subworkflow '{name}'" + (f" — did you mean {close[0]}?" if close else "")


@cache
def _missing(name: str) -> Function | None:
    """A function that Google may well have, and that fails here when it is called; None for a name of no such kind."""
    connector = _CONNECTOR.fullmatch(name)
    if connector:
        instead = _rest_call(name, *connector.groups())
        close = difflib.get_close_matches(name, [known for known in _BUILT_IN if "googleapis" in known], 1, 0.9)
        reason = f"no connector {name}" + (f" (did you mean {close[0]}?)" if close else "")
    elif name in _ELSEWHERE:
        instead, reason = _ELSEWHERE[name], f"no {name}"
    else:
        return None
    message = f"there is {reason} on this machine — {instead}"

    def invoke(frame: Any, arguments: list[Any]) -> Any:
        raise failure("SystemError", message)

    return Function(name, (), invoke, blocking=True, missing=message)


def _rest_call(name: str, service: str, version: str, resources: str, method: str) -> str:
    """The REST call to make in place of a connector."""
    short = name.removeprefix("googleapis.")
    if short in REST_CALLS:
        verb, url = REST_CALLS[short]
        return f"call http.{verb.lower()} on {url} with auth type OAuth2"
    page = f"{service}/{version}/{resources.rstrip('.')}/{method}".replace("//", "/")
    return (
        f"call https://{service}.googleapis.com with http.request and auth type OAuth2, as "
        f"https://cloud.google.com/workflows/docs/reference/googleapis/{page} names it"
    )
