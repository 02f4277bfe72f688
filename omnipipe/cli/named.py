"""`run NAME`: any workflow or job of the program, whatever the program is."""

import json
import time
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from omnipipe.cli.console import called, console, errors, progress, say

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud


def names(cloud: "Cloud") -> list[str]:
    """The workflows and jobs of the program."""
    from omnipipe.laptop import workloads

    return sorted(workloads.workflows(cloud).keys() | workloads.jobs(cloud).keys())


def started(cloud: "Cloud", name: str, data: str | None = None, *, quiet: bool = False) -> dict[str, Any]:
    """Run a workflow or a job of the program to its end; shown, and returned as plain data.

    ``data`` is the workflow's argument as JSON. Raises LaptopError, with those that there are, for a name of neither,
    and for data that is no JSON or is for a job.
    """
    from omnipipe.laptop import access, workloads
    from omnipipe.laptop.errors import LaptopError

    workflows, jobs = workloads.workflows(cloud), workloads.jobs(cloud)
    if name not in workflows and name not in jobs:
        known = ", ".join(names(cloud))
        of_a_model = f". A model is made anew by `omnipipe run --full-refresh {name}`"
        raise LaptopError(
            f"the program registers no workflow or job {name!r}: {f'choose one of {known}' if known else 'it has none'}"
            + (of_a_model if "run" in cloud.declaration.commands else "")
        )
    argument = argument_of(name, data, is_job=name in jobs)
    began = time.monotonic()
    with progress(escape(name), quiet=quiet) as line:
        if name in jobs:
            failure, answer = access.run_job(cloud, name), None
        else:
            execution = access.run_workflow(
                cloud, name, argument, lambda step, said: line.update(escape(f"{name}: {step} {said}"))
            )
            succeeded = execution["state"] == "SUCCEEDED"
            failure = None if succeeded else access.failure_of(execution)
            answer = access.answer_of(execution) if succeeded else None
    result = ended(name, began, answer, failure)
    if not quiet:
        show_named(result)
    return result


def argument_of(name: str, data: str | None, *, is_job: bool) -> Any:
    """What a workflow is given, of the JSON that a person has typed. Raises LaptopError for no JSON, and for a job."""
    from omnipipe.laptop.errors import LaptopError

    if is_job and data is not None:
        raise LaptopError(f"{name} is a job, and --data is the argument of a workflow: leave it out")
    try:
        return json.loads(data or "{}")
    except ValueError as error:
        raise LaptopError(f"--data is not JSON: {error}") from error


def ended(name: str, began: float, answer: Any, failure: str | None) -> dict[str, Any]:
    """What became of a workflow or job as plain data; ``began`` is a moment of time.monotonic."""
    return {
        "name": name,
        "status": "failed" if failure else "succeeded",
        "seconds": time.monotonic() - began,
        "result": answer,
        "error": failure,
    }


def show_named(result: dict[str, Any], at: str = "") -> None:
    """Print what a workflow or job has answered; ``at`` is what commands about it are called with."""
    if result["result"] is not None:
        console.print(json.dumps(result["result"], indent=2, ensure_ascii=False), markup=False, soft_wrap=True)
    say(f"{result['name']} {result['status']} after {result['seconds']:.1f} s.")
    if result["error"]:
        errors.print("failed:", style="bold red", end=" ")
        errors.print(result["error"], markup=False, soft_wrap=True)
        errors.print(f"`{called('logs' + at)}` shows what its parts have written.", soft_wrap=True)
