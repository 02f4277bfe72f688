"""The Google APIs that the platform calls."""

import pulumi
import pulumi_gcp as gcp

from components.place import Place

APIS = (
    "artifactregistry",
    "bigquery",
    "bigquerydatapolicy",
    "billingbudgets",
    "cloudbuild",
    "cloudfunctions",
    "cloudkms",
    "cloudresourcemanager",
    "cloudscheduler",
    "compute",
    "datacatalog",
    "datastream",
    "iam",
    "iamcredentials",
    "logging",
    "monitoring",
    "run",
    "secretmanager",
    "sqladmin",
    "storage",
    "sts",
    "workflowexecutions",
    "workflows",
)


class ApiServices(pulumi.ComponentResource):
    """Enables the APIs of a project, and never disables one: another program may use it too.

    Creates a ``projects.Service`` for each API, protected in every stack. Let what needs them ``depends_on`` this
    component.

    Example::

        import pulumi
        from components.api_services import ApiServices
        from components.network import Network
        from components.place import Place

        place = Place("my-project", "europe-west1")
        apis = ApiServices("apis", place)
        Network("network", place, pulumi.ResourceOptions(depends_on=[apis]))
    """

    def __init__(self, name: str, place: Place, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:ApiServices", name, {}, opts)
        for api in APIS:
            gcp.projects.Service(
                f"{name}-{api}",
                project=place.project,
                service=f"{api}.googleapis.com",
                disable_on_destroy=False,
                opts=pulumi.ResourceOptions(parent=self, protect=True),
            )
        self.register_outputs({})
