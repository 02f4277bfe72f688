"""A preview tells what `up` would do, input by input, and does none of it."""

from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN

from omnipipe.laptop import lifecycle
from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.deployment import Deployment
from omnipipe.laptop.errors import LaptopError, LosesData
from omnipipe.laptop.home import PROJECT_ROOT
from omnipipe.laptop.plan import Change, Difference, Plan
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.sql.resources import INSTANCE

BUCKET = "gcp:storage/bucket:Bucket"
DATABASE = "gcp:sql/database:Database"
VERSION = "gcp:secretmanager/secretVersion:SecretVersion"


def left(cloud: Cloud, type_: str, called: str, **inputs: Any) -> Resource:
    """A resource as an earlier `up` left it."""
    made = Resource(type_, called, inputs, outputs=inputs, id=called)
    cloud.registry.put(made)
    return made


def test_a_preview_comes_before_the_first_up_too_and_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNIPIPE_HOME", str(tmp_path / "home"))
    preview = lifecycle.preview(PROJECT_ROOT, "dev")
    changes = preview.changes
    assert preview.violations == []
    assert {change.what for change in changes} == {"create"}
    assert "workflows.Workflow omnipipe-daily-run-workflow" in [
        f"{change.kind} {change.name}" for change in changes
    ]
    assert not list(tmp_path.iterdir())


def test_what_differs_is_named_with_both_values(cloud: Cloud) -> None:
    left(cloud, BUCKET, "sources", name="sources", location="EU")
    left(cloud, BUCKET, "same", name="same")
    left(cloud, BUCKET, "gone", name="gone")
    plan = Plan(cloud)
    plan.register(BUCKET, "sources", {"name": "sources", "location": "EU", "forceDestroy": True}, False)
    plan.register(BUCKET, "same", {"name": "same"}, False)
    plan.register(BUCKET, "new", {"name": "new"}, False)

    assert plan.changes() == [
        Change("change", "storage.Bucket", "sources", (Difference("forceDestroy", "not set", "True"),)),
        Change("create", "storage.Bucket", "new"),
        Change("remove", "storage.Bucket", "gone"),
    ]
    assert [resource.name for resource in cloud.registry] == ["sources", "same", "gone"]
    assert not (cloud.home.directory / "storage/new").exists()


def test_an_ignored_change_is_none_and_a_new_resource_has_all(cloud: Cloud) -> None:
    left(cloud, BUCKET, "sources", name="sources", location="EU")
    plan = Plan(cloud)
    moved: dict[str, Any] = {"location": "US", "labels": {}}
    for bucket in ("sources", "new"):
        plan.register(BUCKET, bucket, {"name": bucket} | moved, False, (), ("location", "labels"))

    assert plan.changes() == [Change("create", "storage.Bucket", "new")]
    assert [made.inputs.get("location") for made in plan.resources] == ["EU", "US"]
    with pytest.raises(LaptopError, match=r"ignoreChanges has labels\.owner: .* whole inputs only"):
        plan.register(BUCKET, "sources", {"name": "sources"}, False, (), ("labels.owner",))


def test_what_differs_within_an_input_is_named_by_its_path(cloud: Cloud) -> None:
    rule = {"action": {"type": "Delete"}, "condition": {"age": 30.0}}
    left(cloud, BUCKET, "sources", name="sources", lifecycleRules=[rule], labels={"a": "1"})
    plan = Plan(cloud)
    changed = {"action": {"type": "Delete"}, "condition": {"age": 31.0, "matchesPrefixes": ["x"]}}
    plan.register(BUCKET, "sources", {"name": "sources", "lifecycleRules": [changed]}, False)

    (change,) = plan.changes()
    assert change.inputs == (
        Difference("labels.a", "1", "not set"),
        Difference("lifecycleRules[0].condition.age", "30", "31"),
        Difference("lifecycleRules[0].condition.matchesPrefixes", "not set", "['x']"),
    )


def test_what_is_not_known_before_up_is_told_as_such(cloud: Cloud) -> None:
    left(cloud, BUCKET, "sources", name="sources", location="EU")
    plan = Plan(cloud)
    id_, outputs = plan.register(BUCKET, "new", {"name": "new"}, False)
    assert id_ == ""  # unknown to the SDK
    assert "url" not in outputs
    plan.register(BUCKET, "sources", {"name": "sources", "location": UNKNOWN}, False)
    assert Difference("location", "EU", "known after up") in plan.changes()[1].inputs


def test_secrets_are_not_shown(cloud: Cloud) -> None:
    left(cloud, VERSION, "v", secret="s", secretData="before")
    plan = Plan(cloud)
    plan.register(VERSION, "v", {"secret": "s", "secretData": "after"}, False)
    assert plan.changes()[0].inputs == (Difference("secretData", "(secret)", "(secret)"),)

    profile = "gcp:datastream/connectionProfile:ConnectionProfile"
    left(cloud, profile, "source", connectionProfileId="source", postgresqlProfile={"password": "before"})
    changed = {"connectionProfileId": "source", "postgresqlProfile": {"password": "after"}}
    plan.register(profile, "source", changed, False)
    assert plan.changes()[1].inputs == (Difference("postgresqlProfile.password", "(secret)", "(secret)"),)


def test_another_name_of_a_database_replaces_it_and_loses_its_data(cloud: Cloud) -> None:
    left(cloud, INSTANCE, "oltp", name="oltp")
    left(cloud, DATABASE, "mobility", instance="oltp", name="mobility")
    plan = Plan(cloud)
    plan.register(INSTANCE, "oltp", {"name": "oltp"}, False)
    plan.register(DATABASE, "mobility", {"instance": "oltp", "name": "rides"}, False)
    assert plan.changes() == [
        Change("replace", "sql.Database", "mobility", (Difference("name", "mobility", "rides"),), loses_data=True)
    ]


def test_a_replacement_that_loses_data_is_refused_before_anything_is_touched(cloud: Cloud) -> None:
    left(cloud, DATABASE, "mobility", instance="oltp", name="mobility")
    before = list(cloud.registry)
    with pytest.raises(
        LosesData, match=r"sql\.Database mobility would be replaced, and its data lost: name mobility"
    ):
        Deployment(cloud).register(DATABASE, "mobility", {"instance": "oltp", "name": "rides"}, False)
    assert list(cloud.registry) == before


def test_the_removal_of_what_holds_data_is_refused_without_leave(cloud: Cloud) -> None:
    left(cloud, BUCKET, "sources", name="sources")
    left(cloud, "gcp:bigquery/dataset:Dataset", "raw", datasetId="raw")
    with pytest.raises(LosesData, match=r"no longer registers bigquery\.Dataset raw: their data would be lost"):
        Deployment(cloud).take_down_unregistered()
    assert [resource.name for resource in cloud.registry] == ["sources", "raw"]
