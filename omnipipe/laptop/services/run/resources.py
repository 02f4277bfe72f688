"""Cloud Run jobs: the resource. How an execution runs is in ``omnipipe.laptop.services.run.jobs``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.kind import Autonamed, Kind, Log, location
from omnipipe.laptop.services.artifacts.image import image_of
from omnipipe.laptop.services.secretmanager import resources as secretmanager

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource

JOB = "gcp:cloudrunv2/job:Job"


class Job(Autonamed):
    """A job; with another ``runExecutionToken`` it is run, and must succeed, before anything that depends on it.

    A run that failed has had its token, as with the provider: the same job is not run again, a new one is.
    """

    effect = "a subprocess for each task, from the image's entry point"
    different = "on this machine's Python, not the image's"
    hosts = ("run.googleapis.com", "{region}-run.googleapis.com")

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        inputs = resource.inputs
        for container in inputs["template"]["template"]["containers"]:
            image_of(cloud, container["image"])
            for variable in container.get("envs") or []:
                if source := (variable.get("valueSource") or {}).get("secretKeyRef"):
                    account = inputs["template"]["template"]["serviceAccount"]
                    secretmanager.read_as(cloud, account, source["secret"], source.get("version", "latest"))
        resource.id = f"projects/{cloud.project}/locations/{inputs['location']}/jobs/{inputs['name']}"
        resource.outputs = dict(inputs)
        token = inputs.get("runExecutionToken")
        if token is None or (previous is not None and token == previous.inputs.get("runExecutionToken")):
            return
        # Known to the jobs' API before it is run; and it has failed, should this process not live to see the end.
        resource.failed = True
        cloud.registry.put(resource)
        error = cloud.run_job(resource.id)
        if error is not None:
            raise LaptopError(
                f"the job {inputs['name']}, which runs at deployment, failed: "
                f"{cloud.processes.last_words(inputs['name'])} (all of it: omnipipe logs {inputs['name']})"
            )
        resource.failed = False

    def log(self, cloud: Cloud, resource: Resource) -> Log:
        name = resource.inputs["name"]
        return Log(
            name,
            "cloud_run_job",
            {
                "project_id": cloud.project,
                "location": location(cloud, resource),
                "job_name": name,
            },
        )


KINDS: dict[str, Kind] = {JOB: Job()}
