"""Cloud Storage: a folder a bucket, a file an object."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.kind import Autonamed, Kind
from omnipipe.laptop.services.storage.content import content_of

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource


BUCKET = "gcp:storage/bucket:Bucket"


class Bucket(Autonamed):
    """A bucket."""

    effect = "a folder"
    different = "no uploads in parts; lifecycle rules do nothing"
    hosts = ("storage.googleapis.com",)

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        name = resource.inputs["name"]
        cloud.home.path("storage", name)
        resource.id = name
        resource.outputs = {**resource.inputs, "url": f"gs://{name}", "selfLink": name}

    def remove(self, cloud: Cloud, resource: Resource) -> None:
        folder = cloud.home.path("storage", resource.inputs["name"])
        if any(path.is_file() for path in folder.rglob("*")) and not resource.inputs.get("forceDestroy"):
            raise LaptopError(f"the bucket {resource.inputs['name']} is not empty, and has no forceDestroy")
        shutil.rmtree(folder)
        shutil.rmtree(cloud.home.path("storage-states", resource.inputs["name"]))


class BucketObject(Kind):
    """An object: a copy of its source, which may be a file, a text, or a folder that becomes a zip."""

    effect = "a file"
    different = "`a` and `a/b` cannot both be one"

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        bucket, name = resource.inputs["bucket"], resource.inputs["name"]
        path = object_path(cloud, bucket, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_bytes(content_of(resource.inputs))
        temporary.replace(path)
        resource.id = f"{bucket}-{name}"
        resource.outputs = {**resource.inputs, "selfLink": resource.id}

    def autoname(self, name: str, inputs: dict[str, Any]) -> str:
        """With other content it is replaced, by one with another name."""
        return f"{name}-{hashlib.sha256(name.encode() + content_of(inputs)).hexdigest()[:7]}"

    def remove(self, cloud: Cloud, resource: Resource) -> None:
        object_path(cloud, resource.inputs["bucket"], resource.inputs["name"]).unlink(missing_ok=True)


def object_path(cloud: Cloud, bucket: str, name: str) -> Path:
    """The file of an object, whether it is there or not."""
    return cloud.home.directory / "storage" / bucket / name


KINDS: dict[str, Kind] = {
    BUCKET: Bucket(),
    "gcp:storage/bucketObject:BucketObject": BucketObject(),
}
