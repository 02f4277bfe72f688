"""Inputs that have one of some values, which the provider does not compare."""

from collections.abc import Iterator

from policy import descriptions
from policy.forms import Form, broken, kinds
from policy.subject import Resource, resource_policy

_REPOSITORY = ("artifactregistry.v1", "Repository", "format")

_FORMS = (
    Form(
        "storage.Bucket",
        "publicAccessPrevention",
        lambda value: value in ("inherited", "enforced"),
        "write inherited or enforced",
        "https://cloud.google.com/storage/docs/public-access-prevention",
    ),
    Form(
        "artifactregistry.Repository",
        "format",
        lambda value: value.upper() in descriptions.values(*_REPOSITORY),
        "write what Artifact Registry has, such as DOCKER or PYTHON",
        "https://cloud.google.com/artifact-registry/docs/reference/rest/v1/projects.locations.repositories",
    ),
)


@resource_policy(*kinds(*_FORMS), source="https://google.aip.dev/126")
def allowed_values(resource: Resource) -> Iterator[str]:
    """What can be one of some values is one of them."""
    yield from broken(resource, *_FORMS)
