"""`up`, `preview` and `down`: the laptop cloud itself."""

import sys
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from omnipipe.cli.console import called, console, errors, print_json, progress, say

if TYPE_CHECKING:
    from omnipipe.laptop.lifecycle import Up
    from omnipipe.laptop.plan import Change
    from omnipipe.laptop.project import Project

_SHOWN = 12  # changed resources are named up to so many

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for a machine.")]
Stack = Annotated[str, typer.Option(help="Which stack: dev or prod. Its own Pulumi.STACK.yaml is read.")]
RealWeather = Annotated[bool, typer.Option("--real-weather", help="Ask the real weather API.")]


def up(
    stack: Stack = "dev",
    real_weather: RealWeather = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Replace and remove what the program says, also with data in it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run the Pulumi program on this machine: every resource made real, in the background.

    Run it again after a change of the program or of its code: only what changed is deployed. What would lose data is
    told before, and wants --yes or, in a terminal, an answer.
    """
    done = bring_up(stack, real_weather=real_weather, may_lose_data=yes, quiet=as_json)
    counts = dict(Counter(change.what for change in done.changes))
    if as_json:
        changed = [asdict(change) for change in done.changes if change.what != "unchanged"]
        print_json(
            {
                "stack": done.stack,
                "resources": counts,
                "changed": changed,
                "outputs": done.outputs,
                "seconds": done.seconds,
            }
        )
        return
    counted = ", ".join(f"{count} {what}" for what, count in counts.items())
    say(f"The stack [bold]{done.stack}[/] is up after {done.seconds:.1f} s: {counted} resources.")
    _show_changed(done)


def _show_changed(done: "Up") -> None:
    """What changed, and what to do next about it."""
    changed = [change for change in done.changes if change.what != "unchanged"]
    if not changed:
        say(f"Nothing has changed. Where things are: [bold]{called('status')}[/]")
    elif len(changed) == len(done.changes):
        say(
            f"Next: [bold]{called('seed')}[/], then [bold]{called('run')}[/]. "
            f"Where things are: [bold]{called('status')}[/]"
        )
    else:
        for change in changed[:_SHOWN]:
            say(f"  {change.what} {escape(f'{change.kind} {change.name}')}")
        if len(changed) > _SHOWN:
            say(f"  and {len(changed) - _SHOWN} more")
        say(f"Next: [bold]{called('run')}[/] runs the day with it.")


def bring_up(stack: str, *, real_weather: bool = False, may_lose_data: bool = False, quiet: bool = False) -> "Up":
    """``up`` with a line for what is being made. On Ctrl-C everything that runs is ended again.

    When data would be lost: asks in a terminal, and raises LosesData elsewhere.
    """
    from omnipipe.laptop import lifecycle
    from omnipipe.laptop.errors import LaptopError, LosesData

    try:
        with progress(f"Starting the stack {stack}", quiet=quiet) as line:

            def report(what: str, resource: Any) -> None:
                if what != "unchanged":
                    line.update(escape(f"{what} {resource.kind} {resource.name}"))

            return lifecycle.up(
                stack, real_weather=real_weather, may_lose_data=may_lose_data, check=check_settings, report=report
            )
    except LosesData as error:
        if quiet or not (sys.stdin.isatty() and console.is_terminal):
            raise LaptopError(
                f"{error}. `{called('preview')}` shows all of it; `{called('up')} --yes` does it"
            ) from error
        _show_changes(lifecycle.preview(stack, real_weather=real_weather, check=check_settings))
        errors.print(escape(str(error)), style="yellow")
        if not typer.confirm("Do it, and lose that data?"):
            raise LaptopError(
                "nothing was replaced or removed; what comes before it in the program is up"
            ) from None
    return bring_up(stack, real_weather=real_weather, may_lose_data=True, quiet=quiet)


def check_settings(project: "Project") -> None:
    """Check the stack's own settings, as the program does, before addresses of this machine take their place.

    Raises LaptopError with a line for each problem: file, line, what is wrong, what to write.
    """
    from omnipipe.laptop.errors import LaptopError
    from stacks import lean_imports

    lean_imports.install()
    from stacks.settings import problems

    found = problems(project.config, project.stack)
    if found:
        raise LaptopError(
            "\n".join(f"{project.lines.get(key, f'Pulumi.{project.stack}.yaml')}: {words}" for key, words in found)
        )


def preview(stack: Stack = "dev", real_weather: RealWeather = False, as_json: Json = False) -> None:
    """Show what `up` would do: what would be created, changed, replaced or removed, and which inputs differ.

    Makes nothing.
    """
    from omnipipe.laptop import lifecycle

    with progress("Running the program", quiet=as_json):
        changes = lifecycle.preview(stack, real_weather=real_weather, check=check_settings)
    if as_json:
        print_json([asdict(change) for change in changes])
    else:
        _show_changes(changes)


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


def down(
    purge: Annotated[bool, typer.Option("--purge", help="Remove the stack's data too.")] = False,
    as_json: Json = False,
) -> None:
    """Stop the laptop cloud. Its data stays for the next `up`, unless --purge."""
    from omnipipe.laptop import lifecycle

    stopped = lifecycle.down(purge=purge)
    removed = " The data is removed." if purge else " The data stays." if stopped else ""
    if as_json:
        print_json({"stopped": stopped, "purged": purge})
    elif stopped:
        say(f"Stopped {len(stopped)} processes: {', '.join(stopped)}.{removed}")
    else:
        say(f"Nothing was running.{removed}")
