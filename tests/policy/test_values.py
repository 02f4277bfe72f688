"""Inputs that have one of some values."""

import pytest
from pulumi.runtime.rpc import UNKNOWN

from policy.values import allowed_values
from tests.policy.conftest import said


@pytest.mark.parametrize(
    ("kind", "path", "taken", "refused"),
    [
        ("storage.Bucket", "publicAccessPrevention", ["inherited", "enforced"], ["Enforced", "on", "unspecified"]),
        (
            "artifactregistry.Repository",
            "format",
            ["DOCKER", "docker", "PYTHON"],
            ["CONTAINER", "FORMAT_UNSPECIFIED"],
        ),
    ],
)
def test_values(kind: str, path: str, taken: list[str], refused: list[str]) -> None:
    assert not [value for value in (*taken, UNKNOWN) if said(allowed_values, kind, {path: value})]
    for value in refused:
        (message,) = said(allowed_values, kind, {path: value})
        assert message.startswith(f"{path} is {value!r}: write ")
