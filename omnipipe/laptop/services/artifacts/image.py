"""A built image, as its builder leaves it and a job runs it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from omnipipe.laptop.errors import LaptopError

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud


@dataclass(frozen=True)
class Image:
    """A built image: its root folder, the environment of its packages, and how it starts."""

    digest: str
    root: str
    workdir: str
    environment: str
    env: dict[str, str]
    entrypoint: list[str]
    cmd: list[str]

    @staticmethod
    def load(folder: Path) -> Image:
        """Read an image that a build has written."""
        return Image(**json.loads((folder / "image.json").read_text()))


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
