"""The frame of a function that is a step of the daily run: its request, its audit row, its answer."""

import os
from collections.abc import Callable
from typing import Any

from google.cloud import bigquery

from omnipipe.runtime import audit, failure, warehouse
from omnipipe.runtime.run import Run


def environment(name: str) -> str:
    """Return the environment variable ``name``. Raises LookupError, which says who has to give it."""
    value = os.environ.get(name)
    if not value:
        raise LookupError(f"the environment variable {name} is not set: the function's component must give it")
    return value


def answer(
    body: Any, step: str, work: Callable[[bigquery.Client, Run, audit.Step], None]
) -> tuple[dict[str, Any], int]:
    """Do ``work`` as the step ``step`` and return the answer of the HTTP function: a body for JSON, and a status.

    ``body`` is the request's JSON: ``{"run_id": "…", "run_date": "YYYY-MM-DD"}``. ``work`` sets the rows and the
    message of the step that it is given. Any exception of it, so also a failure in part, is answered with 500 and
    its words, and recorded as a failed step; a body that is not as above is answered with 400.
    """
    try:
        run = _run(body)
    except ValueError as error:
        return {"error": str(error)}, 400
    try:
        client = warehouse.Client(step, run.run_id, location=environment("BIGQUERY_LOCATION"))
        with audit.step(client, run.run_id, step) as current:
            work(client, run, current)
    except Exception as cause:  # noqa: BLE001 - the edge of the program: the workflow gets every cause as an answer
        return {"error": " ".join(failure.words(cause).split())}, 500
    return {"rows": current.rows, "message": current.message}, 200


def _run(body: Any) -> Run:
    if not isinstance(body, dict):
        raise ValueError('the body must be JSON: {"run_id": "…", "run_date": "YYYY-MM-DD"}')
    return Run.parse(body.get("run_id"), body.get("run_date"))
