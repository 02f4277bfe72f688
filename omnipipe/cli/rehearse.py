"""`rehearse`: the real Pulumi engine and the real Google provider, against a control plane on this machine."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from omnipipe.cli.cloud import Json, Program, Stack
from omnipipe.cli.console import console, fail, print_json, progress, say
from omnipipe.cli.records import table

if TYPE_CHECKING:
    from omnipipe.rehearsal.engine.rehearsal import Report, Step


def rehearse(
    stack: Stack = "dev",
    program: Program = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE", help="Then update with this setting, such as omnipipe:schedule='0 6 * * *'."
        ),
    ] = None,
    faults: Annotated[
        float,
        typer.Option(metavar="RATE", min=0, max=1, help="The share of requests that go wrong in the first up."),
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Which of the requests do.")] = 1,
    propagation: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="How long new identities and grants are not seen yet.")
    ] = 0.0,
    quick: Annotated[bool, typer.Option("--quick", help="Only preview, up and preview again.")] = False,
    as_json: Json = False,
) -> None:
    """Rehearse a deployment without Google: preview, up, previews that find no change, and the removal.

    The Pulumi CLI and the Google provider run the program against a control plane on this machine, which answers and
    refuses as Google does. Nothing leaves the machine, and no credentials are needed. Exit code 1 tells of problems.
    """
    from omnipipe.laptop.home import PROJECT_ROOT
    from omnipipe.rehearsal.engine import installed
    from omnipipe.rehearsal.engine.installed import CannotRehearse
    from omnipipe.rehearsal.engine.rehearsal import Rehearsal
    from omnipipe.rehearsal.faults import Faults

    folder = program.expanduser().resolve() if program else PROJECT_ROOT
    try:
        found = installed.find(folder)
        if not as_json:
            say(found.line)
        with progress("Copying the program", quiet=as_json) as line:
            report = Rehearsal(
                folder,
                stack,
                found,
                begins=lambda name: line.update(escape(f"{name} …")),
                ends=lambda step: None if as_json else _show_step(step),
                faults=Faults(faults, seed) if faults else None,
                propagation=propagation,
            ).run(change=_settings(change or []), quick=quick)
    except CannotRehearse as error:
        fail(str(error))
    if as_json:
        print_json({**asdict(report), "problems": len(report.problems)})
    else:
        _show(report)
    if report.problems:
        raise typer.Exit(1)


def _settings(changes: list[str]) -> dict[str, str]:
    pairs = [change.partition("=") for change in changes]
    if wrong := [key for key, sign, _ in pairs if not sign or ":" not in key]:
        fail(f"--change {wrong[0]}: write KEY=VALUE, the key with its namespace: omnipipe:owner=data-platform")
    return {key: value for key, _, value in pairs}


def _show_step(step: "Step") -> None:
    """A line, once it is done."""
    mark = "[bold red]✗[/]" if step.problems else "[green]✓[/]"
    say(f"{mark} {escape(step.name)}: {_counted(step)}, {step.requests} requests, {step.seconds:.1f} s")


def _counted(step: "Step") -> str:
    return ", ".join(f"{count} {what}" for what, count in step.resources.items()) or "nothing"


def _show(report: "Report") -> None:
    say("")
    table(
        ("step", "resources", "requests", "seconds", "problems"),
        [(s.name, _counted(s), s.requests, f"{s.seconds:.1f}", len(s.problems)) for s in report.steps],
    )
    for step in report.steps:
        if step.name.startswith("change "):
            say("")
            for what in step.changes:
                say(f"  {escape(what)}")
        for problem in step.problems:
            whose = " ".join(filter(None, (problem.type, problem.resource)))
            say(f"\n[bold red]{escape(step.name)}[/]: {escape(whose)}")
            if problem.request:
                say(f"  {escape(problem.request)}")
            say(f"  {escape(problem.error)}")
        for command in step.repairs:
            say(f"\n[bold]{escape(step.name)}[/] is repaired by\n  {escape(command)}")
    if report.left is not None:
        _show_left(report)
    count = len(report.problems)
    found = f"[bold red]{count} problem{'s' if count > 1 else ''}[/]" if count else "No problem"
    say(f"\n{found}.")


def _show_left(report: "Report") -> None:
    left = report.left or []
    kept = {why: [each for each in left if each.why == why] for why in dict.fromkeys(each.why for each in left)}
    say("\nLeft at Google:" if left else "\nNothing is left at Google.")
    for why, those in kept.items():
        if why:
            say(f"  {len(those)}: {escape(why)}")
        else:
            for each in those:
                say(f"  [bold red]{escape(each.host)}[/] {escape(each.name)}: nothing keeps it")
    console.print()
