"""Everything that one workflow can name: the standard library, the connectors and its subworkflows."""

import difflib
from typing import Any

from omnipipe.laptop.workflows.connectors import connector_functions
from omnipipe.laptop.workflows.functions import FUNCTIONS, Function
from omnipipe.laptop.workflows.stdlib import VALUES

_BUILT_IN = {**FUNCTIONS, **connector_functions()}
_MODULES = {name.split(".")[0] for name in _BUILT_IN if "." in name} | {"events", "experimental"}
_UNSUPPORTED = {
    "events.create_callback_endpoint": "callbacks are not supported by this interpreter — poll instead",
    "events.await_callback": "callbacks are not supported by this interpreter — poll instead",
    "experimental.executions.run": "experimental functions are not supported — call"
    " googleapis.workflowexecutions.v1.projects.locations.workflows.executions.run",
    "experimental.executions.map": "experimental functions are not supported — use a parallel for",
}


class Library:
    """Looks names up. `subworkflows` are the routines of the workflow itself, by name."""

    def __init__(self, subworkflows: dict[str, Function]):
        self.subworkflows = subworkflows

    def function(self, name: str) -> Function | None:
        """The function of that name, or None."""
        return self.subworkflows.get(name) or _BUILT_IN.get(name)

    def value(self, name: str) -> Any:
        """What the name stands for when it is not called: an object of the library, or a function; or None."""
        return VALUES[name] if name in VALUES else self.function(name)

    def is_module(self, name: str) -> bool:
        """Whether a dotted name that starts so can only be of the library."""
        return name in _MODULES

    def unknown(self, name: str) -> str:
        """Say what is wrong with a name that is no function."""
        if name in _UNSUPPORTED:
            return f"{name}: {_UNSUPPORTED[name]}"
        known = [*self.subworkflows, *_BUILT_IN, *VALUES]
        if name.startswith("googleapis."):
            known = [other for other in known if other.startswith("googleapis.")]
            return f"no connector {name} — call the API with http.*, or use one of {', '.join(known)}"
        close = difflib.get_close_matches(name, known, 1)
        return f"no function or subworkflow '{name}'" + (f" — did you mean {close[0]}?" if close else "")
