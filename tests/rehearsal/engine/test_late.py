"""What is needed without being named comes late; all else at once."""

import pytest

from omnipipe.rehearsal.engine import late

KEY = "/v1/projects/p/locations/europe/keyRings/r/cryptoKeys/k"


@pytest.mark.parametrize(
    ("method", "host", "path"),
    [
        ("POST", "cloudkms", f"{KEY}:setIamPolicy?alt=json"),
        ("POST", "secretmanager", "/v1/projects/p/secrets/s:setIamPolicy"),
        ("POST", "secretmanager", "/v1/projects/p/secrets/s:addVersion?alt=json"),
        ("PUT", "storage", "/storage/v1/b/code/iam?alt=json"),
    ],
)
def test_a_grant_and_a_version_come_late(method: str, host: str, path: str) -> None:
    assert late.seconds(method, host, path) > 0


@pytest.mark.parametrize(
    ("method", "host", "path"),
    [
        ("GET", "cloudkms", f"{KEY}:getIamPolicy"),
        ("POST", "cloudkms", KEY),
        ("GET", "storage", "/storage/v1/b/code/iam"),
        ("POST", "cloudresourcemanager", "/v1/projects/p:setIamPolicy"),
        ("PUT", "storage", "/storage/v1/b/code"),
    ],
)
def test_the_rest_does_not(method: str, host: str, path: str) -> None:
    assert late.seconds(method, host, path) == 0
