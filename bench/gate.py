"""What the gate before BigQuery costs a daily run.

    .venv/bin/python -m bench.gate [--trips N]

Runs a day on a laptop cloud of its own, then lets each statement of that day be checked again, as a dry run: in the
name of the account that sent it, which the gate reads it for, and in the owner's name, whom the gate lets pass. The
difference, added up over the day's statements, is the gate's share. Nothing heavy should run beside it.
"""

import argparse
import itertools
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import requests

from bench.laptop import FIRST_PORT, omnipipe
from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.home import Home
from omnipipe.laptop.iam.bindings import ACCOUNT
from omnipipe.laptop.iam.tokens import CLOUD_PLATFORM

REPEAT = 3
TARGET = "10 %"


def main() -> None:
    """Measure, print, and leave nothing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trips", type=int, default=10_000, help="trips of the day")
    trips = parser.parse_args().trips
    with tempfile.TemporaryDirectory(prefix="omnipipe-bench-") as home:
        os.environ |= {"OMNIPIPE_HOME": home, "OMNIPIPE_PORT": str(FIRST_PORT)}
        try:
            omnipipe("up")
            omnipipe("seed", "--trips", str(trips))
            day = json.loads(omnipipe("run", "--json"))
            cloud = Cloud.open(Home(Path(home), "omnipipe", "dev"))
            costs = [cost(cloud, text) for text in statements(cloud)]
            total = sum(costs)
            print(f"{len(costs)} statements in a run of {day['seconds']:.1f} s")
            print(f"the gate: {total:.2f} s, {total / day['seconds']:.1%} of the run  (at most: {TARGET})")
            print(f"a statement: median {statistics.median(costs):.4f} s, at most {max(costs):.4f} s")
        finally:
            omnipipe("down", "--purge")


def statements(cloud: Cloud) -> list[str]:
    """The statements of the day."""
    answer = call(cloud, "GET", "jobs?projection=full&allUsers=true&maxResults=1000", cloud.tokens.owner()).json()
    return [text for job in answer["jobs"] if (text := job["configuration"].get("query", {}).get("query"))]


def cost(cloud: Cloud, text: str) -> float:
    """Seconds that the gate takes for a statement that it has not seen before."""
    workload, owner = sender(cloud, text), cloud.tokens.owner()
    pairs = [(dry_run(cloud, text, workload), dry_run(cloud, text, owner)) for _ in range(REPEAT)]
    return max(0.0, statistics.median(gated - open_ for gated, open_ in pairs))


def sender(cloud: Cloud, text: str) -> str:
    """A token of an account that may run a statement, as the one that did could."""
    for account in cloud.registry.of_type(ACCOUNT):
        token = cloud.tokens.issue(account.outputs["email"], CLOUD_PLATFORM)
        if send(cloud, text, token).status_code != requests.codes.forbidden:
            return token
    raise SystemExit(f"no account of the program may run: {text}")


_numbers = itertools.count()


def dry_run(cloud: Cloud, text: str, token: str) -> float:
    """Seconds of one dry run."""
    began = time.perf_counter()
    send(cloud, text, token)
    return time.perf_counter() - began


def send(cloud: Cloud, text: str, token: str) -> requests.Response:
    """A dry run. The comment makes it another text: what was read once is remembered."""
    body = {"query": f"{text}\n-- {next(_numbers)}", "useLegacySql": False, "dryRun": True}
    return call(cloud, "POST", "queries", token, body)


def call(
    cloud: Cloud, method: str, path: str, token: str, body: dict[str, Any] | None = None
) -> requests.Response:
    """One request to BigQuery."""
    url = f"{cloud.bigquery_url}/bigquery/v2/projects/{cloud.project}/{path}"
    return requests.request(method, url, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=60)


if __name__ == "__main__":
    main()
