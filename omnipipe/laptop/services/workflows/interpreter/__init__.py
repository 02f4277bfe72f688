"""An interpreter of Google Cloud Workflows: the YAML or JSON that is deployed, run as it is.

    workflow = parse(source, "workflow.yaml")            # raises WorkflowRefused: everything wrong with it
    result = workflow.run(argument, environment)         # raises WorkflowError: an error nobody caught

`parse(source: str, filename: str) -> Workflow`
    Checks the whole source as a deployment does. `WorkflowRefused.problems` is a list of `Problem`
    (`filename`, `line`, `step`, `message`); `str` of it is one line a problem. `Workflow.warnings` lists the same
    way the steps that Google may well run and this machine cannot: connectors that it does not have. Such a step
    fails with a SystemError when it is reached.

`Workflow.run(argument, environment, on_step=None, cancel=None) -> result`
    argument: the runtime arguments, a JSON value. The result is a JSON value.
    environment: an `Environment`, the outside: names, variables, endpoints, credentials, logs, callbacks.
    on_step: called as `on_step(name, phase)` for each step of `main`, with the phase "enter", then
        "leave" or "fail"; from several threads within a parallel step.
    cancel: a `threading.Event`; once set, the execution stops at the next step or poll, or out of a
        sleep at once. An HTTP request under way is not cut off: its own timeout ends it.
    Raises: `WorkflowError` with the error map in `.error` and the place in `.context`;
        `WorkflowCancelled`, a kind of it, when `cancel` was set.

A `Workflow` keeps no state between runs, so one can run in many threads at a time. Nothing is written
to disk.

A source goes through `source` (YAML to nodes with lines), `declarations` (scopes of variables), `compiler` with
`expressions` (everything that is wrong, and steps as closures), and runs in `steps` on an `execution`.
"""

from omnipipe.laptop.services.workflows.interpreter.callbacks import Callbacks, Listener, answer_call
from omnipipe.laptop.services.workflows.interpreter.environment import Environment
from omnipipe.laptop.services.workflows.interpreter.errors import (
    Problem,
    WorkflowCancelled,
    WorkflowError,
    WorkflowRefused,
)
from omnipipe.laptop.services.workflows.interpreter.workflow import Workflow, parse

__all__ = [
    "Callbacks",
    "Environment",
    "Listener",
    "Problem",
    "Workflow",
    "WorkflowCancelled",
    "WorkflowError",
    "WorkflowRefused",
    "answer_call",
    "parse",
]
