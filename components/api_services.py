"""The Google APIs that the platform calls."""

import pulumi
import pulumi_gcp as gcp

from components.place import Place

APIS = (
    "artifactregistry",
    "bigquery",
    "cloudbuild",
    "cloudfunctions",
    "cloudscheduler",
    "compute",
    "datastream",
    "iam",
    "run",
    "secretmanager",
    "sqladmin",
    "storage",
    "workflowexecutions",
    "workflows",
)


class ApiServices(pulumi.ComponentResource):
    """Enables the APIs of a project, and never disables one: another program may use it too.

    Creates a ``projects.Service`` for each API. Let what needs them ``depends_on`` this component.
    """

    def __init__(self, name: str, place: Place, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:ApiServices", name, {}, opts)
        for api in APIS:
            gcp.projects.Service(
                f"{name}-{api}",
                project=place.project,
                service=f"{api}.googleapis.com",
                disable_on_destroy=False,
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
