"""`env`: what a shell, a script or a notebook needs to reach BigQuery, functions and Postgres here as on Google."""

import shlex
from typing import Annotated

import typer

from omnipipe.cli import completion
from omnipipe.cli.console import print_json


def env(
    as_: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="WORKLOAD",
            help="Be a workload's service account, such as dbt-job; else the owner.",
            autocompletion=completion.accounts,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for a machine.")] = False,
) -> None:
    """Print the variables with which Google's own clients and Postgres' work here: eval "$(omnipipe env)".

    `bigquery.Client()` and `psycopg.connect()` then need no argument, and NAME_FUNCTION_URL is where a function is
    called. As a workload it may do what the program's grants allow, and no more; its login to Postgres lasts an hour.
    """
    from omnipipe.laptop import access, shells

    cloud = access.running_cloud()
    variables = shells.of_owner(cloud) if as_ is None else shells.of_account(cloud, as_)
    if as_json:
        print_json(variables)
        return
    for name, value in variables.items():
        typer.echo(f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}")
