"""Cloud Workflows: the resource. Its source is checked when it is deployed, and interpreted when it runs.

A step that this machine cannot run stops the deployment: the program's own workflows are to run here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.kind import Autonamed, Kind, location

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource

WORKFLOW = "gcp:workflows/workflow:Workflow"


class Workflow(Autonamed):
    """A workflow."""

    effect = "interpreted"
    different = "an execution ends with the control process; a step whose connector is not here stops `up`"
    hosts = ("workflowexecutions.googleapis.com",)

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        from omnipipe.laptop.services.workflows.interpreter import WorkflowRefused, parse

        name = resource.inputs["name"]
        try:
            workflow = parse(resource.inputs["sourceContents"], f"{name}.yaml")
        except WorkflowRefused as error:
            raise LaptopError(f"the workflow {name} is refused: {error}") from error
        if workflow.warnings:
            steps = "\n".join(map(str, workflow.warnings))
            raise LaptopError(f"the workflow {name} has steps that the laptop cannot run: {steps}")
        if not resource.inputs.get("serviceAccount"):
            raise LaptopError("it has no service_account: name the identity that it runs as")
        resource.id = f"projects/{cloud.project}/locations/{location(cloud, resource)}/workflows/{name}"
        resource.outputs = {**resource.inputs, "state": "ACTIVE"}

    def calls_as(self, resource: Resource) -> str:
        return resource.inputs["serviceAccount"].rpartition("/")[2]


KINDS: dict[str, Kind] = {WORKFLOW: Workflow()}
