"""`env`: what a shell, a script or a notebook needs to talk to this machine's BigQuery as to Google's."""

import shlex
from typing import Annotated

import typer

from omnipipe.cli.console import print_json


def env(
    as_: Annotated[
        str | None,
        typer.Option(
            "--as", metavar="WORKLOAD", help="Be a workload's service account, such as dbt-job; else the owner."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for a machine.")] = False,
) -> None:
    """Print the variables with which Google's own clients work against this machine: eval "$(omnipipe env)".

    `bigquery.Client()` then needs no argument. As a workload it may do what the program's grants allow, and no more.
    """
    from omnipipe.laptop import access, workloads

    cloud = access.running_cloud()
    variables = workloads.shell_of_owner(cloud) if as_ is None else workloads.shell_of_account(cloud, as_)
    if as_json:
        print_json(variables)
        return
    for name, value in variables.items():
        typer.echo(f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}")
