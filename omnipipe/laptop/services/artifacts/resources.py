"""Artifact Registry and the builds that go into it: images are folders, see ``images``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from omnipipe.laptop.kind import Kind, Recorded

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource

IMAGE = "docker-build:index:Image"


class DockerImage(Kind):
    """An image that the program builds."""

    effect = "a folder, and an environment of its packages"
    different = "FROM, WORKDIR, COPY, ENV, USER, ENTRYPOINT, CMD, and one RUN that installs a requirements.txt"

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        from omnipipe.laptop.services.artifacts.images import build

        image = build(*_source(resource), cloud.home.path("images"))
        resource.id = image.digest
        resource.outputs = _outputs(resource, image.digest)

    def foreseen(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> dict[str, Any]:
        from omnipipe.laptop.services.artifacts.images import digest_of

        return _outputs(resource, digest_of(*_source(resource)))


def _source(resource: Resource) -> tuple[Path, Path]:
    """Context and Dockerfile, relative to the working directory, which is the program's folder, as for the provider."""
    context, dockerfile = (Path(resource.inputs[name]["location"]).resolve() for name in ("context", "dockerfile"))
    return context, dockerfile


def _outputs(resource: Resource, digest: str) -> dict[str, Any]:
    tag = resource.inputs["tags"][0]
    return {**resource.inputs, "digest": digest, "ref": f"{tag}@{digest}", "contextHash": digest}


KINDS: dict[str, Kind] = {
    IMAGE: DockerImage(),
    "gcp:artifactregistry/repository:Repository": Recorded(
        "projects/{project}/locations/{location}/repositories/{repositoryId}"
    ),
}
