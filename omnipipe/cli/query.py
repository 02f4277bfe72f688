"""`sql`, `tables` and `describe`: look at the data."""

import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from omnipipe.cli import completion
from omnipipe.cli.console import AtGoogle, console, errors, print_json, progress, say_here
from omnipipe.cli.records import as_json, exact, print_csv, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from omnipipe.laptop.services.bigquery.queries import Rows

DEFAULT_ROWS = 100
_HISTORY = "sql-history"
_PROMPT, _MORE = "sql> ", "  -> "

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for a machine.")]


def sql(
    query: Annotated[
        str | None, typer.Argument(help="A BigQuery SQL statement; without one, a prompt takes them.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(help=f"How many rows; 0 for all. {DEFAULT_ROWS} in a terminal, all into a pipe.", min=0),
    ] = None,
    stack: AtGoogle = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the rows as JSON.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print the rows as CSV.")] = False,
) -> None:
    """Run a query against BigQuery, with the tables' names as in the stack.

    What is printed is exact: nothing is rounded, folded or cut. At Google a query that would read more than 1 TiB is
    refused.
    """
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.errors import LaptopError
    from omnipipe.laptop.services.bigquery import queries

    if json_ and csv:
        raise LaptopError("--json and --csv are two forms of the same: choose one")
    quiet = json_ or csv
    if stack is not None:
        from omnipipe.cli import at_google

        asked = partial(at_google.rows_of, at_google.stack_of(stack, quiet=quiet))
    else:
        cloud = Cloud.current()
        say_here(cloud.home.stack, quiet=quiet)
        asked = partial(queries.first_rows, cloud)
    if query is None and sys.stdin.isatty():
        if stack is None:
            from omnipipe.laptop import access

            access.require_whole(Cloud.current())
        return _prompt(asked, limit)
    statement = sys.stdin.read() if query is None else query
    if limit is None and console.is_terminal and not json_ and not csv:
        limit = DEFAULT_ROWS
    with progress("Asking BigQuery", quiet=json_):
        found = asked(statement, limit or None)
    if json_:
        print_json([dict(zip(found.columns, map(as_json, row), strict=True)) for row in found.rows])
    elif csv:
        print_csv(found.columns, found.rows)
    else:
        _show(found)
    return None


def _show(found: "Rows") -> None:
    if found.columns:
        table(found.columns, found.rows)
    shown = len(found.rows)
    counted = f"{shown:,} row{'' if shown == 1 else 's'}"
    if found.total > shown:
        counted = f"{shown:,} of {found.total:,} rows; --limit 0 for all"
    errors.print(counted, style="dim")


def _prompt(asked: "Callable[[str, int | None], Rows]", limit: int | None) -> None:
    """Take statements, each up to its semicolon, until the end of input; the arrows bring back earlier ones."""
    import readline

    from omnipipe.laptop.errors import LaptopError
    from omnipipe.laptop.home import home_root

    history = home_root() / _HISTORY
    history.parent.mkdir(parents=True, exist_ok=True)
    if history.exists():
        readline.read_history_file(history)
    readline.set_history_length(1000)
    errors.print("Statements end with ; and Ctrl-D leaves. `omnipipe tables` lists the tables.", style="dim")
    statement = ""
    try:
        while True:
            try:
                statement += input(_MORE if statement else _PROMPT) + "\n"
            except KeyboardInterrupt:  # as in a shell: forget what was begun
                statement = ""
                console.print()
                continue
            if not statement.strip():
                statement = ""
            if not statement.rstrip().endswith(";"):
                continue
            try:
                with progress("Asking BigQuery", quiet=False):
                    found = asked(statement, DEFAULT_ROWS if limit is None else limit or None)
                _show(found)
            except LaptopError as error:
                errors.print(str(error), markup=False, style="red", soft_wrap=True)
            statement = ""
    except EOFError:
        console.print()
    finally:
        readline.write_history_file(history)


def tables(
    pattern: Annotated[
        str | None,
        typer.Argument(
            help="Which: a part of the name, or a pattern such as 'prod.*'.", autocompletion=completion.tables
        ),
    ] = None,
    json_: Json = False,
) -> None:
    """List the tables and views of BigQuery, with their rows and when they last changed."""
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.services.bigquery import queries

    with progress("Asking BigQuery", quiet=json_):
        found = queries.tables(Cloud.current(), pattern)
    if json_:
        print_json(found)
        return
    table(
        ("table", "type", "rows", "changed"),
        [
            (
                each["table"],
                each["type"],
                "" if each["rows"] is None else f"{each['rows']:,}",
                "" if each["changed"] is None else f"{each['changed']:%Y-%m-%d %H:%M:%S}",
            )
            for each in found
        ],
    )


def describe(
    name: Annotated[str, typer.Argument(metavar="TABLE", help="dataset.table", autocompletion=completion.tables)],
    json_: Json = False,
) -> None:
    """Show what is known of a table: columns, policy tags, rows, last change, and who may read it."""
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.services.bigquery import queries

    with progress("Asking BigQuery", quiet=json_):
        found = queries.describe(Cloud.current(), name)
    if json_:
        print_json(found)
        return
    about = f": {escape(found['description'])}" if found["description"] else ""
    console.print(f"[bold]{found['table']}[/], a {found['type']}{about}")
    facts = {
        key: found[key] for key in ("rows", "changed", "partitioned by", "clustered by") if found[key] is not None
    }
    if "clustered by" in facts:
        facts["clustered by"] = ", ".join(facts["clustered by"])
    facts["who may read it"] = ", ".join(found["readers"]) or "nobody but the owner"
    for label, readers in found["readers of tagged columns"].items():
        facts[f"its columns of tag {label}"] = ", ".join(readers) or "nobody but the owner"
    for key, value in facts.items():
        shown = (
            f"{value:,}"
            if isinstance(value, int)
            else ", ".join(value)
            if isinstance(value, list)
            else exact(value)
        )
        console.print(f"{key + ':':<28} {shown}", markup=False)
    console.print()
    table(
        ("column", "type", "policy tag", "description"),
        [
            (each["column"], _type(each), each["policy tag"] or "", each["description"] or "")
            for each in found["columns"]
        ],
    )


def _type(column: dict[str, str]) -> str:
    return column["type"] + {"REQUIRED": " not null", "REPEATED": " array"}.get(column["mode"], "")
