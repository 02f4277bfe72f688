"""`status`: is all well, in five lines; and all of it on demand."""

import shlex
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from omnipipe.cli.console import AtGoogle, called, console, print_json, progress, say, say_here
from omnipipe.cli.records import exact, table

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud

_LABEL = 12


def status(
    everything: Annotated[
        bool, typer.Option("--all", help="Show every process, kind of resource, address and alert.")
    ] = False,
    stack: AtGoogle = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for a machine.")] = False,
) -> None:
    """Tell whether all is well: what runs, capture, the last run, alerts; --all shows what is where."""
    if stack is not None:
        from omnipipe.cli import at_google

        return at_google.status(at_google.stack_of(stack, quiet=as_json), everything=everything, as_json=as_json)
    from omnipipe.laptop import report
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.errors import LaptopError

    cloud = Cloud.current()
    say_here(cloud.home.stack, quiet=as_json)
    with progress("Asking how all is", quiet=as_json):
        state = report.status(cloud) | {"psql": _psql(cloud)}
        if "run" in cloud.declaration.commands:
            with suppress(LaptopError):  # BigQuery does not answer: the processes say so
                state["last_run"] = _newest_run(cloud)
    state["problems"] = problems(state)
    if as_json:
        print_json(state)
    elif everything:
        _show_all(state)
    else:
        _show_short(state)
    return None


def _newest_run(cloud: "Cloud") -> dict[str, Any] | None:
    """The newest row of ops.pipeline_runs; None before the first run. Raises LaptopError as ``texts``."""
    from omnipipe.laptop.services.bigquery import queries

    newest = (
        "SELECT run_id, status, CAST(run_date AS STRING), UNIX_MILLIS(started_at) FROM ops.pipeline_runs "
        "ORDER BY started_at DESC LIMIT 1"
    )
    for run_id, status, day, began in queries.texts(cloud, newest):
        started = datetime.fromtimestamp(int(began or 0) // 1000, UTC)
        return {"run_id": run_id, "status": status, "run_date": day, "started_at": started}
    return None


def _psql(cloud: "Cloud") -> list[str] | None:
    from omnipipe.laptop import access
    from omnipipe.laptop.errors import LaptopError
    from omnipipe.laptop.services.sql.postgres import psql_path

    with suppress(LaptopError):  # the program has none, or not yet
        return [
            str(psql_path()),
            access.login(cloud, **cloud.declaration.of_command("seed", "job", "user", "password")),
        ]
    return None


def problems(state: dict[str, Any]) -> list[str]:
    """What is not well, in a few words each: processes that are gone, capture, the last run, alerts."""
    stopped = [process["name"] for process in state["processes"] if process["state"] != "running"]
    if stopped:
        found = [f"not running: {', '.join(stopped)}. `{called('up')}` brings it back"]
        return found + of_the_day(state | {"streams": []})  # what is gone is why a stream is not well
    return of_the_day(state)


def of_the_day(state: dict[str, Any]) -> list[str]:
    """What is not well of capture, the last run and the alerts, here or at Google."""
    found = [f"{stream['name']} is {stream['state']}" for stream in state["streams"] if not _is_well(stream)]
    if (state.get("last_run") or {}).get("status") not in (None, "succeeded", "running"):
        found.append(f"the last run is {state['last_run']['status']}")
    firing = _firing(state["alerts"])
    if firing:
        found.append(f"{len(firing)} alert{'s fire' if len(firing) > 1 else ' fires'}")
    return found


def _show_short(state: dict[str, Any]) -> None:
    processes, wrong = state["processes"], state["problems"]
    if wrong:
        _line("all well", f"[bold red]no[/]: {escape('; '.join(wrong))}")
    else:
        megabytes = sum(process["megabytes"] or 0 for process in processes)
        _line(
            "all well",
            f"[green]yes[/]: the stack [bold]{state['stack']}[/] is up, {len(processes)} processes, {megabytes} MB",
        )
    if state["streams"]:
        whole = all(process["state"] == "running" for process in processes)
        _line("capture", "; ".join(_capture(stream, with_error=whole) for stream in state["streams"]))
    if "last_run" in state:
        _line("last run", _last_run(state["last_run"]))
    _line("alerts", _alerts(state["alerts"]))
    _line("more", f"`{called('status --all')}`")


def show_google(state: dict[str, Any]) -> None:
    """The same of a stack at Google."""
    wrong, parts = state["problems"], Counter(each["kind"] for each in state["parts"])
    counted = ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in sorted(parts.items()))
    well = "[yellow]it rests[/]" if state["resting"] else "[green]yes[/]"
    _line("all well", f"[bold red]no[/]: {escape('; '.join(wrong))}" if wrong else f"{well}: {counted}")
    if state["streams"]:
        _line("capture", "; ".join(_capture(stream, with_error=True) for stream in state["streams"]))
    at = f" --stack {state['stack']}"
    if "last_run" in state:
        _line("last run", _last_run(state["last_run"], at))
    _line("alerts", _alerts(state["alerts"]))
    _line("more", f"`{called('status --all' + at)}`")


