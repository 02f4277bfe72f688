"""`run` and `probe`: the day, any workflow or job of a program by its name, and what is measured of the day."""

import time
import uuid
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from omnipipe.cli import completion
from omnipipe.cli.console import AtGoogle, called, errors, print_json, progress, say, say_here
from omnipipe.cli.named import names, started
from omnipipe.cli.records import table
from omnipipe.contracts.pipelines import DAILY

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud

STEPS = DAILY.lines
_SENDING = {step.name for step in DAILY.steps if step.replay}
# A run that is cancelled cannot write its own end.
_CUT_OFF = """
    UPDATE ops.pipeline_runs
    SET status = 'interrupted', finished_at = CURRENT_TIMESTAMP(), error = 'cancelled by Ctrl-C'
    WHERE run_id = @run_id AND status = 'running'
"""
# What the steps of a run say of themselves.
RECORDED_STEPS = """
    SELECT step, status, `rows`, TIMESTAMP_DIFF(finished_at, started_at, MILLISECOND) / 1000, message
    FROM ops.step_runs
    WHERE run_id = @run_id
    ORDER BY started_at
"""
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def run(
    run_date: Annotated[
        str | None, typer.Option("--date", help="The day to run for, YYYY-MM-DD; today without it.")
    ] = None,
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Make the model's table anew, or all of them without a MODEL.")
    ] = False,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="A workflow or job of the program; with --full-refresh a model of the day, such as fct_trip.",
            autocompletion=completion.workflows_and_jobs,
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="JSON", help="What the workflow NAME is given as its argument.")
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="STEP",
            help="One step alone, such as dbt, outside of a run.",
            autocompletion=completion.steps,
        ),
    ] = None,
    stack: AtGoogle = None,
    as_json: Json = False,
) -> None:
    """Run the day: capture, weather, dbt, validation, and only then the KPIs go out. Or run NAME, and nothing else.

    With --full-refresh, tables are made anew from all that there is: NAME's and those that are made from it, or all.
    What only a table knows stays: salts, and KPI rows that once were published.

    Exits with 1 when a step failed; what failed and why is in the table, and in ops.step_runs. Exits with 1 too while
    another run is going on, and names it.
    """
    from omnipipe.cli.cloud import bring_up
    from omnipipe.laptop import access, lifecycle
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.errors import LaptopError

    by_name = name is not None and not full_refresh
    if by_name and (run_date or only):
        raise LaptopError("--date and --only are of the day, which has no NAME: leave one of them out")
    if data is not None and not by_name:
        raise LaptopError("--data is the argument of a workflow: name it, as in `omnipipe run NAME --data JSON`")
    if run_date is not None:
        try:
            date.fromisoformat(run_date)
        except ValueError:
            raise LaptopError(f"--date is {run_date!r}: write a day as YYYY-MM-DD") from None
    refreshed = (name or "*") if full_refresh else None
    if stack is not None:
        if only:
            raise LaptopError("one step alone runs on the laptop: at Google run the day, or a job by its NAME")
        return _run_at_google(
            stack, name if by_name else None, data, _argument(run_date, refreshed), as_json=as_json
        )
    cloud = Cloud.current()
    if name is None and "run" not in cloud.declaration.commands:
        raise LaptopError(f"name a workflow or a job: {', '.join(names(cloud)) or 'the program has none'}")
    if not lifecycle.is_whole(cloud):
        bring_up(cloud.home.stack, cloud.program, real=cloud.real, quiet=as_json)
        cloud = Cloud.current()
    say_here(cloud.home.stack, quiet=as_json)
    try:
        if by_name:
            result = started(cloud, str(name), data, quiet=as_json)
        elif only:
            result = one_step(cloud, only, run_date, quiet=as_json)
        else:
            result = daily_run(cloud, run_date, full_refresh=refreshed, quiet=as_json)
    except access.Interrupted as interrupted:
        errors.print(escape(str(interrupted)), soft_wrap=True)
        if not by_name:
            errors.print(
                f"Start the day again with `{called('run')}`: it takes up where this one was.", soft_wrap=True
            )
        raise typer.Exit(130) from None
    return _ended(result, as_json=as_json)


def _run_at_google(
    stack: str, name: str | None, data: str | None, argument: dict[str, str], *, as_json: bool
) -> None:
    """The same by an execution at Google: of the day, or with ``name`` of a workflow or job."""
    from omnipipe.cli import at_google
    from omnipipe.cli.named import show_named

    at = at_google.stack_of(stack, quiet=as_json)
    if name is not None:
        result = at_google.started(at, name, data, quiet=as_json)
        if not as_json:
            show_named(result, f" --stack {stack}")
    else:
        workflow = at.declaration.of_command("run", "workflow")["workflow"]
        result = at_google.run(at, workflow, argument, quiet=as_json)
        if not as_json:
            show(result, f" --stack {stack}")
    _ended(result, as_json=as_json)


