"""A provider for the APIs that take a person's login only with a project to count its requests for."""

import pulumi
import pulumi_gcp as gcp

from components.place import Place


def quota_provider(name: str, place: Place, opts: pulumi.ResourceOptions | None = None) -> gcp.Provider:
    """A provider whose requests are counted for the environment's own project, whoever deploys.

    Data Catalog and the budgets' API answer 403 to what ``gcloud auth application-default login`` gives when a
    request names no project (https://github.com/hashicorp/terraform-provider-google/issues/10036). Who deploys needs
    ``serviceusage.services.use`` on that project, which an owner and ``roles/serviceusage.serviceUsageAdmin`` have. It
    is a provider of its own because a project's very first requests, which enable its APIs, cannot be counted for it.
    """
    return gcp.Provider(
        name,
        project=place.project,
        # The override alone names a project only where the resource of a request has one; grants on a tag have none.
        billing_project=place.project,
        user_project_override=True,
        opts=opts,
    )
