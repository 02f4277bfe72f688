"""An identity: an account without keys, and the few roles that it may get on a whole project."""

import pytest

from components.place import Place
from components.workload import PROJECT_ROLES, Workload, WorkloadArgs
from tests.components.mocks import UNKNOWN, Recorder, record

PLACE = Place("shop-prod", "europe-west1")
MEMBER = "serviceAccount:report-job@shop-prod.iam.gserviceaccount.com"


def workload(*roles: str, only_named: str | None = None, preview: bool = False) -> Recorder:
    def program() -> None:
        report = Workload(
            "report-job", WorkloadArgs(place=PLACE, physical_name="report-job", purpose="Writes the report")
        )
        for role in roles:
            report.grant_project(role, only_named=only_named)

    return record(program, preview=preview)


def test_an_account_is_all_that_it_makes() -> None:
    program = workload()

    (account,) = program.resources
    assert account.kind == "serviceaccount.Account"
    assert account.parent == "report-job"
    assert account.inputs == {
        "project": "shop-prod",
        "accountId": "report-job",
        "displayName": "Writes the report",
    }
    assert program.exposed["report-job"] == {"email": MEMBER.removeprefix("serviceAccount:")}


def test_a_role_on_the_project_is_one_members() -> None:
    (grant,) = workload("roles/bigquery.jobUser").of("projects.IAMMember")

    assert grant.inputs == {"project": "shop-prod", "role": "roles/bigquery.jobUser", "member": MEMBER}
    assert grant.parent == "report-job"
    assert grant.property_dependencies["member"] == {"report-job-account"}


def test_a_role_may_hold_for_names_that_begin_alike_only() -> None:
    (grant,) = workload("roles/storage.objectViewer", only_named="projects/_/buckets/copies-").of(
        "projects.IAMMember"
    )

    assert grant.inputs["condition"] == {
        "title": "only projects/_/buckets/copies-",
        "expression": 'resource.name.startsWith("projects/_/buckets/copies-")',
    }


def test_each_role_that_only_a_project_takes_can_be_granted_there() -> None:
    grants = workload(*PROJECT_ROLES).of("projects.IAMMember")

    assert {grant.inputs["role"] for grant in grants} == set(PROJECT_ROLES)
    assert len({grant.name for grant in grants}) == len(PROJECT_ROLES)


@pytest.mark.parametrize(
    "role", ["roles/owner", "roles/bigquery.dataViewer", "roles/secretmanager.secretAccessor", "bigquery.jobUser"]
)
def test_a_role_that_something_narrower_takes_is_refused(role: str) -> None:
    with pytest.raises(ValueError, match=f"{role} on the whole project: grant it on a resource, or add it to"):
        workload(role)


@pytest.mark.parametrize(
    "name", ["short", "a" * 31, "Report-job", "report_job", "1-report", "report-", "report\n", ""]
)
def test_a_name_that_cannot_be_an_accounts_id_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a service account's id: take 6 to 30 lower-case letters"):
        record(lambda: Workload(name, WorkloadArgs(place=PLACE, physical_name=name, purpose="Writes the report")))


@pytest.mark.parametrize("name", ["report", "a" * 30, "report-2"])
def test_the_shortest_and_the_longest_name_are_taken(name: str) -> None:
    (account,) = record(
        lambda: Workload(name, WorkloadArgs(place=PLACE, physical_name=name, purpose="Writes the report"))
    ).resources

    assert account.inputs["accountId"] == name


def test_who_it_is_is_unknown_in_a_preview() -> None:
    program = workload("roles/bigquery.jobUser", preview=True)

    assert program.exposed["report-job"] == {"email": UNKNOWN}
    assert program.named("report-job-bigquery-jobuser").inputs["member"] == UNKNOWN