def _ended(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(result)
    if result["status"] != "succeeded":
        raise typer.Exit(1)


def _argument(run_date: str | None, full_refresh: str | None) -> dict[str, str]:
    """What the workflow of the day is given."""
    given = {"run_date": run_date, "full_refresh": full_refresh}
    return {key: value for key, value in given.items() if value}


def probe(
    stack: AtGoogle = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the alerts as JSON.")] = False,
) -> None:
    """Measure now what the alerts on silent failures look at, as the schedule does each quarter of an hour.

    Runs the job `probe`, then shows the alerts. Exits with 1 when something could not be measured.
    """
    if stack is not None:
        from omnipipe.cli import at_google

        return at_google.probe(at_google.stack_of(stack, quiet=as_json), as_json=as_json)
    from dataclasses import asdict

    from omnipipe.cli.status import show_alerts
    from omnipipe.laptop import access, logs
    from omnipipe.laptop.services.monitoring import alerts

    cloud = access.running_cloud()
    say_here(cloud.home.stack, quiet=as_json)
    job = cloud.declaration.of_command("probe", "job")["job"]
    with progress("Measuring", quiet=as_json):
        failure = access.run_job(cloud, job)
        found = [asdict(alert) for alert in alerts.evaluate(cloud, logs.sources(cloud))]
    if as_json:
        print_json(found)
    else:
        show_alerts(found)
    if failure:
        errors.print(f"failed: {failure} (all of it: omnipipe logs {job})", markup=False, soft_wrap=True)
        raise typer.Exit(1)
    return None


def daily_run(
    cloud: "Cloud", run_date: str | None = None, *, full_refresh: str | None = None, quiet: bool = False
) -> dict[str, Any]:
    """One daily run, with a progress line for each step and a table at the end; returns the same as plain data."""
    from omnipipe.laptop import access
    from omnipipe.laptop.errors import LaptopError
    from omnipipe.laptop.services.bigquery import client

    began = time.monotonic()
    with progress("init", quiet=quiet) as line:

        def on_step(step: str, said: str) -> None:
            if step in STEPS:
                line.update(escape(f"{step} ({STEPS.index(step) + 1} of {len(STEPS)}) {said}"))

        argument = _argument(run_date, full_refresh)
        try:
            execution = access.run_workflow(cloud, _day(cloud), argument, on_step)
        except access.Interrupted as interrupted:
            with suppress(LaptopError):  # BigQuery may be what ended
                client.query(cloud, _CUT_OFF, run_id=interrupted.run_id)
            raise
    status = execution["state"].lower()
    result = _result(cloud, execution["name"].rpartition("/")[2], status, began)
    if status != "succeeded":
        result["error"] = access.raised_by(execution)
    if not quiet:
        show(result)
    return result


def one_step(cloud: "Cloud", step: str, run_date: str | None = None, *, quiet: bool = False) -> dict[str, Any]:
    """One step of the day by itself, under a run id of its own; shown and returned as a run."""
    from omnipipe.laptop import access
    from omnipipe.laptop.errors import LaptopError

    began = time.monotonic()
    names = [each.name for each in DAILY.steps]
    if step not in names:
        raise LaptopError(f"the day has no step {step!r}: choose one of {', '.join(names)}")
    run_id, day = str(uuid.uuid4()), run_date or datetime.now(UTC).date().isoformat()
    with progress(step, quiet=quiet):
        failure = access.run_step(
            cloud,
            _day(cloud),
            step,
            body={"run_id": run_id, "run_date": day},
            environment={"RUN_ID": run_id, "RUN_DATE": day},
        )
    result = _result(cloud, run_id, "failed" if failure else "succeeded", began)
    if failure:
        result["error"] = {"message": failure}
    if not quiet:
        show(result)
    return result


def _day(cloud: "Cloud") -> str:
    """The workflow of the day. Raises LaptopError for a program that has no day."""
    return cloud.declaration.of_command("run", "workflow")["workflow"]


def _result(cloud: "Cloud", run_id: str, status: str, began: float) -> dict[str, Any]:
    from omnipipe.laptop.services.bigquery import client

    return recorded(run_id, status, began, client.query(cloud, RECORDED_STEPS, run_id=run_id)[1])


def recorded(run_id: str, status: str, began: float, rows: list[list[Any]]) -> dict[str, Any]:
    """A run as plain data; ``rows`` are those of RECORDED_STEPS, ``began`` is a moment of time.monotonic."""
    steps = [dict(zip(("step", "status", "rows", "seconds", "message"), row, strict=True)) for row in rows]
    return {"run_id": run_id, "status": status, "seconds": time.monotonic() - began, "steps": steps}


def show(result: dict[str, Any], at: str = "") -> None:
    """Print a run as a table, and the cause of its failure; ``at`` is what commands about it are called with."""
    table(
        ("step", "status", "rows", "seconds", ""),
        [
            (
                step["step"],
                step["status"],
                "" if step["rows"] is None else f"{step['rows']:,}",
                f"{float(step['seconds']):.2f}",
                step["message"] or "",
            )
            for step in result["steps"]
        ],
    )
    say(f"Run {result['run_id']} {result['status']} after {result['seconds']:.1f} s.")
    if result["status"] != "succeeded":
        failed = [step for step in result["steps"] if step["status"] == "failed"]
        cause = failed[-1]["message"] if failed else result["error"].get("message", result["error"])
        errors.print("failed:", style="bold red", end=" ")
        errors.print(cause, markup=False, soft_wrap=True)
        if not any(step["step"] in _SENDING for step in result["steps"]):
            command = called(f"logs --run {result['run_id'][:8]}{at}")
            errors.print(f"Nothing was sent. `{command}` shows what the steps have written.", soft_wrap=True)
