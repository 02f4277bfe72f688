"""dev is destroyed with `--exclude-protected` by its deployer, which brings it back with the rights that it has."""

from collections.abc import Callable

import pytest

from components.platform.google_project import DEPLOYER_ROLES
from tests.components.mocks import Recorder, Registration

Deploy = Callable[[str], Recorder]

# Who may make what: the role of the deployer for each module of the provider, None for what needs none.
MAKES = {
    "artifactregistry": "roles/artifactregistry.admin",
    "bigquery": "roles/bigquery.dataOwner",
    "bigquerydatapolicy": "roles/bigquery.dataOwner",
    "cloudfunctionsv2": "roles/cloudfunctions.developer",
    "cloudrunv2": "roles/run.admin",
    "cloudscheduler": "roles/cloudscheduler.admin",
    "compute": "roles/compute.networkAdmin",
    "datacatalog": "roles/datacatalog.categoryAdmin",
    "datastream": "roles/datastream.admin",
    "docker-build": "roles/artifactregistry.admin",
    "logging": "roles/logging.configWriter",
    "monitoring": "roles/monitoring.editor",
    "pulumi": None,
    "random": None,
    "secretmanager": "roles/secretmanager.admin",
    "sql": "roles/cloudsql.admin",
    "storage": "roles/storage.admin",
    "workflows": "roles/workflows.editor",
}
# Grants on the project: it may set those of `grantable_roles`, which a test of its own compares.
GRANTS = "projects.IAMMember"


def destroyed(program: Recorder) -> list[Registration]:
    """What `pulumi destroy --exclude-protected` takes down: all but what is protected and what that depends on.

    As Pulumi counts it, with parents and providers:
    https://github.com/pulumi/pulumi/blob/master/pkg/resource/graph/dependency_graph.go
    """
    resources = {made.name: made for made in program.resources}
    components = {made.name: made for made in program.components}  # one may be called as a resource is
    kept: set[int] = set()
    waiting = [made for made in program.registrations if made.protect]
    while waiting:
        made = waiting.pop()
        if id(made) in kept:
            continue
        kept.add(id(made))
        needed = made.dependencies.union({made.provider}, *made.property_dependencies.values())
        waiting += [resources[name] for name in needed if name in resources]
        waiting += [components[name] for name in {made.parent} if name in components]
    return [made for made in program.resources if id(made) not in kept]


@pytest.mark.parametrize("stack", ["dev", "dev-everything"])
def test_what_costs_money_is_destroyed(deploy: Deploy, stack: str) -> None:
    gone = {made.kind for made in destroyed(deploy(stack))}

    assert gone >= {
        "artifactregistry.Repository",
        "bigquery.Dataset",
        "bigquery.Table",
        "cloudrunv2.Job",
        "datastream.PrivateConnection",
        "datastream.Stream",
        "secretmanager.Secret",
        "sql.DatabaseInstance",
    }


def test_the_deployer_can_make_again_all_that_it_destroys(deploy: Deploy) -> None:
    gone = destroyed(deploy("dev-everything"))

    without_a_role = {
        made.kind for made in gone if made.kind.partition(".")[0] not in MAKES and made.kind != GRANTS
    }
    assert without_a_role == set(), "the deployer may not make it: protect it, or give the deployer a role"
    assert {role for role in MAKES.values() if role} <= set(DEPLOYER_ROLES)


def test_what_only_others_can_make_stays(deploy: Deploy) -> None:
    program = deploy("dev-everything")
    gone = {id(made) for made in destroyed(program)}

    stays = {made.kind for made in program.resources if id(made) not in gone}
    assert stays >= {
        "billing.Budget",  # takes a role on the billing account
        "monitoring.NotificationChannel",  # hears of it meanwhile
        "projects.IAMCustomRole",
        "serviceaccount.Account",
        "serviceaccount.IAMMember",
        "iam.WorkloadIdentityPool",
    }
