"""Whether nobody uses a stack: the last deployment, and the last daily run that a person started, are long ago.

``python -m stacks.idle --stack dev --days 7`` prints the answer as JSON, with its reason. The exit code is 0 when it
could be decided; when a fact could not be read it is 1 and there is no answer. A stack that protects its data is
never idle, whatever its age.

It asks the ``pulumi`` command, which must be logged in, for the deployments, and BigQuery for the runs, without a
query job: reading a table's rows takes roles/bigquery.dataViewer on it and nothing else.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery

from omnipipe.contracts.tables import PIPELINE_RUNS

ROOT = Path(__file__).resolve().parent.parent
# As many entries of the history as are asked for: refreshes and previews may stand between deployments.
_HISTORY = 100


class Unknown(Exception):
    """A fact that the answer needs could not be read. The text says which and why."""


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


def read(stack: str) -> Facts:
    """Read the facts of a stack. Raises Unknown."""
    project, protected = _settings(stack)
    is_up, last_deployment = _deployments(stack)
    # A stack that is not up may have no table of runs, and one that is protected needs no more.
    run = _last_run_by_person(project) if is_up and not protected else None
    return Facts(protected=protected, is_up=is_up, last_deployment=last_deployment, last_run_by_person=run)


def _settings(stack: str) -> tuple[str, bool]:
    """The stack's project, and whether it protects its data."""
    try:
        declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
        own = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
        protected = own.get("omnipipe:protectData", declared["protectData"]["default"])
        project = own["gcp:project"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise Unknown(f"the settings of the stack {stack}: {error!r}") from error
    if not isinstance(protected, bool):
        raise Unknown(f"protectData of the stack {stack} is {protected!r}: write true or false")
    return project, protected


def _deployments(stack: str) -> tuple[bool, datetime | None]:
    """Whether a stack is up, and when it was deployed last.

    A deployment that failed counts too: somebody works on it. The entries are as in
    https://github.com/pulumi/pulumi/issues/4328, the newest first.
    """
    command = ["pulumi", "stack", "history", "--stack", stack, "--json", "--page-size", str(_HISTORY)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
        entries = [
            (entry["kind"], entry["result"], datetime.fromisoformat(entry["startTime"]).astimezone(UTC))
            for entry in json.loads(done.stdout)
        ]
    except subprocess.CalledProcessError as error:
        raise Unknown(f"the deployments of {stack}: pulumi says {' '.join(error.stderr.split())}") from error
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as error:
        raise Unknown(f"the deployments of {stack}: {error!r}") from error
    if not entries:
        return False, None
    for kind, result, when in entries:
        if kind == "destroy" and result == "succeeded":
            return False, None
        if kind == "update":
            return True, when
    if len(entries) == _HISTORY:
        raise Unknown(f"the deployments of {stack}: the last {_HISTORY} entries of its history are none")
    return False, None


def _last_run_by_person(project: str) -> datetime | None:
    """When a person started a run last. A run that does not say who started it counts as a person's."""
    try:
        client = bigquery.Client(project)
        return max((run["started_at"] for run in _runs(client) if run["started_by"] != "schedule"), default=None)
    except (GoogleAPICallError, GoogleAuthError, OSError, KeyError) as error:
        raise Unknown(f"the runs in {project}:{PIPELINE_RUNS.id}: {error!r}") from error


def _runs(client: bigquery.Client) -> Iterator[Any]:
    wanted = [
        bigquery.SchemaField.from_api_repr(field)
        for field in PIPELINE_RUNS.schema()
        if field["name"] in ("started_at", "started_by")
    ]
    table = bigquery.TableReference.from_string(PIPELINE_RUNS.id, client.project)
    return iter(client.list_rows(table, selected_fields=wanted))


def main(arguments: list[str]) -> int:
    """Print the answer; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m stacks.idle", description=__doc__)
    parser.add_argument("--stack", required=True, help="such as dev")
    parser.add_argument(
        "--days", required=True, type=int, help="how many days without use make it idle, at least 1"
    )
    given = parser.parse_args(arguments)
    if given.days < 1:
        parser.error(f"--days is {given.days}: give at least 1")
    try:
        facts = read(given.stack)
    except Unknown as error:
        print(f"it cannot be said whether {given.stack} is idle: {error}", file=sys.stderr)  # noqa: T201 - the answer
        return 1
    idle, reason = decide(facts, given.days, datetime.now(UTC))
    answer = {
        "stack": given.stack,
        "idle": idle,
        "reason": reason,
        "last_deployment": facts.last_deployment,
        "last_run_by_person": facts.last_run_by_person,
    }
    print(json.dumps(answer, default=str))  # noqa: T201 - the answer
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
