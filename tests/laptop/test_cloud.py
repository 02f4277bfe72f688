"""Registering resources: what is unknown, refused, unchanged, and taken down."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from omnipipe.laptop import lifecycle, server
from omnipipe.laptop.cloud import BIGQUERY, GOOGLE, Cloud
from omnipipe.laptop.deployment import Deployment
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.home import Home, write_json
from omnipipe.laptop.iam.bindings import ACCOUNT
from omnipipe.laptop.kind import Recorded
from omnipipe.laptop.kinds import KINDS
from omnipipe.laptop.processes import Spec
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.pubsub.resources import TOPIC

BUCKET = "gcp:storage/bucket:Bucket"
OBJECT = "gcp:storage/bucketObject:BucketObject"
SECRET = "gcp:secretmanager/secret:Secret"
SCHEDULE = "gcp:cloudscheduler/job:Job"
NETWORK = "gcp:compute/network:Network"
PASSWORD = "random:index/randomPassword:RandomPassword"
GRANT = "gcp:projects/iAMMember:IAMMember"


class Reports:
    """A cloud of this home that remembers what it reported: a new one is the next `up`."""

    def __init__(self, home: Home) -> None:
        self.told: list[tuple[str, str]] = []
        self.cloud = Cloud(home, "omnipipe-test", "europe-west1")
        self.deployment = Deployment(self.cloud, self._report)

    def _report(self, what: str, resource: Resource) -> None:
        self.told.append((what, resource.name))

    def register(self, type_: str, resource: str, *, protect: bool = False, **inputs: Any) -> dict[str, Any]:
        return self.deployment.register(type_, resource, inputs, protect)[1]


@pytest.fixture
def first(cloud: Cloud) -> Reports:
    return Reports(cloud.home)


def recorded(cloud: Cloud) -> list[str]:
    """The names of what is on disk."""
    return [entry["name"] for entry in json.loads((cloud.home.directory / "resources.json").read_text())]


def test_an_unknown_type_is_an_error_by_its_name(first: Reports) -> None:
    with pytest.raises(LaptopError, match=r"does not know gcp:pubsub/liteTopic:LiteTopic \(events\)"):
        first.register("gcp:pubsub/liteTopic:LiteTopic", "events")
    assert list(first.cloud.registry) == []


def test_what_stays_the_same_is_unchanged_and_what_differs_is_changed(first: Reports) -> None:
    first.register(BUCKET, "sources", name="sources", location="EU")
    second = Reports(first.cloud.home)
    second.register(BUCKET, "sources", name="sources", location="EU")
    third = Reports(first.cloud.home)
    third.register(BUCKET, "sources", name="sources", location="EU", forceDestroy=True)

    assert first.told == [("created", "sources")]
    assert second.told == [("unchanged", "sources")]
    assert third.told == [("changed", "sources")]
    assert third.cloud.registry.of_type(BUCKET)[0].inputs["forceDestroy"] is True


def test_an_ignored_change_does_not_reach_what_is_there(first: Reports) -> None:
    first.register(BUCKET, "sources", name="sources", location="EU")
    second = Reports(first.cloud.home)
    second.deployment.register(BUCKET, "sources", {"name": "sources", "location": "US"}, False, (), ("location",))

    assert second.told == [("unchanged", "sources")]


def test_a_stash_gives_out_what_it_was_made_with_until_it_is_taken_down(first: Reports) -> None:
    stash = "pulumi:index:Stash"
    assert first.register(stash, "made-with", input={"keys": False})["output"] == {"keys": False}

    second = Reports(first.cloud.home)
    assert second.register(stash, "made-with", input={"keys": True}) == {
        "input": {"keys": True},
        "output": {"keys": False},
    }

    Reports(first.cloud.home).deployment.take_down_unregistered()
    assert Reports(first.cloud.home).register(stash, "made-with", input={"keys": True})["output"] == {"keys": True}


def test_a_provider_is_no_resource(first: Reports) -> None:
    first.register("pulumi:providers:gcp", "default", project="p")
    assert list(first.cloud.registry) == []


def test_what_is_no_longer_registered_is_taken_down_the_dependent_first(first: Reports) -> None:
    for name in ("kept", "network", "bucket", "last"):
        first.register(NETWORK, name)

    second = Reports(first.cloud.home)
    second.register(NETWORK, "kept")
    second.deployment.take_down_unregistered()

    assert second.told == [
        ("unchanged", "kept"),
        ("removed", "last"),
        ("removed", "bucket"),
        ("removed", "network"),
    ]
    assert recorded(second.cloud) == ["kept"]


def test_what_is_taken_down_is_gone(first: Reports) -> None:
    first.register(BUCKET, "sources", name="sources")
    first.register(SECRET, "password", secretId="password")
    folders = [first.cloud.home.directory / "storage/sources", first.cloud.home.directory / "secrets/password"]
    assert all(folder.is_dir() for folder in folders)

    Reports(first.cloud.home).deployment.take_down_unregistered()

    assert not any(folder.exists() for folder in folders)


def test_a_protected_resource_stops_the_taking_down_before_it_begins(first: Reports) -> None:
    first.register(NETWORK, "before", protect=True)
    first.register(NETWORK, "after")

    second = Reports(first.cloud.home)
    with pytest.raises(LaptopError, match=r"compute.Network before is protected.*take `protect` away"):
        second.deployment.take_down_unregistered()
    assert recorded(first.cloud) == ["before", "after"]

    # As Pulumi: the program registers it again without protection, and may then leave it out.
    Reports(first.cloud.home).register(NETWORK, "before")
    Reports(first.cloud.home).deployment.take_down_unregistered()
    assert recorded(first.cloud) == []


def test_what_google_knows_under_another_name_of_the_program_is_refused_and_stays(first: Reports) -> None:
    first.register(BUCKET, "code-sources", name="sources")
    folder = first.cloud.home.directory / "storage/sources"
    (folder / "kept").write_text("data")

    second = Reports(first.cloud.home)
    with pytest.raises(
        LaptopError,
        match=r"storage\.Bucket shop-code-sources: sources is there already, as code-sources\. .*--purge",
    ):
        second.register(BUCKET, "shop-code-sources", name="sources")
    assert recorded(second.cloud) == ["code-sources"]

    # The program takes the name back, and goes on as before.
    third = Reports(first.cloud.home)
    third.register(BUCKET, "code-sources", name="sources")
    third.deployment.take_down_unregistered()
    assert third.told == [("unchanged", "code-sources")]
    assert (folder / "kept").read_text() == "data"


def test_one_grant_may_be_given_twice_by_one_program_and_values_of_one_kind_are_no_namesakes(
    first: Reports,
) -> None:
    first.register(ACCOUNT, "dbt", accountId="dbt-job")
    member = "serviceAccount:dbt-job@omnipipe-test.iam.gserviceaccount.com"
    for name in ("one", "two"):
        first.register(GRANT, name, project="omnipipe-test", role="roles/logging.logWriter", member=member)
    first.register(PASSWORD, "old", length=8)

    Reports(first.cloud.home).register(PASSWORD, "new", length=8)
    assert recorded(first.cloud) == ["dbt", "one", "two", "old", "new"]


def test_a_kind_that_refuses_its_removal_stays_recorded(first: Reports) -> None:
    first.register(NETWORK, "network")
    first.register(BUCKET, "sources", name="sources")
    (first.cloud.home.directory / "storage/sources/code.zip").write_text("x")

    second = Reports(first.cloud.home)
    with pytest.raises(LaptopError, match="the bucket sources is not empty, and has no forceDestroy"):
        second.deployment.take_down_unregistered()
    assert recorded(first.cloud) == ["network", "sources"]


def test_a_failure_leaves_what_was_recorded_as_it_was(first: Reports) -> None:
    first.register(SCHEDULE, "daily", name="daily", region="europe-west1", schedule="0 5 * * *")
    before = (first.cloud.home.directory / "resources.json").read_bytes()

    second = Reports(first.cloud.home)
    with pytest.raises(LaptopError, match=r"cloudscheduler.Job daily: .*impossible cron line: '0 25 \* \* \*'"):
        second.register(SCHEDULE, "daily", name="daily", region="europe-west1", schedule="0 25 * * *")
    with pytest.raises(LaptopError, match="no time zone 'Europe/Berlni'"):
        second.register(
            SCHEDULE,
            "daily",
            name="daily",
            region="europe-west1",
            schedule="0 5 * * *",
            timeZone="Europe/Berlni",
        )

    assert (first.cloud.home.directory / "resources.json").read_bytes() == before
    assert second.told == []


def test_an_input_that_the_program_forgot_is_told_by_name(first: Reports) -> None:
    with pytest.raises(LaptopError, match=r"cloudscheduler.Job daily: .*schedule"):
        first.register(SCHEDULE, "daily", name="daily", region="europe-west1")


def test_the_cloud_of_a_home_is_opened_as_it_was_brought_up(cloud: Cloud) -> None:
    made = Cloud(cloud.home, "p", "europe-west3", program=Path("/p"), real=["mail"], base_port=23450)
    made.remember()

    opened = Cloud.open(cloud.home)

    assert (opened.project, opened.region) == ("p", "europe-west3")
    assert (opened.program, opened.real) == (Path("/p"), ("mail",))
    assert opened.google == made.google
    with pytest.raises(LaptopError, match="never up here: run `omnipipe up`"):
        Cloud.open(Home(cloud.home.root, "omnipipe", "prod"))


def test_a_home_of_another_version_is_told_as_such(cloud: Cloud) -> None:
    write_json(cloud.home.directory / "stack.json", {"project": "p", "region": "r", "base_port": 1})

    with pytest.raises(LaptopError, match=r"was made by another version of OmniPipe.*down --purge"):
        Cloud.open(cloud.home)


@pytest.mark.parametrize("type_", sorted(KINDS))
def test_each_kind_says_what_it_is_here_or_is_only_recorded(type_: str) -> None:
    assert KINDS[type_].effect or isinstance(KINDS[type_], Recorded)


def test_what_is_to_be_made_anew_for_a_change_is_taken_down_first(first: Reports) -> None:
    def up(**inputs: Any) -> Reports:
        reports = Reports(first.cloud.home)
        reports.deployment.register(BUCKET, "sources", inputs, False, ["location"])
        return reports

    object_ = up(name="sources", location="EU").cloud.home.path("storage", "sources") / "object"
    object_.touch()
    up(name="sources", location="EU", labels={"a": "b"})
    assert object_.exists()

    with pytest.raises(LaptopError, match="the bucket sources is not empty"):
        up(name="sources", location="US")
    object_.unlink()
    assert up(name="sources", location="US").told == [("changed", "sources")]


def test_workflows_reach_pubsub_where_the_user_runs_an_emulator(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: dict[str, Spec] = {}
    monkeypatch.setattr(cloud, "start", lambda spec, port_name: started.update({spec.name: spec}))
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:8085")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:9")
    lifecycle._start_own_processes(cloud)

    seen = {name for name in started[GOOGLE].env if name.endswith("_EMULATOR_HOST")}
    assert (seen, started[GOOGLE].env["PUBSUB_EMULATOR_HOST"]) == ({"PUBSUB_EMULATOR_HOST"}, "127.0.0.1:8085")
    assert not [name for name in started[BIGQUERY].env if name.endswith("_EMULATOR_HOST")]
    endpoints = server.endpoints(cloud)
    assert endpoints["pubsub.googleapis.com"] == "http://127.0.0.1:8085"
    assert endpoints["storage.googleapis.com"] == endpoints["europe-west1-run.googleapis.com"] == cloud.google
    cloud.registry.put(Resource(TOPIC, "events", {"name": "events"}))
    assert server.endpoints(cloud)["pubsub.googleapis.com"] == cloud.pubsub_url  # the program's own goes first
    cloud.registry.remove(cloud.registry.of_type(TOPIC)[0])
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST")
    assert "pubsub.googleapis.com" not in server.endpoints(cloud)


def test_what_the_program_does_not_name_is_named_as_pulumi_would(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "code.txt").write_text("one")
    deployment = Deployment(cloud)
    bucket, outputs = deployment.register(BUCKET, "code", {"location": "EU"}, False)
    assert re.fullmatch(r"code-[0-9a-f]{7}", bucket)
    assert outputs["name"] == bucket == deployment.register(BUCKET, "code", {"location": "EU"}, False)[0]

    source = {"bucket": bucket, "source": str(tmp_path / "code.txt")}
    _, first = deployment.register(OBJECT, "zip", source, False)
    (tmp_path / "code.txt").write_text("two")
    _, second = deployment.register(OBJECT, "zip", source, False)

    assert first["name"] != second["name"]  # with other content it is another object, and what reads it sees that
    assert [path.name for path in (cloud.home.directory / "storage" / bucket).iterdir()] == [second["name"]]
