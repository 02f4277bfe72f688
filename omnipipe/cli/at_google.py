"""The commands with `--stack`: the same words for what runs at Google."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape

from omnipipe.cli.console import called, console, errors, print_json, progress, say, say_where
from omnipipe.cli.logs import Line, show
from omnipipe.cli.named import argument_of, ended
from omnipipe.cli.records import table
from omnipipe.cli.runs import RECORDED_STEPS, recorded

if TYPE_CHECKING:
    from omnipipe.google.stack import Stack
    from omnipipe.laptop.services.bigquery.queries import Rows

# A mistyped join must not cost more than a person can answer for; it is the bound of the models, too.
_MAXIMUM_BYTES = 2**40
_FOLLOWED_S = 3.0
_NEWEST_RUN = (
    "SELECT run_id, status, CAST(run_date AS STRING), started_at FROM ops.pipeline_runs "
    "ORDER BY started_at DESC LIMIT 1"
)


def stack_of(name: str, *, quiet: bool) -> "Stack":
    """The stack, whose place is said first. Raises LaptopError."""
    from omnipipe.google.stack import Stack
    from omnipipe.laptop.home import PROJECT_ROOT

    found = Stack.load(PROJECT_ROOT, name)
    if not quiet:
        say_where(f"At Google: the stack {name}, project {found.project}, {found.region}")
    return found


@contextmanager
def _following() -> Iterator[None]:
    """What goes on at Google after Ctrl-C is told."""
    from omnipipe.google.executions import Left

    try:
        yield
    except Left as left:
        errors.print(escape(str(left)), soft_wrap=True)
        raise typer.Exit(130) from None


def run(stack: "Stack", workflow: str, argument: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """An execution of the workflow of the day, with its steps as they are recorded, as plain data."""
    from omnipipe.google import executions
    from omnipipe.laptop import access

    began = time.monotonic()
    with _following(), progress(workflow, quiet=quiet) as line:
        execution = executions.run_workflow(
            stack, workflow, argument, lambda step: line.update(escape(f"{workflow}: {step}"))
        )
    run_id = execution["name"].rpartition("/")[2]
    with progress("Reading what the steps recorded", quiet=quiet):
        rows = rows_of(stack, RECORDED_STEPS, run_id=run_id).rows
    result = recorded(run_id, execution["state"].lower(), began, rows)
    if result["status"] != "succeeded":
        result["error"] = access.raised_by(execution)
    return result


def started(stack: "Stack", name: str, data: str | None, *, quiet: bool) -> dict[str, Any]:
    """A workflow or a job by its name, run to its end, as plain data. Raises LaptopError for a name of neither."""
    from omnipipe.google import executions, state
    from omnipipe.laptop import access
    from omnipipe.laptop.errors import LaptopError

    with progress("Asking what there is", quiet=quiet):
        known = {each["name"]: each["kind"] for each in state.runnable(stack)}
    if name not in known:
        raise LaptopError(
            f"there is no workflow or job {name!r}: choose one of {', '.join(sorted(known)) or 'none: nothing is up'}"
        )
    argument = argument_of(name, data, is_job=known[name] == "job")
    began = time.monotonic()
    answer = None
    with _following(), progress(escape(name), quiet=quiet) as line:
        if known[name] == "job":
            _, failure = executions.run_job(stack, name)
        else:
            done = executions.run_workflow(
                stack, name, argument, lambda step: line.update(escape(f"{name}: {step}"))
            )
            succeeded = done["state"] == "SUCCEEDED"
            failure = None if succeeded else access.failure_of(done)
            answer = access.answer_of(done) if succeeded else None
    return ended(name, began, answer, failure)


def probe(stack: "Stack", *, as_json: bool) -> None:
    """Run the job of the probe at Google, then show the alerts."""
    from omnipipe.cli.status import show_alerts
    from omnipipe.google import executions, state

    job = stack.declaration.of_command("probe", "job")["job"]
    with _following(), progress("Measuring", quiet=as_json):
        _, failure = executions.run_job(stack, job)
        found = state.alerts(stack)
    if as_json:
        print_json(found)
    else:
        show_alerts(found, "of Cloud Monitoring, which takes minutes to see what was measured")
    if failure:
        command = called(f"logs {job} --stack {stack.name}")
        errors.print(f"failed: {failure} (all of it: {command})", markup=False, soft_wrap=True)
        raise typer.Exit(1)


def replay(stack: "Stack", wanted: list[str] | str, *, as_json: bool) -> None:
    """Have the workflow of the day send dead letters again. Raises LaptopError with its words when it fails."""
    from omnipipe.google import executions
    from omnipipe.laptop import access

    workflow = stack.declaration.of_command("run", "workflow")["workflow"]
    with _following(), progress("Sending again", quiet=as_json):
        execution = executions.run_workflow(stack, workflow, {"replay": wanted})
    answer = access.answer_of(execution)
    if as_json:
        print_json(answer)
    else:
        console.print(f"{answer['message']}.")


def business(stack: "Stack", environment: dict[str, str], *, quiet: bool) -> list[str]:
    """Run the job that plays the business, inside the network; returns what it has written.

    Raises LaptopError with its last words when it fails, and where the stack has no such job.
    """
    from omnipipe.google import executions
    from omnipipe.google.logs import Logs
    from omnipipe.laptop.errors import LaptopError

    job = stack.declaration.of_command("business", "job")["job"]
    with _following(), progress(f"The job {job}", quiet=quiet) as line:
        execution, failure = executions.run_job(stack, job, environment)
        line.update("Reading what it has written")
        lines = [Line(name, entry) for name, entry in Logs(stack, job, execution=execution).last(20)]
    said = [str(line.fields["message"]) for line in lines if "message" in line.fields]
    if failure:
        raise LaptopError(said[-1] if said else failure)
    return said


def status(stack: "Stack", *, everything: bool, as_json: bool) -> None:
    """Tell whether all is well at Google."""
    from omnipipe.cli import status as shown
    from omnipipe.google import state
    from omnipipe.laptop.errors import LaptopError

    with progress("Asking how all is", quiet=as_json):
        found: dict[str, Any] = {
            "stack": stack.name,
            "project": stack.project,
            "parts": state.parts(stack),
            "streams": state.streams(stack),
            "alerts": state.alerts(stack),
        }
        try:
            newest = rows_of(stack, _NEWEST_RUN).rows
            found["last_run"] = (
                dict(zip(("run_id", "status", "run_date", "started_at"), newest[0], strict=True))
                if newest
                else None
            )
        except LaptopError as error:
            found["problems"] = [f"ops.pipeline_runs cannot be read: {error}"]
    found["resting"] = state.is_resting(found["parts"], found["streams"])
    wrong = [
        f"{each['kind']} {each['name']} is {each['state']}"
        for each in found["parts"]
        if not each["well"] and not (found["resting"] and each["kind"] == "database")
    ]
    of_the_day = shown.of_the_day(found | ({"streams": []} if found["resting"] else {}))
    found["problems"] = [*wrong, *found.get("problems", ()), *of_the_day]
    if not found["parts"]:
        found["problems"] = [f"nothing is up: pulumi up --stack {stack.name}"]
    if as_json:
        print_json(found)
        return
    shown.show_google(found)
    if everything:
        console.print()
        table(("kind", "name", "state"), [(each["kind"], each["name"], each["state"]) for each in found["parts"]])
        console.print()
        shown.show_alerts(found["alerts"], "of Cloud Monitoring")


def logs(
    stack: "Stack",
    service: str | None,
    *,
    lines: int,
    follow: bool,
    run: str | None,
    after: datetime | None,
    as_json: bool,
) -> None:
    """Show the newest entries of Cloud Logging, and with ``follow`` what comes."""
    from omnipipe.google.logs import Logs

    entries = Logs(stack, service, run=run)
    began = datetime.now(UTC)
    with progress("Asking Cloud Logging", quiet=as_json):
        found = entries.last(lines, after)
    for name, entry in found:
        show(Line(name, entry), as_json=as_json, names=service is None)
    if not found and not follow and not as_json:
        errors.print("No entry.", style="dim")
    while follow:
        time.sleep(_FOLLOWED_S)
        for name, entry in entries.since(began):
            show(Line(name, entry), as_json=as_json, names=service is None)


def rows_of(stack: "Stack", statement: str, count: int | None = None, **parameters: str) -> "Rows":
    """The first rows of a statement, or all, with how many there are. Raises LaptopError with BigQuery's words.

    Reading more than 1 TiB is refused before it costs anything.
    """
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError
    from google.cloud import bigquery

    from omnipipe.laptop.errors import LaptopError
    from omnipipe.laptop.services.bigquery.queries import Rows

    config = bigquery.QueryJobConfig(
        maximum_bytes_billed=_MAXIMUM_BYTES,
        query_parameters=[
            bigquery.ScalarQueryParameter(name, "STRING", text) for name, text in parameters.items()
        ],
        labels={"app": "omnipipe", "step": "command"},
    )
    try:
        found = stack.bigquery.query(statement, job_config=config).result(max_results=count)
        rows = [list(row.values()) for row in found]
    except GoogleAPICallError as error:
        raise LaptopError(str(error.errors[0]["message"]) if error.errors else str(error.message)) from error
    except (GoogleAuthError, OSError) as error:
        raise LaptopError(f"bigquery.googleapis.com does not answer: {error}") from error
    total = found.total_rows if found.total_rows is not None else len(rows)
    return Rows([field.name for field in found.schema], rows, total)


def say_business(said: list[str], command: str) -> None:
    """What the job has written last, and what to do next."""
    say(f"{escape(said[-1].rstrip('.')) if said else 'Done'}. Next: [bold]{called(command)}[/]")
