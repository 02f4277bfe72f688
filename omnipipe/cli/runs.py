"""`run`: one daily run."""

import json
import time
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from omnipipe.cli.console import console, errors, print_json, progress, table

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud

STEPS = ("init", "weather", "dbt", "validate", "reverse_sync", "finish")


def run(
    run_date: Annotated[
        str | None, typer.Option("--date", help="The day to run for, YYYY-MM-DD; today without it.")
    ] = None,
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Make the model's table anew, or all of them without a MODEL.")
    ] = False,
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="With --full-refresh: a model such as fct_trip.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Run the day: weather, dbt, validation, and only then the KPIs go out.

    With --full-refresh, tables are made anew from all that there is: MODEL's and those that are made from it, or all.
    What only a table knows stays: salts, and KPI rows that once were published.

    Exits with 1 when a step failed; what failed and why is in the table, and in ops.step_runs.
    """
    from omnipipe.cli.cloud import bring_up
    from omnipipe.laptop import access, lifecycle
    from omnipipe.laptop.errors import LaptopError

    if run_date is not None:
        try:
            date.fromisoformat(run_date)
        except ValueError:
            raise LaptopError(f"--date is {run_date!r}: write a day as YYYY-MM-DD") from None
    if model and not full_refresh:
        raise LaptopError(f"{model!r} alone says nothing: write `omnipipe run --full-refresh {model}`")
    cloud = access.current_cloud()
    if not lifecycle.is_whole(cloud):
        bring_up(cloud.home.stack, real_weather=cloud.real_weather, quiet=as_json)
        cloud = access.current_cloud()
    result = daily_run(cloud, run_date, full_refresh=(model or "*") if full_refresh else None, quiet=as_json)
    if as_json:
        print_json(result)
    if result["status"] != "succeeded":
        raise typer.Exit(1)


def probe(as_json: Annotated[bool, typer.Option("--json", help="Print the alerts as JSON.")] = False) -> None:
    """Measure now what the alerts on silent failures look at, as the schedule does each quarter of an hour.

    Runs the job `probe`, then shows the alerts. Exits with 1 when something could not be measured.
    """
    from dataclasses import asdict

    from omnipipe.cli.cloud import show_alerts
    from omnipipe.laptop import access
    from omnipipe.laptop.monitoring import alerts

    cloud = access.running_cloud()
    with progress("Measuring", quiet=as_json):
        failure = access.run_probe(cloud)
    found = [asdict(alert) for alert in alerts.evaluate(cloud)]
    if as_json:
        print_json(found)
    else:
        show_alerts(found)
    if failure:
        errors.print(f"failed: {failure} (all of it: omnipipe logs {access.PROBE})", markup=False, soft_wrap=True)
        raise typer.Exit(1)


def daily_run(
    cloud: "Cloud", run_date: str | None = None, *, full_refresh: str | None = None, quiet: bool = False
) -> dict[str, Any]:
    """One daily run, with a progress line for each step and a table at the end; returns the same as plain data."""
    from omnipipe.laptop import access

    began = time.monotonic()
    with progress("Waiting until every change is in BigQuery", quiet=quiet) as line:
        access.wait_for_streams(cloud)

        def on_step(step: str) -> None:
            if step in STEPS:
                line.update(f"{step} ({STEPS.index(step) + 1} of {len(STEPS)})")

        execution = access.run_daily(cloud, run_date, on_step, full_refresh)
    run_id = execution["name"].rpartition("/")[2]
    _, rows = access.query(
        cloud,
        "SELECT step, status, `rows`, TIMESTAMP_DIFF(finished_at, started_at, MILLISECOND) / 1000, message "
        "FROM ops.step_runs WHERE run_id = @run_id ORDER BY started_at",
        run_id=run_id,
    )
    steps = [dict(zip(("step", "status", "rows", "seconds", "message"), row, strict=True)) for row in rows]
    status = execution["state"].lower()
    result = {"run_id": run_id, "status": status, "seconds": time.monotonic() - began, "steps": steps}
    if status != "succeeded":
        result["error"] = json.loads(execution["error"]["payload"])
    if not quiet:
        show(result)
    return result


def show(result: dict[str, Any]) -> None:
    """Print a run as a table, and the cause of its failure."""
    table(
        ("step", "status", "rows", "seconds", ""),
        [(s["step"], s["status"], s["rows"], float(s["seconds"]), s["message"]) for s in result["steps"]],
    )
    console.print(f"Run {result['run_id']} {result['status']} after {result['seconds']:.1f} s.")
    if result["status"] != "succeeded":
        failed = [step for step in result["steps"] if step["status"] == "failed"]
        cause = failed[-1]["message"] if failed else result["error"].get("message", result["error"])
        errors.print("failed:", style="bold red", end=" ")
        errors.print(cause, markup=False, soft_wrap=True)
        if not any(step["step"] == "reverse_sync" for step in result["steps"]):
            errors.print("Nothing was sent. `omnipipe logs SERVICE` shows what a step has written.")
