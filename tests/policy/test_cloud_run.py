"""Cloud Run's services and jobs."""

from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN

from policy.cloud_run import run_limits
from tests.policy.conftest import said


def job(limits: Any = None, **task: Any) -> dict[str, Any]:
    """The inputs of a job of one container."""
    return {"template": {"template": {"containers": [{"resources": {"limits": limits}}], **task}}}


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (job({"disk": "10Gi"}), "resources.limits has 'disk': Cloud Run has cpu, memory, nvidia.com/gpu"),
        (job({"memory": "512MB"}), "memory is '512MB'"),
        (job({"memory": "0.5Gi"}), "memory is '0.5Gi'"),
        (job({"memory": "33Gi"}), "Cloud Run has 32Gi at most"),
        (job({"memory": "35G"}), "Cloud Run has 32Gi at most"),
        (job({"cpu": "3"}), "cpu is '3': write one of 1, 2, 4, 6, 8, or less than one"),
        (job({"cpu": "two"}), "cpu is 'two'"),
        (job({"cpu": "1.5"}), "cpu is '1.5'"),
        (job({"cpu": "4", "memory": "1Gi"}), "memory is 1Gi: 4 processors need 2Gi at least"),
        (job({"cpu": "6", "memory": "3Gi"}), "6 processors need 4Gi at least"),
        (job({"cpu": "8000m", "memory": "2048Mi"}), "8 processors need 4Gi at least"),
        (job(maxRetries=11), "template.template.maxRetries is 11: give 0 to 10"),
        (job(timeout="604801s"), "template.template.timeout is '604801s'"),
        (job(timeout="0s"), "template.template.timeout is '0s'"),
    ],
)
def test_a_job_that_cloud_run_refuses(inputs: dict[str, Any], words: str) -> None:
    (message,) = said(run_limits, "cloudrunv2.Job", inputs)
    assert words in message


@pytest.mark.parametrize(
    "inputs",
    [
        *(job({"cpu": cpu}) for cpu in ("1", "2", "8", "1000m", "500m", "0.5", ".08", UNKNOWN)),
        *(job({"memory": size}) for size in ("512Mi", "1Gi", "32Gi", "1G", "536870912", UNKNOWN)),
        job({"cpu": "4", "memory": "2Gi", "nvidia.com/gpu": "1"}),
        job({"cpu": "2", "memory": "512Mi"}),
        job({"cpu": "8", "memory": "4Gi"}),
        job({"cpu": "6", "memory": UNKNOWN}),
        job(timeout="1s"),
        job(maxRetries=0, timeout="604800s"),
        job(maxRetries=10, timeout="15m"),  # that is no duration, which another policy tells
        job(UNKNOWN),
        {"template": UNKNOWN},
        {},
    ],
)
def test_a_job_that_cloud_run_takes(inputs: dict[str, Any]) -> None:
    assert not said(run_limits, "cloudrunv2.Job", inputs)


def test_a_service_has_an_hour() -> None:
    assert not said(run_limits, "cloudrunv2.Service", {"template": {"timeout": "3600s"}})
    (message,) = said(run_limits, "cloudrunv2.Service", {"template": {"timeout": "3601s"}})
    assert message.startswith("template.timeout is '3601s': give 1s to 3600s")
    containers = [{"resources": {"limits": {"disk": "1Gi"}}}]
    assert said(run_limits, "cloudrunv2.Service", {"template": {"containers": containers}})
