"""How rows are shown: exact values, as a table where it fits, else a block a record; whole lines into a pipe."""

import base64
import csv
import json
import math
import re
import sys
import textwrap
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from rich.cells import cell_len
from rich.markup import escape

from omnipipe.cli.console import console

# A state has its colour wherever it stands in a column of states.
_STATE_COLUMNS = {"state", "status"}
_COLOURS = {
    **dict.fromkeys(("succeeded", "running", "passed", "sent", "ok", "RUNNING"), "green"),
    **dict.fromkeys(("failed", "error", "stopped", "interrupted", "FIRING", "FAILED"), "bold red"),
    **dict.fromkeys(("unknown", "refused", "cancelled", "no data"), "yellow"),
}
_NUMBER = re.compile(r"-?[\d,]+(\.\d+)?(e[+-]?\d+)?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_GAP = 2
# The last column of a table may be folded into what is left of the line, if that is at least so wide.
_FOLDED_WIDTH = 30
# Colouring so many rows takes no time; more are rather written as they are.
_COLOURED_ROWS = 1000


def exact(value: Any) -> str:
    """A value as BigQuery's own command shows it: nothing rounded, grouped or left out.

    NULL is ``NULL``, bytes are base64, a NUMERIC has no zeros that say nothing, arrays and records are JSON.
    """
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case Decimal() if value.is_finite():
            return format(value.normalize(), "f")
        case bytes():
            return base64.b64encode(value).decode()
        case datetime() | date() | time():
            return str(value)
        case list() | dict():
            return json.dumps(value, default=exact, ensure_ascii=False)
        case _:
            return str(value)


def as_json(value: Any) -> Any:
    """A value in JSON's own types, as far as they hold it exactly; else its text."""
    match value:
        case float() if not math.isfinite(value):
            return exact(value)
        case None | bool() | int() | float() | str():
            return value
        case list() | tuple():
            return [as_json(item) for item in value]
        case dict():
            return {key: as_json(item) for key, item in value.items()}
        case _:
            return exact(value)


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write rows as CSV with a header line; NULL is an empty field, as in an export of BigQuery."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(["" if value is None else exact(value) for value in row] for row in rows)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Show rows: a table as wide as its content; in a terminal that is narrower, a block for each row.

    Columns of numbers stand on the right. A text in the last column is folded where that is enough.
    """
    cells = [[_printable(exact(value)) for value in row] for row in rows]
    widths = [
        max(cell_len(text) for text in (name, *column))
        for name, column in zip(columns, _across(cells, columns), strict=True)
    ]
    room = console.width if console.is_terminal else None
    needed = sum(widths) + _GAP * (len(widths) - 1)
    if room and needed > room and widths:
        left = room - (needed - widths[-1])
        if left < _FOLDED_WIDTH:
            return _blocks(columns, cells, room)
        widths[-1] = left
    right = [
        bool(cells) and all(_NUMBER.fullmatch(text) or text in ("", "NULL") for text in column)
        for column in _across(cells, columns)
    ]
    _print_line(_aligned(columns, widths, right), style="bold" if any(columns) else None)
    for row in cells:
        for number, line in enumerate(_folded(row, widths)):
            _print_line(_aligned(line, widths, right), _colours(columns, row) if number == 0 else (), len(cells))
    return None


def _across(cells: list[list[str]], columns: Sequence[str]) -> list[tuple[str, ...]]:
    """The cells by column, also when there is no row."""
    return list(zip(*cells, strict=True)) if cells else [() for _ in columns]


def _blocks(columns: Sequence[str], cells: list[list[str]], room: int) -> None:
    label = max(map(cell_len, columns)) + _GAP
    for number, row in enumerate(cells):
        if number:
            _print_line("")
        for name, text in zip(columns, row, strict=True):
            colour = [(text, _COLOURS[text])] if name in _STATE_COLUMNS and text in _COLOURS else ()
            first, *more = _wrapped(text, max(room - label, _FOLDED_WIDTH))
            _print_line(f"{name}{' ' * (label - cell_len(name))}{first}", colour, len(cells))
            for line in more:
                _print_line(f"{' ' * label}{line}")


def _folded(row: list[str], widths: list[int]) -> list[list[str]]:
    """A row as one or more lines: only the last cell may take more than one."""
    if not row or cell_len(row[-1]) <= widths[-1]:
        return [row]
    first, *more = _wrapped(row[-1], widths[-1])
    return [[*row[:-1], first], *([*[""] * (len(row) - 1), line] for line in more)]


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]


def _aligned(row: Sequence[str], widths: list[int], right: list[bool]) -> str:
    parts = []
    for text, width, on_the_right in zip(row, widths, right, strict=True):
        space = " " * (width - cell_len(text))
        parts.append(space + text if on_the_right else text + space)
    return (" " * _GAP).join(parts).rstrip()


def _colours(columns: Sequence[str], row: list[str]) -> list[tuple[str, str]]:
    return [
        (text, _COLOURS[text])
        for name, text in zip(columns, row, strict=True)
        if name in _STATE_COLUMNS and text in _COLOURS
    ]


def _print_line(line: str, colours: Iterable[tuple[str, str]] = (), of: int = 1, style: str | None = None) -> None:
    """Write a line; in a terminal, with its states in colour."""
    if not console.is_terminal or of > _COLOURED_ROWS:
        sys.stdout.write(line + "\n")
        return
    text = escape(line)
    for word, colour in colours:
        text = re.sub(rf"(?<!\S){re.escape(word)}(?!\S)", f"[{colour}]{word}[/]", text, count=1)
    console.print(text, style=style, soft_wrap=True)


def _printable(text: str) -> str:
    """A text that stays on its line and does nothing to the terminal: control characters as escapes."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
