"""Artifact Registry and the builds that go into it: images are folders, see ``images``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.kind import Kind, Recorded
from omnipipe.laptop.services.artifacts.images import Image, build, digest_of

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource

IMAGE = "docker-build:index:Image"


class DockerImage(Kind):
    """An image that the program builds."""

    effect = "a folder, and an environment of its packages"

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        image = build(*_source(resource), cloud.home.path("images"))
        resource.id = image.digest
        resource.outputs = _outputs(resource, image.digest)

    def foreseen(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> dict[str, Any]:
        return _outputs(resource, digest_of(*_source(resource)))


def _source(resource: Resource) -> tuple[Path, Path]:
    """Context and Dockerfile, relative to the working directory, which is the program's folder, as for the provider."""
    context, dockerfile = (Path(resource.inputs[name]["location"]).resolve() for name in ("context", "dockerfile"))
    return context, dockerfile


def _outputs(resource: Resource, digest: str) -> dict[str, Any]:
    tag = resource.inputs["tags"][0]
    return {**resource.inputs, "digest": digest, "ref": f"{tag}@{digest}", "contextHash": digest}


def image_of(cloud: Cloud, reference: str) -> Image:
    """The built image that a job names by digest.

    Raises LaptopError for an image that the program did not build.
    """
    digest = reference.rpartition("@sha256:")[2]
    folder = cloud.home.directory / "images" / digest[:16]
    if len(digest) != 64 or not (folder / "image.json").is_file():
        raise LaptopError(
            f"there is no image {reference!r}: a job runs an image that the program builds, by digest"
        )
    return Image.load(folder)


KINDS: dict[str, Kind] = {
    IMAGE: DockerImage(),
    "gcp:artifactregistry/repository:Repository": Recorded(
        "projects/{project}/locations/{location}/repositories/{repositoryId}"
    ),
}
