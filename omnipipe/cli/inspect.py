"""`sql` and `logs`: look at the data and at what services say."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from omnipipe.cli.console import console, print_json, table


def sql(
    query: Annotated[str, typer.Argument(help="A BigQuery SQL statement.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON.")] = False,
) -> None:
    """Run a query against BigQuery on this machine, with the tables' names as in the stack."""
    from omnipipe.laptop import access

    columns, rows = access.query(access.current_cloud(), query)
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    table(columns, rows)
    console.print(f"{len(rows)} row{'' if len(rows) == 1 else 's'}", style="dim")


def logs(
    service: Annotated[str, typer.Argument(help="Name of a process or job; `omnipipe status` lists them.")],
    lines: Annotated[int, typer.Option(help="How many of the last lines.", min=1)] = 50,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is written from now on.")
    ] = False,
) -> None:
    """Show what a service, function or job has written."""
    from omnipipe.laptop import access
    from omnipipe.laptop.errors import LaptopError

    home = access.current_cloud().home
    file = home.log_file(service)
    if not file.is_file():
        known = sorted(path.stem for path in home.path("logs").glob("*.log"))
        raise LaptopError(f"nothing of the name {service!r} has written a log: choose one of {', '.join(known)}")
    for line in _last(file, lines):
        _print(line)
    if follow:
        with file.open(errors="replace") as stream:
            stream.seek(0, 2)
            while True:
                if line := stream.readline():
                    _print(line.rstrip("\n"))
                else:
                    time.sleep(0.2)


def _last(file: Path, count: int) -> list[str]:
    return file.read_text(errors="replace").splitlines()[-count:]


def _print(line: str) -> None:
    """A structured line as time, severity and message; any other as it is."""
    try:
        entry = json.loads(line)
        message, severity = entry["message"], entry["severity"]
    except (ValueError, KeyError, TypeError):
        console.print(line, markup=False, soft_wrap=True)
        return
    stamp = str(entry.get("timestamp", ""))[:19]
    console.print(f"{stamp} {severity:<7} {message}", markup=False, soft_wrap=True)
