"""`up`, `preview` and `down`: the laptop cloud itself."""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from omnipipe.cli import completion
from omnipipe.cli.console import called, console, errors, print_json, progress, say

if TYPE_CHECKING:
    from omnipipe.laptop.lifecycle import Up
    from omnipipe.laptop.plan import Change
    from omnipipe.laptop.policies import Violation
    from omnipipe.laptop.project import Project

_SHOWN = 12  # changed resources are named up to so many

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for a machine.")]
Stack = Annotated[
    str,
    typer.Option(
        help="Which stack: dev or prod. Its own Pulumi.STACK.yaml is read.", autocompletion=completion.stacks
    ),
]
Program = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Run another Pulumi program: the folder of its Pulumi.yaml."),
]
Real = Annotated[
    list[str] | None,
    typer.Option(
        "--real",
        metavar="NAME",
        help="Ask the original in place of a simulator, such as weather-api.",
        autocompletion=completion.simulators,
    ),
]


def up(
    stack: Stack = "dev",
    program: Program = None,
    real: Real = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Replace and remove what the program says, also with data in it.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Then go on: deploy what changed as files are saved, until Ctrl-C.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run the Pulumi program on this machine: every resource made real, in the background.

    Run it again after a change of the program or of its code: only what changed is deployed. What would lose data is
    told before, and wants --yes or, in a terminal, an answer.
    """
    if watch and as_json:
        raise typer.BadParameter("it is for people: leave --json out", param_hint="--watch")
    done = bring_up(stack, program, real=real or (), may_lose_data=yes, quiet=as_json)
    counts = dict(Counter(change.what for change in done.changes))
    if as_json:
        changed = [asdict(change) for change in done.changes if change.what != "unchanged"]
        print_json(
            {
                "stack": done.stack,
                "resources": counts,
                "changed": changed,
                "warnings": [asdict(warning) for warning in done.warnings],
                "outputs": done.outputs,
                "seconds": done.seconds,
            }
        )
        return
    counted = ", ".join(f"{count} {what}" for what, count in counts.items())
    say(f"The stack [bold]{done.stack}[/] is up after {done.seconds:.1f} s: {counted} resources.")
    _show_warnings(done.warnings)
    _show_changed(done)
    if watch:
        from omnipipe.cli import watching

        folder, _ = _program(program)
        again = [
            "--stack",
            stack,
            "--program",
            str(folder),
            *(word for each in real or () for word in ("--real", each)),
        ]
        watching.watch(folder, [*again, "--yes"] if yes else again)


def _show_changed(done: "Up") -> None:
    """What changed, and what to do next about it."""
    from omnipipe.laptop.cloud import Cloud

    changed = [change for change in done.changes if change.what != "unchanged"]
    day = "run" in Cloud.current().declaration.commands
    if not changed:
        say(f"Nothing has changed. Where things are: [bold]{called('status')}[/]")
    elif len(changed) == len(done.changes):
        first = f"[bold]{called('seed')}[/], then [bold]{called('run')}[/]"
        by_name = f"[bold]{called('run NAME')}[/] starts a workflow or a job"
        say(f"Next: {first if day else by_name}. Where things are: [bold]{called('status')}[/]")
    else:
        for change in changed[:_SHOWN]:
            say(f"  {change.what} {escape(f'{change.kind} {change.name}')}")
        if len(changed) > _SHOWN:
            say(f"  and {len(changed) - _SHOWN} more")
        if day:
            say(f"Next: [bold]{called('run')}[/] runs the day with it.")


def bring_up(
    stack: str,
    program: Path | None = None,
    *,
    real: Sequence[str] = (),
    may_lose_data: bool = False,
    quiet: bool = False,
) -> "Up":
    """``up`` with a line for what is being made. On Ctrl-C everything that runs is ended again.

    When data would be lost: asks in a terminal, and raises LosesData elsewhere.
    """
    from omnipipe.laptop import lifecycle
    from omnipipe.laptop.errors import LaptopError, LosesData

    folder, check = _program(program)
    try:
        with progress(f"Starting the stack {stack}", quiet=quiet) as line:

            def report(what: str, resource: Any) -> None:
                if what != "unchanged":
                    line.update(escape(f"{what} {resource.kind} {resource.name}"))

            return lifecycle.up(folder, stack, real=real, may_lose_data=may_lose_data, check=check, report=report)
    except LosesData as error:
        if quiet or not (sys.stdin.isatty() and console.is_terminal):
            raise LaptopError(
                f"{error}. `{called('preview')}` shows all of it; `{called('up')} --yes` does it"
            ) from error
        _show_changes(lifecycle.preview(folder, stack, real=real, check=check).changes)
        errors.print(escape(str(error)), style="yellow")
        if not typer.confirm("Do it, and lose that data?"):
            raise LaptopError(
                "nothing was replaced or removed; what comes before it in the program is up"
            ) from None
    return bring_up(stack, folder, real=real, may_lose_data=True, quiet=quiet)


def _program(folder: Path | None) -> "tuple[Path, Callable[[Project], None]]":
    """A program's folder, and what its settings must hold to: this project knows that of its own."""
    from omnipipe.laptop.home import PROJECT_ROOT

    found = folder.expanduser().resolve() if folder else PROJECT_ROOT
    return found, check_settings if found == PROJECT_ROOT else lambda _: None


def check_settings(project: "Project") -> None:
    """Check the stack's own settings, as the program does, before addresses of this machine take their place.

    Raises LaptopError with a line for each problem: file, line, what is wrong, what to write.
    """
    from omnipipe.laptop.errors import LaptopError
    from stacks.settings import problems

    found = problems(project.config, project.stack)
    if found:
        raise LaptopError(
            "\n".join(f"{project.lines.get(key, f'Pulumi.{project.stack}.yaml')}: {words}" for key, words in found)
        )


def preview(stack: Stack = "dev", program: Program = None, real: Real = None, as_json: Json = False) -> None:
    """Show what `up` would do: what would be created, changed, replaced or removed, and which inputs differ.

    Makes nothing. The program's policies are asked, too: what they warn of is told, and what they refuse is an error.
    """
    from omnipipe.laptop import lifecycle, policies

    folder, check = _program(program)
    with progress("Running the program", quiet=as_json):
        done = lifecycle.preview(folder, stack, real=real or (), check=check)
    if as_json:
        print_json(asdict(done))
    else:
        _show_changes(done.changes)
        _show_warnings(done.violations)
    policies.refuse(done.violations)


def _show_changes(changes: "list[Change]") -> None:
    signs = {"create": "[green]+[/]", "change": "[yellow]~[/]", "replace": "[red]±[/]", "remove": "[red]-[/]"}
    for change in changes:
        lost = " [bold red](its data would be lost)[/]" if change.loses_data else ""
        say(f"{signs[change.what]} {change.what:<8}{escape(f'{change.kind} {change.name}')}{lost}")
        for each in change.inputs:
            say(f"      {escape(each.name)}: {escape(each.before)} [dim]→[/] {escape(each.after)}")
    counts = Counter(change.what for change in changes)
    if changes:
        say(", ".join(f"{count} to {what}" for what, count in counts.items()) + f". `{called('up')}` does it.")
    else:
        say("Nothing would change.")


def _show_warnings(violations: "Sequence[Violation]") -> None:
    for each in violations:
        if not each.mandatory:
            say(f"[yellow]warning:[/] {escape(str(each))}")


def down(
    purge: Annotated[bool, typer.Option("--purge", help="Remove the stack's data too.")] = False,
    as_json: Json = False,
) -> None:
    """Stop the laptop cloud. Its data stays for the next `up`, unless --purge."""
    from omnipipe.laptop import lifecycle

    with progress("Stopping what runs", quiet=as_json):
        stopped = lifecycle.down(purge=purge)
    removed = " The data is removed." if purge else " The data stays." if stopped else ""
    if as_json:
        print_json({"stopped": stopped, "purged": purge})
    elif stopped:
        say(f"Stopped {len(stopped)} processes: {', '.join(stopped)}.{removed}")
    else:
        say(f"Nothing was running.{removed}")
