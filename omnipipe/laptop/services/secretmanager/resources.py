"""Secret Manager: a folder a secret, a file of mode 0600 a version."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.home import write_text
from omnipipe.laptop.iam.bindings import Bindings
from omnipipe.laptop.kind import Kind

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource


SECRET = "gcp:secretmanager/secret:Secret"  # noqa: S105 - a type's name


class Secret(Kind):
    """A secret: the folder of its versions."""

    effect = "a folder"
    hosts = ("secretmanager.googleapis.com",)

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        _folder(cloud, resource.inputs["secretId"])
        resource.id = f"projects/{cloud.project}/secrets/{resource.inputs['secretId']}"
        resource.outputs = {**resource.inputs, "name": resource.id}

    def remove(self, cloud: Cloud, resource: Resource) -> None:
        shutil.rmtree(_folder(cloud, resource.inputs["secretId"]))


class SecretVersion(Kind):
    """A version: other data makes the next number, and earlier ones stay readable until they are removed."""

    effect = "a file of mode 0600"

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        folder = _folder(cloud, resource.inputs["secret"].rpartition("/")[2])
        latest, data = _latest(folder), resource.inputs["secretData"]
        if latest == 0 or (folder / str(latest)).read_text() != data:
            latest = add(cloud, folder.name, data)
        resource.id = f"{resource.inputs['secret']}/versions/{latest}"
        resource.outputs = {**resource.inputs, "name": resource.id, "version": str(latest)}


def add(cloud: Cloud, secret: str, data: str) -> int:
    """Write the next version of a secret, and return its number."""
    folder = _folder(cloud, secret)
    number = _latest(folder) + 1
    write_text(folder / str(number), data, mode=0o600)
    return number


def read(cloud: Cloud, secret: str, version: str) -> str:
    """The data of a version, by number or ``latest``.

    Raises LaptopError when there is no such secret or version, as a deployment on Google would fail.
    """
    return read_numbered(cloud, secret, version)[1]


def read_numbered(cloud: Cloud, secret: str, version: str) -> tuple[str, str]:
    """The number and the data of a version, by number or ``latest``. Raises LaptopError as ``read`` does."""
    folder = cloud.home.directory / "secrets" / secret
    number = str(_latest(folder) or version) if version == "latest" else version
    try:
        if not number.isdigit():
            raise FileNotFoundError
        return number, (folder / number).read_text()
    except FileNotFoundError:
        raise LaptopError(f"there is no version {version} of the secret {secret!r}") from None


def _latest(folder: Path) -> int:
    """The highest number of a version, 0 where there is none."""
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    return max((int(name) for name in names if name.isdigit()), default=0)


def read_as(cloud: Cloud, account: str, secret: str, version: str) -> str:
    """The data of a version for a workload's account: Cloud Run asks at a deployment, and when an instance starts.

    ``secret`` is its id, or its whole name. Raises LaptopError with Cloud Run's words when the account may not.
    """
    name = f"projects/{cloud.project}/secrets/{secret.rpartition('/')[2]}"
    if not Bindings(cloud.registry, cloud.project).allow(account, "secretmanager.versions.access", name):
        raise LaptopError(
            f"Permission denied on secret: {name}/versions/{version} for Revision service account {account}. "
            "The service account used must be granted the 'Secret Manager Secret Accessor' role "
            "(roles/secretmanager.secretAccessor) at the secret, project or higher level."
        )
    return read(cloud, name.rpartition("/")[2], version)


def _folder(cloud: Cloud, secret: str) -> Path:
    return cloud.home.path("secrets", secret)


KINDS: dict[str, Kind] = {
    SECRET: Secret(),
    "gcp:secretmanager/secretVersion:SecretVersion": SecretVersion(),
}
