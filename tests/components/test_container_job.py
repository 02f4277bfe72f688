"""A job: an image by digest, run as itself, again after each change that counts."""

from functools import cache
from pathlib import Path
from typing import Any

import pulumi
import pulumi_gcp as gcp
import pytest

from components.code_store import CodeStore, CodeStoreArgs
from components.container_job import ContainerJob, ContainerJobArgs
from components.network import Network
from components.place import Place
from components.secrets import Secrets, SecretsArgs
from components.workload import Workload, WorkloadArgs
from omnipipe.laptop.home import PROJECT_ROOT
from tests.components.mocks import UNKNOWN, Recorder, record

PLACE = Place("shop-prod", "europe-west1")
FOLDER = PROJECT_ROOT / "jobs" / "migrate"


@cache
def job(*, preview: bool = False) -> Recorder:
    """A job with one secret that runs after each deployment, and which ``clock`` may run."""
    return another(preview=preview)


def another(name: str = "load", *, preview: bool = False, with_network: bool = False, **changed: Any) -> Recorder:
    """The same job but for what is ``changed``."""

    def program() -> None:
        secrets = Secrets("secrets", SecretsArgs(place=PLACE))
        args: dict[str, Any] = {
            "place": PLACE,
            "physical_name": name,
            "registry": CodeStore("code", CodeStoreArgs(place=PLACE)).registry,
            "context": PROJECT_ROOT,
            "folder": FOLDER,
            "environment": {"PGHOST": "10.20.0.5"},
            "secrets": {"PGPASSWORD": secrets.password("load-key")},
            "timeout_s": 600,
            "max_retries": 1,
            "prepares": "shop:instance-1",
            "runners": (
                Workload("clock-job", WorkloadArgs(place=PLACE, physical_name="clock-job", purpose="Runs it")),
            ),
            "depends_on": [gcp.pubsub.Topic("before")],
        }
        if with_network:
            network = Network("network", PLACE)
            args |= {"network_id": network.network_id, "subnet_id": network.subnet_id}
        made = ContainerJob(name, ContainerJobArgs(**args | changed))
        gcp.pubsub.Topic("after", labels={"of": made.run_uri}, opts=pulumi.ResourceOptions(depends_on=[made.job]))

    return record(program, preview=preview)


def container(program: Recorder, name: str = "load") -> dict[str, Any]:
    (only,) = program.named(f"{name}-job").inputs["template"]["template"]["containers"]
    return only


def test_the_image_is_built_from_the_project_for_google_but_never_on_a_preview() -> None:
    image = job().named("load-image")

    assert image.inputs["buildOnPreview"] is False
    assert image.inputs["push"] is True
    assert image.inputs["platforms"] == ["linux/amd64"]
    # Both from where the program runs, which for this test is the project's root.
    assert image.inputs["context"] == {"location": "."}
    assert image.inputs["dockerfile"] == {"location": "jobs/migrate/Dockerfile"}
    assert image.inputs["tags"] == ["europe-west1-docker.pkg.dev/shop-prod/images/load:latest"]
    assert "code-images" in image.dependencies  # there must be something to push to


def test_the_job_runs_the_image_by_digest() -> None:
    assert container(job())["image"].endswith("/load:latest@sha256:load-image")
    assert container(job(preview=True))["image"] == UNKNOWN


def test_it_runs_as_itself_within_its_limits() -> None:
    made = job().named("load-job").inputs

    template = made["template"]["template"]
    assert template["serviceAccount"] == "load-job@shop-prod.iam.gserviceaccount.com"
    assert (template["timeout"], template["maxRetries"]) == ("600s", 1)
    assert made["template"]["taskCount"] == 1
    assert made["deletionProtection"] is False  # it holds no data, and Google's default is true
    assert (made["project"], made["location"], made["name"]) == ("shop-prod", "europe-west1", "load")


def test_it_runs_as_a_workload_that_was_made_before() -> None:
    def program() -> None:
        ready_made = Workload(
            "earlier-job", WorkloadArgs(place=PLACE, physical_name="earlier-job", purpose="Runs the job")
        )
        args = ContainerJobArgs(
            place=PLACE,
            physical_name="load",
            registry="europe-west1-docker.pkg.dev/shop-prod/images",
            context=PROJECT_ROOT,
            folder=FOLDER,
            environment={},
            timeout_s=1,
            max_retries=0,
            workload=ready_made,
        )
        ContainerJob("load", args)

    recorded = record(program)
    template = recorded.named("load-job").inputs["template"]["template"]
    assert template["serviceAccount"] == "earlier-job@shop-prod.iam.gserviceaccount.com"
    (account,) = recorded.of("serviceaccount.Account")
    assert account.inputs["accountId"] == "earlier-job"


def test_a_secret_is_in_clear_nowhere_and_nobody_else_reads_it() -> None:
    program = job()

    assert container(program)["envs"] == [
        {"name": "PGHOST", "value": "10.20.0.5"},
        {"name": "PGPASSWORD", "valueSource": {"secretKeyRef": {"secret": "load-key", "version": "1"}}},
    ]
    assert "generated" not in str(program.named("load-job").inputs)
    (access,) = program.of("secretmanager.SecretIamMember")
    assert access.inputs["member"] == "serviceAccount:load-job@shop-prod.iam.gserviceaccount.com"


