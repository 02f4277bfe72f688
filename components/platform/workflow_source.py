"""The source of a pipeline's workflow, made of what is declared of the pipeline."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from omnipipe.contracts.pipelines import Pipeline, Step

TEMPLATE = Path(__file__).with_name("workflow.yaml.j2")
# How much longer the workflow waits for a step than the step may take, in seconds. A job has to be started first.
_SPARE_S = {"function": 60, "job": 300}
# What a run needs beside its steps: some queries of a minute at most, in seconds.
_BEGINNING_AND_END_S = 1200


def workflow_source(pipeline: Pipeline) -> str:
    """The YAML of the workflow that runs a pipeline, with its comments.

    A job that writes tables is waited for before the first step, if a run that was cut off has left it going on.
    """
    jobs = [step for step in pipeline.steps if step.kind == "job"]
    functions = [step for step in pipeline.steps if step.kind == "function"]
    waited_for = [step for step in jobs if step.writes]
    waits_s = {"function": _waits_s(functions), "job": _waits_s(jobs)}
    # Jobs that an earlier run has left going on end at the same time.
    run_s = _BEGINNING_AND_END_S + (waits_s["job"] if waited_for else 0)
    run_s += sum(max(waits_s[step.kind] for step in group) for group in pipeline.groups)
    rendering = Environment(
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - it is YAML that is made, of what the project itself declares
    )
    return rendering.from_string(TEMPLATE.read_text()).render(
        pipeline=pipeline,
        jobs=jobs,
        functions=functions,
        waited_for=waited_for,
        full_refresh=next((step for step in pipeline.steps if step.full_refresh), None),
        replay=next((step for step in pipeline.steps if step.replay), None),
        function_timeout_s=waits_s["function"],
        job_timeout_s=waits_s["job"],
        attempts=_in_words(max(jobs, key=_takes_s)) if jobs else "",
        lease_s=2 * run_s,
    )


def _takes_s(step: Step) -> int:
    """How long a step may take, with all its attempts."""
    return step.timeout_s * (1 + step.retries)


def _waits_s(steps: Sequence[Step]) -> int:
    """How long the workflow waits for any one of some steps."""
    return max((_takes_s(step) + _SPARE_S[step.kind] for step in steps), default=0)


def _in_words(job: Step) -> str:
    attempts = f"{1 + job.retries} attempts" if job.retries else "one attempt"
    return f"{attempts} of {'an hour' if job.timeout_s == 3600 else f'{job.timeout_s} s'}"
