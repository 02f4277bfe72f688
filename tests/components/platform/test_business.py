"""The job that plays the business: who it is, how it logs in, and that nothing starts it by itself."""

import pytest

from components.platform.platform import Platform
from stacks.settings import Settings
from tests.components.mocks import Recorder, record
from tests.stacks.test_settings import GOOD


def program(*, simulated: bool) -> Recorder:
    settings = {**vars(GOOD), "stack": "dev", "simulated_business": simulated}
    return record(lambda: Platform("shop", Settings(**settings)))


@pytest.fixture(scope="module")
def made() -> Recorder:
    return program(simulated=True)


def test_it_logs_in_as_the_application_with_a_password_that_only_it_and_migrate_read(made: Recorder) -> None:
    (job,) = [job for job in made.of("cloudrunv2.Job") if job.inputs["name"] == "business"]
    template = job.inputs["template"]["template"]
    variables = {each["name"]: each for each in template["containers"][0]["envs"]}
    assert variables["PGUSER"]["value"] == "mobility_app"
    assert variables["PGDATABASE"]["value"] == "mobility"
    secret = variables["PGPASSWORD"]["valueSource"]["secretKeyRef"]["secret"]
    readers = {
        grant.inputs["member"].partition(":")[2].partition("@")[0]
        for grant in made.of("secretmanager.SecretIamMember")
        if grant.inputs["secretId"] == "oltp-mobility-app"
    }
    assert "oltp-mobility-app" in secret
    assert readers == {"business-job", "migrate-job"}
    assert template["vpcAccess"]["networkInterfaces"], "the database has a private address only"


def test_no_schedule_starts_it_and_its_errors_are_watched(made: Recorder) -> None:
    assert not [
        clock for clock in made.of("cloudscheduler.Job") if "business" in clock.inputs["httpTarget"]["uri"]
    ]
    (metric,) = [each for each in made.of("logging.Metric") if 'job_name="business"' in each.inputs["filter"]]
    assert metric.inputs["filter"]


def test_a_stack_without_it_has_none() -> None:
    assert not [job for job in program(simulated=False).of("cloudrunv2.Job") if job.inputs["name"] == "business"]
