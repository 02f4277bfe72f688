"""Workflows and Cloud Run jobs, started and followed to their end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from omnipipe.google.api import NoAnswer, Refused
from omnipipe.google.stack import Stack
from omnipipe.laptop.errors import LaptopError

_POLL_S = 2.0
_GOES_ON = ("ACTIVE", "QUEUED")
# What is lost on the way to an execution that goes on all the same: so many polls in a row may end so.
_LOST_AT_MOST = 15


class Left(KeyboardInterrupt):
    """Ctrl-C while something ran at Google, where it goes on: the text says so, and what ends it."""


def run_workflow(
    stack: Stack,
    name: str,
    argument: Mapping[str, Any],
    on_step: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Start an execution of a workflow and follow it to its end; returns it as the API has it.

    ``on_step`` is told the step that runs. Raises LaptopError for no workflow or a refusal, and Left for Ctrl-C.
    https://cloud.google.com/workflows/docs/reference/executions/rest/v1/projects.locations.workflows.executions
    """
    workflow = f"{stack.place}/workflows/{name}"
    started = _started(
        stack, "workflowexecutions", f"v1/{workflow}/executions", {"argument": json.dumps(argument)}, name
    )
    run_id = started["name"].rpartition("/")[2]

    def look() -> dict[str, Any] | None:
        execution = _there(stack.api.get("workflowexecutions", f"v1/{started['name']}"), started["name"])
        steps = execution.get("status", {}).get("currentSteps", ())
        if steps:
            on_step(steps[0]["step"])
        return None if execution["state"] in _GOES_ON else execution

    place = f"--location={stack.region} --project={stack.project}"
    cancel = f"gcloud workflows executions cancel {run_id} --workflow={name} {place}"
    return _followed(look, f"The run {run_id} goes on at Google. To end it: {cancel}")


def run_job(stack: Stack, name: str, environment: Mapping[str, str] | None = None) -> tuple[str, str | None]:
    """Execute a Cloud Run job to its end; returns the execution's name, and why it failed, None if it did not.

    ``environment`` is added to the job's own. Raises as ``run_workflow``.
    https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.jobs/run
    """
    env = [{"name": key, "value": value} for key, value in (environment or {}).items()]
    body = {"overrides": {"containerOverrides": [{"env": env}]}} if env else {}
    operation = _started(stack, "run", f"v2/{stack.place}/jobs/{name}:run", body, name)
    execution = str(operation["metadata"]["name"]).rpartition("/")[2]

    def look() -> dict[str, Any] | None:
        found = _there(stack.api.get("run", f"v2/{operation['name']}"), operation["name"])
        return found if found.get("done") else None

    cancel = f"gcloud run jobs executions cancel {execution} --region={stack.region} --project={stack.project}"
    done = _followed(look, f"The execution {execution} goes on at Google. To end it: {cancel}")
    return execution, done["error"]["message"] if "error" in done else None


def _started(stack: Stack, host: str, path: str, body: Mapping[str, Any], name: str) -> dict[str, Any]:
    try:
        return stack.api.post(host, path, body)
    except Refused as refused:
        if refused.status == 404:
            raise LaptopError(
                f"there is no {name} in {stack.project}, {stack.region}: `pulumi up --stack {stack.name}` makes it"
            ) from refused
        raise


def _there(found: dict[str, Any] | None, name: str) -> dict[str, Any]:
    if found is None:
        raise LaptopError(f"Google does not know {name} any more")
    return found


def _followed(look: Callable[[], dict[str, Any] | None], left: str) -> dict[str, Any]:
    """Look until there is an end. What goes on at Google does not end because this machine's network does."""
    lost = 0
    try:
        while True:
            try:
                if (end := look()) is not None:
                    return end
                lost = 0
            except (NoAnswer, Refused) as error:
                passing = isinstance(error, NoAnswer) or error.status == 429 or error.status >= 500
                lost += 1
                if not passing or lost > _LOST_AT_MOST:
                    raise LaptopError(f"{error}. {left}") from error
            time.sleep(_POLL_S)
    except KeyboardInterrupt:
        raise Left(left) from None
