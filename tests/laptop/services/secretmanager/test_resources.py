"""Secrets: a folder each, a file of its owner's only for each version."""

import pytest

from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.deployment import Deployment
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.services.secretmanager import resources as secretmanager

SECRET = "projects/omnipipe-test/secrets/password"


def put(cloud: Cloud, data: str) -> str:
    """Register the program's version of the secret; its number."""
    Deployment(cloud).register("gcp:secretmanager/secret:Secret", "secret", {"secretId": "password"}, False)
    inputs = {"secret": SECRET, "secretData": data}
    id_, outputs = Deployment(cloud).register(
        "gcp:secretmanager/secretVersion:SecretVersion", "version", inputs, False
    )
    assert id_ == f"{SECRET}/versions/{outputs['version']}"
    return outputs["version"]


def test_other_data_makes_the_next_version_and_the_same_data_none(cloud: Cloud) -> None:
    assert [put(cloud, data) for data in ("one", "one", "two", "two")] == ["1", "1", "2", "2"]
    assert [secretmanager.read(cloud, "password", version) for version in ("1", "2", "latest")] == [
        "one",
        "two",
        "two",
    ]


def test_the_latest_version_is_the_highest_number(cloud: Cloud) -> None:
    for number in range(11):
        put(cloud, str(number))
    assert secretmanager.read(cloud, "password", "latest") == "10"


def test_only_the_owner_may_read_a_version(cloud: Cloud) -> None:
    put(cloud, "one")
    file = cloud.home.directory / "secrets" / "password" / "1"
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("secret", "version"), [("password", "2"), ("pasword", "1"), ("pasword", "latest"), ("../storage", "1")]
)
def test_what_does_not_exist_is_told_by_name(cloud: Cloud, secret: str, version: str) -> None:
    put(cloud, "one")
    with pytest.raises(LaptopError, match=f"no version {version} of the secret '{secret}'"):
        secretmanager.read(cloud, secret, version)
