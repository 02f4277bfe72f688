"""The table of roles, and what is no role of it."""

import re
from pathlib import Path

import pytest

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.iam import roles

LAPTOP = Path(roles.__file__).parents[1]
SERVICES = "artifactregistry|bigquery|cloudsql|datacatalog|logging|pubsub|run|secretmanager|storage|workflows"
PERMISSION = re.compile(rf'"((?:{SERVICES})\.[a-zA-Z]+\.[a-zA-Z]+)"')


@pytest.mark.parametrize(
    ("role", "has", "has_not"),
    [
        ("bigquery.dataViewer", "bigquery.tables.getData", "bigquery.tables.updateData"),
        ("bigquery.dataEditor", "bigquery.tables.updateData", "bigquery.tables.setCategory"),
        ("bigquery.dataOwner", "bigquery.tables.setCategory", "bigquery.jobs.create"),
        ("bigquery.metadataViewer", "bigquery.tables.get", "bigquery.tables.getData"),
        ("bigquery.jobUser", "bigquery.jobs.create", "bigquery.jobs.get"),
        ("run.invoker", "run.jobs.run", "run.jobs.runWithOverrides"),
        ("run.jobsExecutor", "run.jobs.run", "run.jobs.runWithOverrides"),
        ("run.jobsExecutorWithOverrides", "run.jobs.runWithOverrides", "run.operations.get"),
        ("run.servicesInvoker", "run.routes.invoke", "run.jobs.run"),
        ("run.viewer", "run.operations.get", "run.jobs.run"),
        ("run.developer", "run.jobs.runWithOverrides", "secretmanager.versions.access"),
        ("workflows.invoker", "workflows.executions.create", "run.jobs.run"),
        ("workflows.viewer", "workflows.executions.get", "workflows.executions.create"),
        ("secretmanager.secretAccessor", "secretmanager.versions.access", "storage.objects.get"),
        ("secretmanager.viewer", None, "secretmanager.versions.access"),
        ("storage.objectViewer", "storage.objects.get", "storage.objects.create"),
        ("storage.objectViewer", "storage.objects.list", "storage.objects.update"),
        ("storage.objectUser", "storage.objects.create", "bigquery.jobs.create"),
        ("storage.objectUser", "storage.objects.delete", "storage.buckets.get"),
        ("storage.objectCreator", "storage.objects.create", "storage.objects.get"),
        ("secretmanager.secretVersionAdder", "secretmanager.versions.add", "secretmanager.versions.access"),
        ("secretmanager.secretAccessor", "secretmanager.versions.access", "secretmanager.versions.add"),
        ("workflows.invoker", "workflows.callbacks.send", "storage.objects.get"),
        ("workflows.viewer", "workflows.executions.get", "workflows.callbacks.send"),
        ("run.viewer", "run.executions.get", "run.jobs.run"),
        ("pubsub.publisher", "pubsub.topics.publish", "pubsub.topics.get"),
        ("pubsub.subscriber", "pubsub.subscriptions.consume", "pubsub.subscriptions.get"),
        ("pubsub.subscriber", "pubsub.topics.attachSubscription", "pubsub.subscriptions.create"),
        ("pubsub.viewer", "pubsub.schemas.validate", "pubsub.subscriptions.consume"),
        ("pubsub.editor", "pubsub.topics.publish", "storage.objects.get"),
        ("pubsub.admin", "pubsub.topics.detachSubscription", "bigquery.tables.updateData"),
        ("artifactregistry.writer", "artifactregistry.repositories.uploadArtifacts", "storage.objects.get"),
        ("artifactregistry.reader", None, "artifactregistry.repositories.uploadArtifacts"),
        ("datastream.serviceAgent", "bigquery.tables.updateData", "bigquery.tables.delete"),
        (
            "datacatalog.categoryFineGrainedReader",
            "datacatalog.categories.fineGrainedGet",
            "bigquery.tables.getData",
        ),
        (
            "bigquerydatapolicy.maskedReader",
            "bigquery.dataPolicies.maskedGet",
            "datacatalog.categories.fineGrainedGet",
        ),
    ],
)
def test_a_role_has_what_google_says_and_no_more(role: str, has: str | None, has_not: str) -> None:
    found = roles.permissions(f"roles/{role}")
    assert has is None or has in found
    assert has_not not in found


@pytest.mark.parametrize("role", ["roles/bigquery.dataVewer", "bigquery.dataViewer", ""])
def test_an_unknown_role_is_told_by_name_with_the_place_to_add_it(role: str) -> None:
    with pytest.raises(LaptopError, match=rf"does not know '{re.escape(role)}'.*omnipipe/laptop/iam/roles\.py"):
        roles.permissions(role)


@pytest.mark.parametrize("role", ["roles/owner", "roles/editor", "roles/viewer"])
def test_a_basic_role_is_refused(role: str) -> None:
    with pytest.raises(LaptopError, match=f"{role} is a basic role"):
        roles.permissions(role)


def test_each_permission_that_is_asked_for_is_in_a_role() -> None:
    asked = {
        permission
        for file in LAPTOP.rglob("*.py")
        if file.name != "roles.py"
        for permission in PERMISSION.findall(file.read_text())
        if not permission.endswith(".com")
    }
    assert len(asked) > 30
    assert asked <= frozenset[str]().union(*roles.ROLES.values())
