"""`dbt` and `job`: the parts of the day by hand, as the identities that they have in the day."""

import os
import subprocess
import time
from pathlib import Path
from typing import Annotated

import typer

from omnipipe.cli import completion
from omnipipe.cli.console import errors, progress, say

# Nothing is silent for longer.
_SILENT_S = 1.5
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
    target, logs = cloud.home.path("dbt", "target"), cloud.home.path("dbt", "logs")
    log = logs / "dbt.log"
    log.unlink(missing_ok=True)
    process = subprocess.Popen(
        [str(shell.packages / "bin" / "dbt"), *context.args],
        env={
            **shell.environment,
            "DBT_PROJECT_DIR": str(project),
            "DBT_PROFILES_DIR": str(project),
            "DBT_TARGET_PATH": str(target),
            "DBT_LOG_PATH": str(logs),
            "TERM": os.environ.get("TERM", "dumb"),
        },
    )
    if errors.is_terminal:
        _say_that_it_starts(process, log)
    raise typer.Exit(process.wait())


def _say_that_it_starts(process: subprocess.Popen[bytes], log: Path) -> None:
    """Say so, each in a line of its own, until dbt begins its log and speaks for itself: that takes it seconds."""
    said = 0.0
    while process.poll() is None and not log.exists():
        if time.monotonic() - said > _SILENT_S:
            errors.print("Starting dbt", style="dim")
            said = time.monotonic()
        time.sleep(0.02)


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
