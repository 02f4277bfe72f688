"""The frame of a job that is a step of the daily run: its run, its audit row, its exit code."""

import logging
import os
from collections.abc import Callable

from omnipipe.runtime import audit, log, warehouse
from omnipipe.runtime.run import Run


class StepFailed(Exception):
    """The step did not succeed, for a reason that the text names; anything else that is raised is a defect."""


def run_step(step: str, work: Callable[[warehouse.Client, Run, audit.Step], None]) -> int:
    """Do ``work`` as the step ``step`` of the run that RUN_ID and RUN_DATE name, and return the job's exit code.

    ``work`` sets the rows and the message of the step that it is given. Its failure is recorded and logged, with its
    text; StepFailed then is exit code 1, and any other exception passes.
    """
    log.configure(step)
    try:
        run = Run.from_environment()
    except ValueError as error:
        logging.getLogger(step).error("%s", error)
        return 1
    client = warehouse.Client(step, run.run_id, location=os.environ.get("BIGQUERY_LOCATION"))
    try:
        with audit.step(client, run.run_id, step) as current:
            work(client, run, current)
    except StepFailed:
        return 1
    return 0
