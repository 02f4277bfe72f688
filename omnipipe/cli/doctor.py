"""`doctor`: what is missing for a stack on this machine and at Google, and how to get it."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from rich.markup import escape

from omnipipe.cli.cloud import Json, Stack
from omnipipe.cli.console import errors, print_json, say

if TYPE_CHECKING:
    from omnipipe.setup.checks import Finding

_INDENT = " " * 9


def doctor(stack: Stack = "dev", as_json: Json = False) -> None:
    """Tell what is missing for a stack, and how to get it: on this machine, in its settings, at Google.

    Without credentials for Google it looks at this machine and at the settings alone, and says so. Changes nothing.
    Exits with 1 when something is missing.
    """
    from omnipipe.laptop.home import PROJECT_ROOT
    from omnipipe.setup.examination import Examination, NotAsked

    def waits(what: str, seconds: int) -> None:
        errors.print(f"[dim]… looking for {seconds} s: {escape(what)}[/]")

    findings: list[Finding] = []
    not_asked = ""
    for answer in Examination(PROJECT_ROOT, stack, waits=waits).findings():
        if isinstance(answer, NotAsked):
            not_asked = answer.sentence
            continue
        findings.append(answer)
        if not as_json:
            _show(answer)
    missing = [finding.name for finding in findings if not finding.ok]
    if as_json:
        print_json({"stack": stack, "checks": [asdict(finding) for finding in findings], "not_asked": not_asked})
    else:
        if not_asked:
            say(escape(not_asked))
        say(f"[bold red]Missing: {', '.join(missing)}.[/]" if missing else "Nothing is missing.")
    if missing:
        raise typer.Exit(1)


def _show(finding: "Finding") -> None:
    first, *more = finding.said.splitlines()
    say(
        f"{'[green]ok[/]     ' if finding.ok else '[bold red]missing[/]'}  [bold]{finding.name}[/]: {escape(first)}"
    )
    for line in more:
        say(f"{_INDENT}{escape(line)}")
    if finding.get:
        say(f"{_INDENT}→ {escape(finding.get)}")
