"""`up`, `down` and `status`: the laptop cloud itself."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from omnipipe.cli.console import console, print_json, progress
from omnipipe.cli.records import table

if TYPE_CHECKING:
    from omnipipe.laptop.lifecycle import Up

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for a machine.")]


def up(
    stack: Annotated[
        str, typer.Option(help="Which stack: dev or prod. Its own Pulumi.STACK.yaml is read.")
    ] = "dev",
    real_weather: Annotated[bool, typer.Option("--real-weather", help="Ask the real weather API.")] = False,
    as_json: Json = False,
) -> None:
    """Run the Pulumi program on this machine: every resource made real, in the background.

    Run it again after a change of the program or of its code: only what changed is deployed.
    """
    done = bring_up(stack, real_weather=real_weather, quiet=as_json)
    if as_json:
        print_json(
            {"stack": done.stack, "resources": done.changes, "outputs": done.outputs, "seconds": done.seconds}
        )
        return
    console.print(f"The stack [bold]{done.stack}[/] is up after {done.seconds:.1f} s: {_counted(done.changes)}.")
    console.print(
        "Next: [bold]omnipipe seed[/], then [bold]omnipipe run[/]. Where things are: [bold]omnipipe status[/]"
    )


def bring_up(stack: str, *, real_weather: bool = False, quiet: bool = False) -> "Up":
    """``up`` with a line for what is being made. On Ctrl-C everything that runs is ended again."""
    from omnipipe.laptop import lifecycle

    with progress(f"Starting the stack {stack}", quiet=quiet) as line:

        def report(what: str, resource: Any) -> None:
            if what != "unchanged":
                line.update(f"{what} {resource.kind} {resource.name}")

        return lifecycle.up(stack, real_weather=real_weather, report=report)


def down(
    purge: Annotated[bool, typer.Option("--purge", help="Remove the stack's data too.")] = False,
    as_json: Json = False,
) -> None:
    """Stop the laptop cloud. Its data stays for the next `up`, unless --purge."""
    from omnipipe.laptop import lifecycle

    stopped = lifecycle.down(purge=purge)
    if as_json:
        print_json({"stopped": stopped, "purged": purge})
    elif stopped:
        console.print(
            f"Stopped {len(stopped)} processes: {', '.join(stopped)}.{' The data is removed.' if purge else ''}"
        )
    else:
        console.print(f"Nothing was running.{' The data is removed.' if purge else ''}")


def status(as_json: Json = False) -> None:
    """Show what runs, where it is, which alerts fire, what is replaced, and what has no effect here."""
    from omnipipe.laptop import report

    state = report.status()
    if as_json:
        print_json(state)
        return
    console.print(f"Stack [bold]{state['stack']}[/] of project {state['project']}, in {state['home']}")
    console.print(f"{'Up' if state['up'] else '[bold red]Not whole[/]: `omnipipe up` brings it back'}\n")
    table(
        ("process", "state", "pid", "MB", "address"),
        [(p["name"], p["state"], str(p["pid"] or ""), p["megabytes"], p["address"]) for p in state["processes"]],
    )
    console.print()
    table(
        ("the program asks for", "here it is", "count"),
        [(k["kind"], k["effect"], k["count"]) for k in state["kinds"]],
    )
    console.print(f"\nRecorded, without effect here: {', '.join(state['without_effect'])}")
    console.print("\nOutside world, replaced on this machine only:")
    table(
        ("setting", "on Google", "here"),
        [(r["setting"], r["configured"], r["here"]) for r in state["outside_world"]],
    )
    if state["streams"]:
        console.print()
        table(
            ("stream", "state", "lag in bytes", "error"),
            [(s["name"], s["state"], s["lag_bytes"], s["error"]) for s in state["streams"]],
        )
    show_alerts(state["alerts"])
    console.print(f"\nPostgres: {state['psql']}", soft_wrap=True)  # to be copied as one line


def show_alerts(alerts: list[dict[str, Any]]) -> None:
    """Print those that are not ok, and how many are."""
    if not alerts:
        return
    shown = [alert for alert in alerts if alert["state"] != "ok"]
    console.print(f"\nAlerts, by the program's own policies on the logs of this machine: {_states(alerts)}")
    if shown:
        columns = ("policy", "severity", "state", "subject", "value", "since", "why")
        table(columns, [[alert[column] for column in columns] for alert in shown])


def _states(alerts: list[dict[str, Any]]) -> str:
    counts = Counter(alert["state"] for alert in alerts)
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))


def _counted(changes: dict[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in changes.items()) + " resources"
