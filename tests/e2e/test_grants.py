"""Each grant of the program is needed: without it, a step of the day fails. The day itself runs under all of them."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from omnipipe.laptop import access, server
from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.iam.tokens import CLOUD_PLATFORM
from omnipipe.laptop.registry import Registry, Resource
from omnipipe.laptop.services.bigquery import client
from omnipipe.laptop.services.functions.resources import FUNCTION, address
from omnipipe.laptop.services.run.resources import JOB
from omnipipe.laptop.services.scheduler import clock as scheduler
from omnipipe.laptop.services.scheduler.resources import SCHEDULE
from tests.components import test_bindings as bindings
from tests.e2e.conftest import Laptop

pytestmark = pytest.mark.e2e

# Checked when something is deployed, not when it runs: tests/laptop/services takes each of them away.
AT_DEPLOYMENT = {"code-builder", "migrate-job"}
GRANTS = [(who, what) for who, reasons in bindings.REASONS.items() if who not in AT_DEPLOYMENT for what in reasons]
# What a good day does not need, and why it is granted all the same.
NOT_NEEDED = {
    ("daily-workflow", "logging.logWriter on project"): "on a good day no call fails, so none is logged",
    (
        "reverse-sync-function",
        "bigquery.dataEditor on table ops.dead_letters",
    ): "on a good day nothing is given up",
    (
        "reverse-sync-function",
        "secretmanager.secretAccessor on secret webhook-secret",
    ): "read when an instance starts",
}
# Which step of the workflow a grant of the workflow is for; its others are for `init`.
STEPS_OF_THE_WORKFLOW = {
    "run.invoker on function weather": "weather",
    "run.invoker on function reverse-sync": "reverse_sync",
    "run.jobsExecutorWithOverrides on job capture": "capture",
    "run.jobsExecutorWithOverrides on job dbt": "dbt",
    "run.jobsExecutorWithOverrides on job validate": "validate",
}


@pytest.fixture(scope="module")
def cloud(laptop: Laptop) -> Cloud:
    """A cloud in which the day has run, under enforced grants."""
    laptop.ok("up")
    laptop.ok("seed", "--trips", "300")
    assert laptop.daily()["status"] == "succeeded"
    return laptop.cloud


def found(registry: Registry, who: str, what: str) -> Resource:
    """The one grant of the registry that a line of bindings.yaml names."""
    (grant,) = (
        resource
        for resource in registry
        if resource.kind.lower().endswith("iammember")
        and resource.inputs["member"].startswith(f"serviceAccount:{who}@")
        and what
        and bindings.what(resource.kind, resource.inputs) == what
    )
    return grant


@contextmanager
def without(registry: Registry, grant: Resource) -> Iterator[None]:
    """The cloud as if the program did not make a grant."""
    registry.remove(grant)
    try:
        yield
    finally:
        registry.put(grant)


class Day:
    """The steps, each called as the workflow calls it. What fails says why; None is success."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._workflow = f"daily-workflow@{cloud.project}.iam.gserviceaccount.com"

    def function(self, name: str) -> str | None:
        """Call a function."""
        url = address(self.cloud, name)
        token = self.cloud.tokens.issue(self._workflow, url)
        run = {"run_id": "alone", "run_date": datetime.now(UTC).date().isoformat()}
        answer = requests.post(url, json=run, headers={"Authorization": f"Bearer {token}"}, timeout=60)
        return None if answer.ok else answer.text

    def job(self, name: str) -> str | None:
        """Run a job to its end."""
        (job,) = (job for job in self.cloud.registry.of_type(JOB) if job.inputs["name"] == name)
        headers = {"Authorization": f"Bearer {self.cloud.tokens.issue(self._workflow, CLOUD_PLATFORM)}"}
        run = [("RUN_ID", "alone"), ("RUN_DATE", datetime.now(UTC).date().isoformat())]
        overrides = {"containerOverrides": [{"env": [{"name": name, "value": value} for name, value in run]}]}
        operation = self._call("POST", f"{job.id}:run", headers, {"overrides": overrides})
        while not operation.get("done"):
            operation = self._call("GET", operation["name"], headers)
        return operation["error"]["message"] if "error" in operation else None

    def schedule(self, name: str) -> str | None:
        """Let a schedule's moment come; the log of the attempt tells what became of it."""
        (job,) = (job for job in self.cloud.registry.of_type(SCHEDULE) if job.inputs["name"] == name)
        return scheduler.call(self.cloud, server.endpoints(self.cloud), job)

    def workflow(self) -> str | None:
        """Run the whole workflow, after one that was cut off; the name of the step that failed."""
        left = "run_id = 'cut-off', expires_at = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 1 HOUR)"
        client.query(self.cloud, f"UPDATE ops.pipeline_leases SET {left} WHERE pipeline = 'daily'")
        execution = access.run_workflow(self.cloud, "daily", {})
        if execution["state"] == "SUCCEEDED":
            return None
        return json.loads(execution["error"]["payload"]).get("step", "init")

    def _call(self, method: str, path: str, headers: dict[str, str], body: dict[str, Any] | None = None) -> Any:
        answer = requests.request(method, f"{self.cloud.google}/v2/{path}", json=body, headers=headers, timeout=60)
        answer.raise_for_status()
        return answer.json()


STEPS: dict[str, Callable[[Day], str | None]] = {
    "capture-job": lambda day: day.job("capture"),
    "weather-function": lambda day: day.function("weather"),
    "dbt-job": lambda day: day.job("dbt"),
    "validate-job": lambda day: day.job("validate"),
    "reverse-sync-function": lambda day: day.function("reverse-sync"),
    "daily-workflow": lambda day: day.workflow(),
    "daily-schedule": lambda day: day.schedule("daily"),
    "probe-job": lambda day: access.run_job(day.cloud, "probe"),
    "business-job": lambda day: access.run_job(
        day.cloud, "business", {"ACTION": "traffic", "SECONDS": "1", "RATE": "5"}
    ),
    "probe-schedule": lambda day: day.schedule("probe"),
}


def test_each_step_succeeds_with_its_grants(cloud: Cloud) -> None:
    day = Day(cloud)

    assert {who: step(day) for who, step in STEPS.items()} == dict.fromkeys(STEPS)
    assert cloud.registry.of_type(FUNCTION)


@pytest.mark.parametrize(("who", "what"), GRANTS, ids=lambda text: text.replace(" ", "_"))
def test_without_a_grant_its_step_fails(cloud: Cloud, who: str, what: str) -> None:
    with without(cloud.registry, found(cloud.registry, who, what)):
        failure = STEPS[who](Day(cloud))

    if (who, what) in NOT_NEEDED:
        assert failure is None, f"{what} of {who} is needed after all"
    elif who == "daily-workflow":
        assert failure == STEPS_OF_THE_WORKFLOW.get(what, "init")
    else:
        assert failure, f"nothing of {who} needs {what}: take it away, or say why not in NOT_NEEDED"
