"""An interpreter of Google Cloud Workflows: the YAML or JSON that is deployed, run as it is.

    workflow = parse(source, "workflow.yaml")            # raises WorkflowRefused: everything wrong with it
    result = workflow.run(argument, environment)         # raises WorkflowError: an error nobody caught

`parse(source: str, filename: str) -> Workflow`
    Checks the whole source as a deployment does. `WorkflowRefused.problems` is a list of `Problem`
    (`filename`, `line`, `step`, `message`); `str` of it is one line a problem.

`Workflow.run(argument, environment, on_step=None, cancel=None) -> result`
    argument: the runtime arguments, a JSON value. The result is a JSON value.
    environment: an `Environment`, the outside: names, variables, endpoints, credentials, logs.
    on_step: called as `on_step(name, phase)` for each step of `main`, with the phase "enter", then
        "leave" or "fail"; from several threads within a parallel step.
    cancel: a `threading.Event`; once set, the execution stops at the next step, sleep or poll.
    Raises: `WorkflowError` with the error map in `.error` and the place in `.context`;
        `WorkflowCancelled`, a kind of it, when `cancel` was set.

A `Workflow` keeps no state between runs, so one can run in many threads at a time. Nothing is written
to disk. Not supported, and refused by name when parsed: callbacks, private services, CA certificates.
"""

from omnipipe.laptop.workflows.environment import Environment
from omnipipe.laptop.workflows.errors import Problem, WorkflowCancelled, WorkflowError, WorkflowRefused
from omnipipe.laptop.workflows.workflow import Workflow, parse

__all__ = [
    "Environment",
    "Problem",
    "Workflow",
    "WorkflowCancelled",
    "WorkflowError",
    "WorkflowRefused",
    "parse",
]
