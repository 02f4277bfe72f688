"""With a person's login, what Google refuses without a project to count for is asked for with one."""

from collections.abc import Callable

import pytest

from components.platform.google_project import DEPLOYER_ROLES
from tests.components.mocks import Recorder

# Services whose APIs answer 403 to a person's login that names no project ("end user credentials … are not supported by
# the datacatalog.googleapis.com"), and the data policies, which hang on Data Catalog's tags.
COUNTED = ("datacatalog.", "bigquerydatapolicy.", "billing.")


@pytest.mark.parametrize("stack", ["dev", "prod", "everything"])
def test_what_needs_a_project_to_count_for_has_one_and_nothing_else_does(
    deploy: Callable[[str], Recorder], stack: str
) -> None:
    program = deploy(stack)
    counted = [resource for resource in program.resources if resource.kind.startswith(COUNTED)]

    assert {resource.kind for resource in counted} >= {"datacatalog.Taxonomy", "datacatalog.PolicyTagIamMember"}
    for resource in counted:
        assert resource.provider, f"{resource.name} is refused when a person deploys"
        project = program.named("omnipipe-warehouse-raw").inputs["project"]
        assert program.named(resource.provider).inputs == {
            "project": project,
            "billingProject": project,  # without it a tag, which has no project of its own, would name none
            "userProjectOverride": "true",
        }
    # The first requests of a new project enable its APIs: they cannot be counted for it yet.
    others = [resource for resource in program.resources if not resource.kind.startswith(COUNTED)]
    assert not [resource.name for resource in others if resource.provider]


def test_the_deployer_may_have_requests_counted_for_its_project() -> None:
    """https://cloud.google.com/service-usage/docs/access-control: it has serviceusage.services.use."""
    assert "roles/serviceusage.serviceUsageAdmin" in DEPLOYER_ROLES