def _below_home(folder: str) -> str:
    """A folder as a shell takes it, the short way where it is below the user's own."""
    own = f"{Path.home()}/"
    return f"~/{folder.removeprefix(own)}" if folder.startswith(own) else folder


def _line(label: str, text: str) -> None:
    console.print(f"[dim]{label:<{_LABEL}}[/]{text}", soft_wrap=not console.is_terminal)


def _is_well(stream: dict[str, Any]) -> bool:
    """Whether a stream does what the program asks for; a pause is what it asked for."""
    return stream["state"] in ("RUNNING", "PAUSED", "NOT_STARTED")


def _capture(stream: dict[str, Any], *, with_error: bool) -> str:
    """A stream's state; its error only while all runs: else it is of a connection to what is gone."""
    said = f"{stream['name']} is [{'green' if _is_well(stream) else 'bold red'}]{stream['state']}[/]"
    if stream["lag_bytes"] is not None:
        said += f", {stream['lag_bytes']:,} bytes of the log behind"
    return said + (f": {escape(stream['error'])}" if stream["error"] and with_error else "")


def _last_run(run: dict[str, Any] | None, at: str = "") -> str:
    if run is None:
        return f"none yet: `{called('run' + at)}` starts one"
    colour = {"succeeded": "green", "running": "yellow"}.get(run["status"], "bold red")
    return f"[{colour}]{run['status']}[/] for {run['run_date']}, began {run['started_at']:%Y-%m-%d %H:%M:%S} UTC"


def _alerts(alerts: list[dict[str, Any]]) -> str:
    firing = _firing(alerts)
    counted = _states(alerts) or "none"
    if not firing:
        return counted + (f": `{called('probe')}` measures now" if _unmeasured(alerts) else "")
    return f"{counted}: [bold red]{escape(', '.join(firing))}[/]"


def _firing(alerts: list[dict[str, Any]]) -> list[str]:
    return [alert["policy"] for alert in alerts if alert["state"] == "FIRING"]


def _show_all(state: dict[str, Any]) -> None:
    _show_short(state)
    _line("project", f"{state['project']}, in {escape(_below_home(state['home']))}")
    console.print()
    table(
        ("process", "state", "pid", "MB", "address"),
        [
            (p["name"], p["state"], p["pid"] or "", p["megabytes"] or "", p["address"] or "")
            for p in state["processes"]
        ],
    )
    console.print()
    table(
        ("the program asks for", "count", "here it is"),
        [(k["kind"], k["count"], k["effect"]) for k in state["kinds"]],
    )
    console.print()
    say(f"Recorded, without effect here: {', '.join(state['without_effect'])}")
    console.print("\nOutside world, replaced on this machine only:")
    table(
        ("setting", "on Google", "here"),
        [(each["setting"], each["configured"], each["here"]) for each in state["outside_world"]],
    )
    console.print()
    show_alerts(state["alerts"])
    if state["psql"]:
        console.print("\nPostgres:")
        console.print(psql_line(state["psql"]), soft_wrap=True, markup=False)  # to be copied as one line


def psql_line(argv: list[str]) -> str:
    """A command line that a shell takes, whatever is in the paths."""
    return shlex.join(argv)


def show_alerts(
    alerts: list[dict[str, Any]], whose: str = "by the program's own policies on the logs of this machine"
) -> None:
    """Print those that are not ok, and how many are."""
    if not alerts:
        return
    say(f"Alerts, {whose}: {_states(alerts)}")
    unmeasured = _unmeasured(alerts)
    shown = [alert for alert in alerts if alert["state"] != "ok" and alert not in unmeasured]
    if shown:
        columns = ("policy", "severity", "state", "subject", "value", "since", "why")
        table(columns, [["" if alert[c] is None else exact(alert[c]) for c in columns] for alert in shown])
    for why in dict.fromkeys(alert["why"] for alert in unmeasured):
        named = (alert["policy"] for alert in unmeasured if alert["why"] == why)
        say(f"No data, {escape(why)}: {escape(', '.join(named))}")


def _unmeasured(alerts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [alert for alert in alerts if alert["state"] == "no data"]


def _states(alerts: list[dict[str, Any]]) -> str:
    counts = Counter(alert["state"] for alert in alerts)
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
