"""A shell's way to be one of the program's workloads: the environment in which Cloud Run would start it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.services.artifacts.image import image_of
from omnipipe.laptop.services.functions.resources import FUNCTION
from omnipipe.laptop.services.run.resources import JOB
from omnipipe.laptop.services.workflows.resources import WORKFLOW

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource


@dataclass(frozen=True)
class Shell:
    """Variables of a workload, and the environment of its packages."""

    environment: dict[str, str]
    packages: Path


def jobs(cloud: Cloud) -> dict[str, Resource]:
    """The program's Cloud Run jobs by name."""
    return _by_name(cloud, JOB)


def functions(cloud: Cloud) -> dict[str, Resource]:
    """The program's functions by name."""
    return _by_name(cloud, FUNCTION)


def workflows(cloud: Cloud) -> dict[str, Resource]:
    """The program's workflows by name."""
    return _by_name(cloud, WORKFLOW)


def job(cloud: Cloud, name: str) -> Resource:
    """The Cloud Run job of a name. Raises LaptopError, with those that there are, for another."""
    return _chosen(jobs(cloud), "job", name)


def workflow(cloud: Cloud, name: str) -> Resource:
    """The workflow of a name. Raises LaptopError, with those that there are, for another."""
    return _chosen(workflows(cloud), "workflow", name)


def steps(cloud: Cloud, workflow: Resource) -> dict[str, Resource]:
    """The steps of a workflow, by name: the jobs and functions that its variables name, in its order."""
    known = {job.id: job for job in cloud.registry.of_type(JOB)}
    known |= {each.outputs["serviceConfig"]["uri"]: each for each in cloud.registry.of_type(FUNCTION)}
    told = (workflow.inputs.get("userEnvVars") or {}).values()
    return {known[value].inputs["name"].replace("-", "_"): known[value] for value in told if value in known}


def _by_name(cloud: Cloud, type_: str) -> dict[str, Resource]:
    # Without a name of its own, Pulumi calls it after the resource.
    return {each.inputs.get("name", each.name): each for each in cloud.registry.of_type(type_)}


def _chosen(found: dict[str, Resource], what: str, name: str) -> Resource:
    if name not in found:
        known = f"choose one of {', '.join(sorted(found))}" if found else "run `omnipipe up`"
        raise LaptopError(f"the program registers no {what} {name!r}: {known}")
    return found[name]


def of_job(cloud: Cloud, name: str) -> Shell:
    """What a job's task finds in its environment, without its secrets. Raises LaptopError as ``job``."""
    template = job(cloud, name).inputs["template"]["template"]
    (container,) = template["containers"]
    packages = Path(image_of(cloud, container["image"]).environment)
    own = {each["name"]: each["value"] for each in container.get("envs") or [] if each.get("value") is not None}
    return Shell(cloud.workload_environment(template["serviceAccount"], packages) | own, packages)
