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
    cancel: a `threading.Event`; once set, the execution stops at the next step or poll, or out of a
        sleep at once. An HTTP request under way is not cut off: its own timeout ends it.
    Raises: `WorkflowError` with the error map in `.error` and the place in `.context`;
        `WorkflowCancelled`, a kind of it, when `cancel` was set.

A `Workflow` keeps no state between runs, so one can run in many threads at a time. Nothing is written
to disk. Not supported, and refused by name when parsed: callbacks (`events.*`), `experimental.*`, private
services, CA certificates. Regular expressions are Python's, without what Google's RE2 lacks.

A source goes through `source` (YAML to nodes with lines), `declarations` (scopes of variables), `compiler` with
`expressions` (everything that is wrong, and steps as closures), and runs in `steps` on an `execution`.
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
