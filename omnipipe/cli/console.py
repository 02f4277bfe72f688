"""How the command speaks: lines for people, JSON for machines, errors on stderr."""

import json
import shlex
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.status import Status

from omnipipe.cli import completion

# A pipe has no width: what is read by a program or kept in a file is not folded.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 100_000)
errors = Console(stderr=True, highlight=False)

# Of the commands that are about a stack that runs here, or with this about one at Google.
AtGoogle = Annotated[
    str | None,
    typer.Option(
        "--stack",
        metavar="STACK",
        help="At Google, in this stack, such as dev; without it, on this machine.",
        autocompletion=completion.stacks,
    ),
]


def fail(message: str, code: int = 1) -> NoReturn:
    """Say what is wrong, and end. A message of several lines, such as one a mistake, stays so."""
    errors.print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True)
    sys.exit(code)


def say(text: str) -> None:
    """Print a sentence, with Rich's markup: folded at the width of a terminal, whole into a pipe."""
    console.print(text, soft_wrap=not console.is_terminal)


def say_where(text: str) -> None:
    """Say, before all else, which of the two a command is about, this machine or Google: on stderr, so that it does no
    harm to a pipe.
    """
    errors.print(escape(text), style="dim", soft_wrap=True)


def say_here(stack: str, *, quiet: bool) -> None:
    """Say that a command is about this machine, unless a machine reads."""
    if not quiet:
        say_where(f"On this machine: the stack {stack}")


def called(command: str) -> str:
    """A command of this project as it can be typed here: by its name if that is on the path, else by its file."""
    own = Path(sys.argv[0]).absolute()
    found = shutil.which("omnipipe")
    if found and Path(found).absolute() == own:
        return f"omnipipe {command}"
    with suppress(ValueError):
        own = own.relative_to(Path.cwd())
    return f"{shlex.quote(str(own))} {command}" if own.name == "omnipipe" else f"omnipipe {command}"


def progress(text: str, *, quiet: bool) -> Status:
    """A line that says what is being waited for, on stderr, where it does no harm to a pipe; none for a machine."""
    return (Console(quiet=True) if quiet else errors).status(text)


def print_json(value: Any) -> None:
    """Print a value for a machine: JSON on stdout and nothing else."""
    sys.stdout.write(json.dumps(value, indent=2, default=str, ensure_ascii=False) + "\n")
