"""The pipelines, each declared once: its steps, what each of them runs, reads and writes, their order, and when.

From here come the source of the workflow, who may do what, what is watched, the lines that the command shows of a run,
and the names in the rows of ``ops``. What a stack adds, such as addresses and secrets, the program tells the steps.
"""

import re
from dataclasses import dataclass
from typing import Literal

from omnipipe.contracts.schema import Sensitivity

# What begins and ends each run, beside its steps.
FIRST, LAST = "init", "finish"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step: a function or a job that does its work, and writes its own row of ``ops.step_runs``.

    ``name`` is that of the row; ``folder`` holds its code, below ``functions/`` or ``jobs/``, and is what a function's
    entry point is called. ``timeout_s`` is the longest time of one attempt, in seconds, and ``retries`` counts the
    attempts of a job after the first. ``reads`` and ``writes`` are datasets (``raw``) or declared tables
    (``raw.weather``); ``clear`` are the sensitivities whose values it reads in the clear, and with ``tags`` it puts
    policy tags on columns. With ``full_refresh`` it takes the argument of that name, and with ``replay`` it sends again
    what that argument names, outside of a run.

    Raises ValueError for a name that a workflow cannot have, and for what its kind cannot do.
    """

    name: str
    kind: Literal["function", "job"]
    folder: str
    timeout_s: int
    retries: int = 0
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    clear: tuple[Sensitivity, ...] = ()
    tags: bool = False
    full_refresh: bool = False
    replay: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name in (FIRST, LAST):
            raise ValueError(f"a step is called {self.name!r}: take lower-case letters, digits and underscores")
        if self.kind == "function" and (self.retries or self.full_refresh):
            raise ValueError(f"the function {self.name} has retries or full_refresh, which only a job takes")
        if self.kind == "job" and self.replay:
            raise ValueError(f"the job {self.name} has replay, which only a function answers")

    @property
    def service(self) -> str:
        """What Google calls the function or job."""
        return self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The variable by which the workflow is told where it is."""
        return f"{self.name.upper()}_{'JOB' if self.kind == 'job' else 'FUNCTION_URL'}"


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """Steps in their order, run by a workflow, once at a time.

    ``name`` is the workflow's and its schedule's; ``title``, ``description`` and ``remark`` are for people, the last in
    lines of a comment. ``order`` has steps, one after the other, and tuples of steps that run at the same time.
    ``schedule`` is a cron line; a stack may have another one.

    Raises ValueError for two steps of one name, a group of one, and two steps that take one argument.
    """

    name: str
    title: str
    description: str
    remark: str
    schedule: str
    order: tuple[Step | tuple[Step, ...], ...]

    def __post_init__(self) -> None:
        names = [step.name for step in self.steps]
        if len(set(names)) < len(names):
            raise ValueError(f"{self.name}: two steps have one name in {', '.join(names)}")
        if any(isinstance(group, tuple) and len(group) == 1 for group in self.order):
            raise ValueError(f"{self.name}: a group has one step alone: write the step")
        for argument in ("full_refresh", "replay"):
            if sum(getattr(step, argument) for step in self.steps) > 1:
                raise ValueError(f"{self.name}: more than one step takes {argument}")

    @property
    def groups(self) -> tuple[tuple[Step, ...], ...]:
        """The steps in their order; those of a group run at the same time."""
        return tuple(group if isinstance(group, tuple) else (group,) for group in self.order)

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps, in their order."""
        return tuple(step for group in self.groups for step in group)

    @property
    def lines(self) -> tuple[str, ...]:
        """What is shown of a run that goes on: its beginning, its steps, its end."""
        return (FIRST, *(step.name for step in self.steps), LAST)


DAILY = Pipeline(
    name="daily",
    title="The daily run.",
    description="Catch up, fetch, transform, validate, and only then push the KPIs out.",
    remark="A failed check fails `validate`: nothing is sent then. `capture`\n"
    "comes first, and fails when raw does not hold in time what was committed before the run.",
    schedule="0 5 * * *",
    # No job is tried again. What failed fails again: a model, a check, a wait that has ended. What passes by itself, a
    # lost answer or a service that is busy, the clients have asked again about before; a run can be repeated at any
    # time.
    order=(
        # Waits until the stream has brought its heartbeat, which it writes in the database, to raw.
        Step(name="capture", kind="job", folder="catch_up", timeout_s=3600, reads=("raw",)),
        Step(name="weather", kind="function", folder="weather", timeout_s=120, writes=("raw.weather",)),
        Step(
            name="dbt",
            kind="job",
            folder="dbt",
            timeout_s=3600,
            reads=("raw",),
            writes=("staging", "prod", "analysis", "vault"),
            # It tags the columns that hold personal data, and goes on reading them.
            clear=(Sensitivity.HIGH,),
            tags=True,
            full_refresh=True,
        ),
        Step(
            name="validate",
            kind="job",
            folder="dvt",
            timeout_s=3600,
            reads=("raw", "staging", "prod", "analysis"),
            writes=("ops.validation_results",),
            clear=(Sensitivity.HIGH,),  # it checks e-mail addresses
        ),
        Step(
            name="reverse_sync",
            kind="function",
            folder="reverse_sync",
            timeout_s=540,
            reads=("analysis",),
            writes=("ops.reverse_sync_state", "ops.reverse_sync_deliveries", "ops.dead_letters"),
            replay=True,
        ),
    ),
)