@pytest.mark.parametrize("preview", [False, True])
def test_it_waits_for_its_secrets_and_for_what_it_is_told_to(preview: bool) -> None:
    program = job(preview=preview)

    assert {"secrets-load-key-load", "secrets-load-key-version", "load-image", "before"} <= program.named(
        "load-job"
    ).dependencies
    assert "load-job" in program.named("after").dependencies


def test_only_private_addresses_are_reached_through_the_network() -> None:
    assert "vpcAccess" not in job().named("load-job").inputs["template"]["template"]

    access = another(with_network=True).named("load-job").inputs["template"]["template"]["vpcAccess"]
    assert access == {
        "networkInterfaces": [{"network": "id/network-vpc", "subnetwork": "id/network-subnet"}],
        "egress": "PRIVATE_RANGES_ONLY",
    }


def test_it_runs_again_when_the_image_the_environment_or_what_it_prepares_changes_and_only_then() -> None:
    def token(name: str = "load", **changed: Any) -> str:
        return another(name, **changed).named(f"{name}-job").inputs["runExecutionToken"]

    first = token()
    assert first.isalnum()
    assert len(first) <= 10  # it becomes the end of an execution's name
    assert token() == first
    assert token(timeout_s=1200, max_retries=0, runners=(), with_network=True) == first
    assert token(environment={"PGHOST": "10.20.0.6"}) != first
    assert token(secrets={}) != first
    assert token(prepares="shop:instance-2") != first
    assert token("store") != first  # here an image's digest is made of the name

    of_the_token = job().named("load-job").property_dependencies["runExecutionToken"]
    assert {"load-image", "secrets-load-key-version"} <= of_the_token


def test_it_is_made_anew_after_a_run_that_failed_and_for_each_change() -> None:
    made = job().named("load-job")

    # By any other option an `up` after a failed run would find nothing to change, and run nothing.
    assert made.replace_on_changes == ("*",)
    assert made.delete_before_replace  # the new one has the same name
    # Made anew are the job's grants with it, by its name, and nothing else.
    by_inputs = {
        r.name for r in job().resources if "load-job" in frozenset().union(*r.property_dependencies.values())
    }
    assert by_inputs == {"load-runner-clock-job", "after"}

    plain = another(prepares=None).named("load-job")
    assert (plain.replace_on_changes, plain.delete_before_replace) == ((), False)


def test_it_runs_after_a_deployment_only_where_that_is_wanted() -> None:
    assert "runExecutionToken" not in another(prepares=None).named("load-job").inputs
    assert job(preview=True).named("load-job").inputs["runExecutionToken"] == UNKNOWN


@pytest.mark.parametrize(
    ("overrides", "role"),
    [(False, "roles/run.jobsExecutor"), (True, "roles/run.jobsExecutorWithOverrides")],
)
def test_only_its_runners_may_run_it_and_override_only_on_demand(overrides: bool, role: str) -> None:
    (grant,) = another(overrides=overrides).of("cloudrunv2.JobIamMember")

    assert grant.inputs == {
        "project": "shop-prod",
        "location": "europe-west1",
        "name": "load",
        "role": role,
        "member": "serviceAccount:clock-job@shop-prod.iam.gserviceaccount.com",
    }
    assert "load-job" in grant.dependencies
    assert not another(runners=()).of("cloudrunv2.JobIamMember")


@pytest.mark.parametrize("preview", [False, True])
def test_its_id_is_exposed_and_unknown_in_a_preview(preview: bool) -> None:
    program = job(preview=preview)

    assert program.exposed["load"] == {"job_id": UNKNOWN if preview else "id/load-job"}
    uri = program.named("after").inputs["labels"]["of"]
    assert uri == (UNKNOWN if preview else "https://run.googleapis.com/v2/id/load-job:run")
    children = {r.name for r in program.registrations if r.parent == "load"}
    assert children == {"load-workload", "load-job", "load-image", "load-runner-clock-job"}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"folder": Path("/jobs/none")}, "/jobs/none has no Dockerfile: name a job's folder"),
        ({"timeout_s": 0}, "timeout_s is 0: give 1 s to 7 days"),
        ({"timeout_s": 7 * 86400 + 1}, "timeout_s is 604801"),
        ({"max_retries": -1}, "max_retries is -1: give 0 to 10"),
        ({"max_retries": 11}, "max_retries is 11"),
        ({"environment": {"PGPASSWORD": "a"}}, "given twice, as environment and as secret: PGPASSWORD$"),
        ({"network_id": "networks/shop"}, "one of network_id and subnet_id is given: give both, or none"),
        ({"timeout_s": 0, "max_retries": 11}, "timeout_s is 0.*; max_retries is 11"),
    ],
)
def test_what_does_not_fit_is_told(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        another(**wrong)
