"""`logs`: what services, functions and jobs have written, one or all of them, in the order of time."""

import heapq
import itertools
import json
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from omnipipe.cli import completion
from omnipipe.cli.console import AtGoogle, console, say_here

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_AGE = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_COLOURS = {"WARNING": "yellow", "ERROR": "bold red", "CRITICAL": "bold red", "DEBUG": "dim"}
POLL_S = 0.2


@dataclass(frozen=True)
class Line:
    """What one service wrote at one moment: an entry as Cloud Logging has it."""

    service: str
    entry: dict[str, Any]

    @property
    def time(self) -> datetime:
        return self.entry["timestamp"]

    @property
    def fields(self) -> dict[str, Any]:
        return self.entry.get("jsonPayload", {})

    def of_run(self, run: str) -> bool:
        """Whether it names a run, whose id may be cut short."""
        return str(self.fields.get("run_id", "")).startswith(run)


def logs(
    service: Annotated[
        str | None,
        typer.Argument(
            help="Name of a process, function or job; all of them without it.", autocompletion=completion.logs
        ),
    ] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the last entries.", min=1)] = 50,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is written from now on.")
    ] = False,
    run: Annotated[
        str | None, typer.Option(metavar="ID", help="Only what belongs to a run; the id's first characters do.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Only what is newer: 90s, 10m, 2h, 1d, or a time in UTC.")
    ] = None,
    stack: AtGoogle = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object for each entry, on a line.")] = False,
) -> None:
    """Show what a service, function or job has written, with the tracebacks; all of them in the order of time."""
    from omnipipe.laptop.home import require_current

    after = _moment(since) if since else None
    if stack is not None:
        from omnipipe.cli import at_google

        found = at_google.stack_of(stack, quiet=as_json)
        return at_google.logs(found, service, lines=lines, follow=follow, run=run, after=after, as_json=as_json)
    home = require_current()
    files = _files(home.path("logs"), service)
    say_here(home.stack, quiet=as_json)
    written = Written(files)
    for line in _last(files, lines, after or _BEGINNING, run):
        show(line, as_json=as_json, names=service is None)
    while follow:
        time.sleep(POLL_S)
        for line in written.since():
            if not run or line.of_run(run):
                show(line, as_json=as_json, names=service is None)
    return None


def _files(folder: Path, service: str | None) -> list[Path]:
    from omnipipe.laptop.errors import LaptopError

    files = sorted(folder.glob("*.log"))
    if service is None:
        return files
    chosen = [file for file in files if file.stem == service]
    if not chosen:
        known = ", ".join(file.stem for file in files)
        raise LaptopError(f"nothing of the name {service!r} has written a log: choose one of {known}")
    return chosen


def _moment(text: str) -> datetime:
    """An age such as ``10m``, or a time. Raises LaptopError for anything else."""
    from omnipipe.laptop.errors import LaptopError

    if age := _AGE.fullmatch(text):
        return datetime.now(UTC) - timedelta(**{_UNITS[age[2]]: int(age[1])})
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise LaptopError(
            f"--since is {text!r}: write an age such as 90s, 10m, 2h or 1d, or a time such as 2026-11-20T05:00"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _last(files: list[Path], count: int, after: datetime, run: str | None) -> list[Line]:
    """The last entries of all files together, the oldest first."""
    newest_first = heapq.merge(
        *(_backwards(file, after) for file in files), key=lambda line: line.time, reverse=True
    )
    wanted = (line for line in newest_first if not run or line.of_run(run))
    return list(itertools.islice(wanted, count))[::-1]


def _backwards(file: Path, after: datetime) -> Iterator[Line]:
    from omnipipe.laptop.services.monitoring.entries import Source

    return (Line(file.stem, entry) for entry in Source(file, {}).entries(after))


class Written:
    """What is written into logs from now on."""

    def __init__(self, files: list[Path]) -> None:
        self._ends = {file: file.stat().st_size if file.exists() else 0 for file in files}

    def since(self) -> list[Line]:
        """What was written since the last time; a line without its end is left for the next."""
        from omnipipe.laptop.services.monitoring.entries import Source

        found = []
        for file, end in self._ends.items():
            with suppress(FileNotFoundError), file.open("rb") as stream:
                stream.seek(end)
                whole, newline, _ = stream.read().rpartition(b"\n")
                self._ends[file] += len(whole + newline)
                now = datetime.now(UTC)
                texts = whole.decode(errors="replace").splitlines()
                found += [Line(file.stem, Source(file, {}).entry(text, now)) for text in texts if text]
        return sorted(found, key=lambda line: line.time)


def _of_google(fields: dict[str, Any]) -> str:
    """What one of Google's own services has logged of a workload, in a line: of which one, and the words of it."""
    match fields:
        case {"resource": {"labels": labels}, "jsonPayload": payload}:
            name, failure = list(labels.values())[-1], payload.get("failure") or {}
            words = (
                payload.get("message") or failure.get("source") or payload.get("debugInfo") or payload.get("url")
            )
            return f"{name}: {words}"
    return json.dumps(fields, ensure_ascii=False)


def show(line: Line, *, as_json: bool = False, names: bool = False) -> None:
    """Print an entry: for people, or as JSON on a line; with the service's name where there are several."""
    severity, fields = line.entry["severity"], line.fields
    message = str(line.entry.get("textPayload", fields.get("message", _of_google(fields))))
    if as_json:
        entry = {
            "timestamp": line.time.isoformat(),
            "severity": severity,
            "service": line.service,
            "message": message,
        }
        print(json.dumps({**fields, **entry}, ensure_ascii=False), flush=True)  # noqa: T201 - a line for a machine
        return
    if "textPayload" in line.entry:
        severity = ""
    colour = _COLOURS.get(severity)
    stamp = f"{line.time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    name = f"{line.service} " if names else ""
    said = f"[dim]{stamp}[/] {escape(f'{severity:<7}')} [cyan]{escape(name)}[/]{escape(message)}"
    console.print(f"[{colour}]{said}[/]" if colour else said, soft_wrap=True)
    if trace := fields.get("stack_trace"):
        console.print(
            escape("\n".join(f"    {part}" for part in str(trace).splitlines())), style="dim", soft_wrap=True
        )
