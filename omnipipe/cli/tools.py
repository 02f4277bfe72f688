"""`dbt` and `job`: the parts of the day by hand, as the identities that they have in the day."""

import os
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from omnipipe.cli import completion
from omnipipe.cli.console import errors, progress, say

# What comes after `omnipipe dbt` is dbt's own.
PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


def dbt(context: typer.Context) -> None:
    """Run dbt with the stack's profile, variables and identity: `omnipipe dbt build -s fct_trip+`, `… compile`.

    Takes all arguments of dbt. Its exit code is dbt's.
    """
    from omnipipe.laptop import access, workloads

    cloud = access.running_cloud()
    said = cloud.declaration.of_command("dbt", "job", "folder")
    shell = workloads.of_job(cloud, said["job"])
    project = Path(str(cloud.program), said["folder"])
    if errors.is_terminal:
        errors.print("Starting dbt", style="dim")  # which takes seconds before it says anything
    target, logs = cloud.home.path("dbt", "target"), cloud.home.path("dbt", "logs")
    found = subprocess.run(
        [str(shell.packages / "bin" / "dbt"), *context.args],
        env={
            **shell.environment,
            "DBT_PROJECT_DIR": str(project),
            "DBT_PROFILES_DIR": str(project),
            "DBT_TARGET_PATH": str(target),
            "DBT_LOG_PATH": str(logs),
            "TERM": os.environ.get("TERM", "dumb"),
        },
        check=False,
    )
    raise typer.Exit(found.returncode)


def job(
    name: Annotated[
        str, typer.Argument(help="Name of a Cloud Run job, such as migrate.", autocompletion=completion.jobs)
    ],
) -> None:
    """Execute a Cloud Run job now, as `gcloud run jobs execute` does on Google, and wait for its end.

    Exits with 1 when it failed.
    """
    from omnipipe.laptop import access
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.errors import LaptopError

    with progress(f"Running {name}", quiet=False):
        failure = access.run_job(Cloud.current(), name)
    if failure:
        raise LaptopError(f"{name} failed: {failure} (all of it: omnipipe logs {name})")
    say(f"{name} succeeded.")
