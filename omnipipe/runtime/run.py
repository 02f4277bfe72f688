"""The daily run that a step belongs to, as the workflow names it."""

import os
from dataclasses import dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True)
class Run:
    """The run that calls the step, and the day that it is for."""

    run_id: str
    run_date: date

    @staticmethod
    def parse(run_id: Any, run_date: Any) -> "Run":
        """Make a run of an id and a day as YYYY-MM-DD. Raises ValueError, which says what to give."""
        if not isinstance(run_id, str) or not run_id:
            raise ValueError(f"run_id must be the id of the run, not {run_id!r}")
        try:
            return Run(run_id, date.fromisoformat(run_date))
        except (TypeError, ValueError):
            raise ValueError(f"run_date must be a day as YYYY-MM-DD, not {run_date!r}") from None

    @staticmethod
    def from_environment() -> "Run":
        """The run of a job, from RUN_ID and RUN_DATE, which the workflow overrides. Raises ValueError as ``parse``."""
        try:
            return Run.parse(os.environ.get("RUN_ID"), os.environ.get("RUN_DATE"))
        except ValueError as error:
            raise ValueError(f"{error}: the job takes them from RUN_ID and RUN_DATE") from None
