"""A task of a Cloud Run job: the command, the environment and the folder that it is started with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omnipipe.laptop.services.artifacts.image import Image, image_of
from omnipipe.laptop.services.secretmanager import resources as secretmanager

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource


@dataclass(frozen=True)
class Task:
    """What is started, from which image; ``argv`` is looked up on the PATH of its own environment."""

    argv: list[str]
    environment: dict[str, str]
    image: Image

    @property
    def folder(self) -> Path:
        """The working directory that the image names."""
        return Path(self.image.root) / self.image.workdir.lstrip("/")


def task(
    cloud: Cloud, job: Resource, overrides: dict[str, Any], execution: str, index: int = 0, count: int = 1
) -> Task:
    """The task of an index, of so many, in an execution of a job.

    Raises LaptopError for an image that the program did not build, and for a secret that the job may not read.
    """
    template = job.inputs["template"]["template"]
    container, account = template["containers"][0], template["serviceAccount"]
    changed = (overrides.get("containerOverrides") or [{}])[0]
    image = image_of(cloud, container["image"])
    command = list(container.get("commands") or image.entrypoint)
    # A command of the job's own takes the place of the image's arguments too.
    arguments = changed.get("args") or container.get("args") or ([] if container.get("commands") else image.cmd)
    environment = {
        **cloud.workload_environment(account, Path(image.environment)),
        **image.env,
        **_variables(cloud, container.get("envs") or [], account),
        **_variables(cloud, changed.get("env") or [], account),
        "CLOUD_RUN_JOB": job.inputs["name"],
        "CLOUD_RUN_EXECUTION": execution,
        "CLOUD_RUN_TASK_INDEX": str(index),
        "CLOUD_RUN_TASK_COUNT": str(count),
    }
    return Task([*command, *arguments], environment, image)


def _variables(cloud: Cloud, entries: list[dict[str, Any]], account: str) -> dict[str, str]:
    variables = {}
    for entry in entries:
        source = (entry.get("valueSource") or {}).get("secretKeyRef")
        variables[entry["name"]] = (
            secretmanager.read_as(cloud, account, source["secret"], source.get("version", "latest"))
            if source
            else str(entry.get("value") or "")
        )
    return variables
