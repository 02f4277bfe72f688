"""`idle`: whether nobody uses a stack on Google: its last deployment, and its last run by a person, are long ago."""

import json
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from omnipipe.cli.console import print_json, progress, say

# As many entries of the history as are asked for: refreshes and previews may stand between deployments.
_HISTORY = 100


def idle(
    stack: Annotated[str, typer.Option(help="Which stack: dev or prod.")] = "dev",
    days: Annotated[int, typer.Option(min=1, help="How many days without use make it idle.")] = 7,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Tell whether a stack on Google is idle: no deployment, and no run that a person started, for some days.

    Asks `pulumi`, which must be logged in, and BigQuery. A stack that protects its data is never idle. Exits with 1,
    without an answer, when a fact could not be read.
    """
    from omnipipe.laptop.errors import LaptopError
    from omnipipe.laptop.home import PROJECT_ROOT

    try:
        with progress(f"Asking when {stack} was used", quiet=as_json):
            facts = read(PROJECT_ROOT, stack)
    except LaptopError as error:
        raise LaptopError(f"it cannot be said whether {stack} is idle: {error}") from error
    is_idle, reason = decide(facts, days, datetime.now(UTC))
    if as_json:
        print_json(
            {
                "stack": stack,
                "idle": is_idle,
                "reason": reason,
                "last_deployment": facts.last_deployment,
                "last_run_by_person": facts.last_run_by_person,
            }
        )
    else:
        say(f"The stack [bold]{stack}[/] is {'idle' if is_idle else 'not idle'}: {escape(reason)}.")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a stack; None for what never was.

    ``protected`` is its setting protectData; ``is_up`` whether it was deployed and not destroyed since.
    """

    protected: bool
    is_up: bool
    last_deployment: datetime | None
    last_run_by_person: datetime | None


def decide(facts: Facts, days: int, now: datetime) -> tuple[bool, str]:
    """Whether a stack is idle, and why."""
    if facts.protected:
        return False, "it protects its data (protectData), so it is never destroyed"
    if not facts.is_up or facts.last_deployment is None:
        return False, "it is not deployed: there is nothing to destroy"
    before = now - timedelta(days=days)
    for what, when in (
        ("was deployed", facts.last_deployment),
        ("had a run that a person started", facts.last_run_by_person),
    ):
        if when is not None and when > before:
            return False, f"it {what} at {when:%Y-%m-%d %H:%M} UTC, less than {days} days ago"
    return True, f"neither a deployment nor a run that a person started in the last {days} days"


def read(root: Path, stack: str) -> Facts:
    """Read the facts of a stack of the project in ``root``. Raises LaptopError."""
    from omnipipe.laptop.errors import LaptopError
    from omnipipe.laptop.project import Project

    config = Project.load(root, stack).config
    project, protects = config.get("gcp:project"), config["omnipipe:protectData"]
    if not project:
        raise LaptopError(f"Pulumi.{stack}.yaml does not set gcp:project")
    if protects not in ("true", "false"):
        raise LaptopError(f"protectData of the stack {stack} is {protects!r}: write true or false")
    is_up, last_deployment = _deployments(root, stack)
    # A stack that is not up may have no table of runs, and one that is protected needs no more.
    run = _last_run_by_person(project) if is_up and protects == "false" else None
    return Facts(
        protected=protects == "true", is_up=is_up, last_deployment=last_deployment, last_run_by_person=run
    )


def _deployments(root: Path, stack: str) -> tuple[bool, datetime | None]:
    """Whether a stack is up, and when it was deployed last.

    A deployment that failed counts too: somebody works on it. The entries are as in
    https://github.com/pulumi/pulumi/issues/4328, the newest first.
    """
    from omnipipe.laptop.errors import LaptopError

    command = ["pulumi", "stack", "history", "--stack", stack, "--json", "--page-size", str(_HISTORY)]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=120)
        entries = [
            (entry["kind"], entry["result"], datetime.fromisoformat(entry["startTime"]).astimezone(UTC))
            for entry in json.loads(done.stdout)
        ]
    except subprocess.CalledProcessError as error:
        said = " ".join(error.stderr.split())
        raise LaptopError(f"the deployments of {stack}: pulumi says {said}") from error
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as error:
        raise LaptopError(f"the deployments of {stack}: {error!r}") from error
    if not entries:
        return False, None
    for kind, result, when in entries:
        if kind == "destroy" and result == "succeeded":
            return False, None
        if kind == "update":
            return True, when
    if len(entries) == _HISTORY:
        raise LaptopError(f"the deployments of {stack}: the last {_HISTORY} entries of its history are none")
    return False, None


def _last_run_by_person(project: str) -> datetime | None:
    """When a person started a run last. A run that does not say who started it counts as a person's.

    It reads the table's rows without a query job: that takes roles/bigquery.dataViewer on it and nothing else.
    """
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError
    from google.cloud import bigquery

    from omnipipe.contracts.tables import PIPELINE_RUNS
    from omnipipe.laptop.errors import LaptopError

    table = bigquery.TableReference.from_string(PIPELINE_RUNS.id, project)
    wanted = [
        bigquery.SchemaField.from_api_repr(field)
        for field in PIPELINE_RUNS.schema()
        if field["name"] in ("started_at", "started_by")
    ]
    try:
        runs = bigquery.Client(project).list_rows(table, selected_fields=wanted)
        return max((run["started_at"] for run in runs if run["started_by"] != "schedule"), default=None)
    except (GoogleAPICallError, GoogleAuthError, OSError, KeyError) as error:
        raise LaptopError(f"the runs in {project}:{PIPELINE_RUNS.id}: {error!r}") from error
