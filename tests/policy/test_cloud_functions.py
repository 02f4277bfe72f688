"""Functions."""

from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN

from policy.cloud_functions import function_limits, function_runtimes, unknown_runtimes
from tests.policy.conftest import asked, resource, said

KIND = "cloudfunctionsv2.Function"


def service(**config: Any) -> dict[str, Any]:
    """The inputs of a function with this service."""
    return {"serviceConfig": config}


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (service(availableMemory="512MB"), "serviceConfig.availableMemory is '512MB'"),
        (service(availableMemory="half"), "such as 512Mi or 1Gi, without B"),
        (service(availableMemory="0Mi"), "serviceConfig.availableMemory is '0Mi'"),
        (service(availableCpu="one"), "serviceConfig.availableCpu is 'one'"),
        (service(timeoutSeconds=3601), "serviceConfig.timeoutSeconds is 3601: give 1 to 3600 seconds"),
        (service(timeoutSeconds=0), "serviceConfig.timeoutSeconds is 0"),
        (service(timeoutSeconds=541) | {"eventTrigger": {"eventType": "x"}}, "a function of events has 540 s"),
        (service(timeoutSeconds=3600) | {"eventTrigger": {"eventType": "x"}}, "a function of events has 540 s"),
    ],
)
def test_limits_that_google_does_not_have(inputs: dict[str, Any], words: str) -> None:
    (message,) = said(function_limits, KIND, inputs)
    assert words in message


@pytest.mark.parametrize(
    "inputs",
    [
        *(service(availableMemory=size) for size in ("512Mi", "1G", "256M", "1.5Gi", "536870912", UNKNOWN)),
        *(service(availableCpu=cpu) for cpu in ("1", "0.5", "583m")),
        *(service(timeoutSeconds=seconds) for seconds in (1, 3600, UNKNOWN)),
        service(timeoutSeconds=540) | {"eventTrigger": {"eventType": "x"}},
        {},
    ],
)
def test_limits_that_google_has(inputs: dict[str, Any]) -> None:
    assert not said(function_limits, KIND, inputs)


@pytest.mark.parametrize("runtime", ["python3.12", "python", "node20", "Python312", "rust1"])
def test_a_runtime_is_a_language_and_a_version(runtime: str) -> None:
    inputs = {"buildConfig": {"runtime": runtime}}
    assert said(function_runtimes, KIND, inputs) == [
        f"buildConfig.runtime is {runtime!r}: write one such as python312"
    ]
    assert not said(unknown_runtimes, KIND, inputs)


@pytest.mark.parametrize("runtime", ["python37", "nodejs99"])
def test_a_runtime_that_is_on_no_list_is_a_warning(runtime: str) -> None:
    (violation,) = asked(unknown_runtimes, resource(KIND, {"buildConfig": {"runtime": runtime}}))
    assert violation.message.startswith(f"no function could be deployed with {runtime} in 2026-11:")
    assert not violation.mandatory


@pytest.mark.parametrize(
    "runtime", ["python312", "nodejs22", "go125", "java21", "ruby34", "php84", "dotnet8", UNKNOWN]
)
def test_a_runtime_that_there_is(runtime: str) -> None:
    inputs = {"buildConfig": {"runtime": runtime}}
    assert not said(function_runtimes, KIND, inputs)
    assert not said(unknown_runtimes, KIND, inputs)
