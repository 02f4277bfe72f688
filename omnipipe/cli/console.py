"""How the command speaks: tables and lines for people, JSON for machines, errors on stderr."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NoReturn

from rich.console import Console
from rich.status import Status
from rich.table import Table

# A pipe has no width: what is read by a program or kept in a file is not folded.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
errors = Console(stderr=True, highlight=False)


def fail(message: str, code: int = 1) -> NoReturn:
    """Say in one line what is wrong, and end."""
    errors.print(f"[bold red]error:[/] {_escaped(message)}", soft_wrap=True)
    sys.exit(code)


def progress(text: str, *, quiet: bool) -> Status:
    """A line that says what is being waited for; none when a machine reads."""
    return (Console(quiet=True) if quiet else console).status(text)


def print_json(value: Any) -> None:
    """Print a value for a machine: JSON on stdout and nothing else."""
    sys.stdout.write(json.dumps(value, indent=2, default=str, ensure_ascii=False) + "\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows as a table; numbers stand on the right."""
    rows = [["" if value is None else value for value in row] for row in rows]
    grid = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(
            isinstance(row[index], int | float | Decimal) or row[index] == "" for row in rows
        )
        grid.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(_cell(value) for value in row))
    console.print(grid)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float | Decimal):
        return f"{value:,.2f}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return _escaped(str(value))


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
