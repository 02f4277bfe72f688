"""Where things are."""

import pytest
from pulumi.runtime.rpc import UNKNOWN

from policy.locations import one_location, regions, unknown_regions
from tests.policy.conftest import asked, resource, said


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"region": "europe-west1-b"}, "region is the zone europe-west1-b: write europe-west1"),
        ({"region": "Europe-West1"}, "Europe-West1 is no region: write europe-west1"),
        ({"location": "EUROPE-WEST1"}, "EUROPE-WEST1 is no region: write europe-west1"),
    ],
)
def test_a_region_is_no_zone_and_in_lower_case(inputs: dict[str, str], words: str) -> None:
    assert said(regions, "workflows.Workflow", inputs) == [words]


@pytest.mark.parametrize("place", ["europe-west99", "us-middle1"])
def test_a_region_that_nobody_knows_is_a_warning(place: str) -> None:
    for inputs in ({"region": place}, {"location": place}):
        (violation,) = asked(unknown_regions, resource("workflows.Workflow", inputs))
        assert violation.message == f"there was no region {place} in 2026-11: is it spelled right?"
        assert not violation.mandatory


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("workflows.Workflow", {"region": "europe-west1"}),
        ("bigquery.Dataset", {"location": "EU"}),
        ("kms.KeyRing", {"location": "global"}),
        ("container.Cluster", {"location": "europe-west1-b"}),
        ("storage.Bucket", {"location": "EUROPE-WEST1"}),
        ("workflows.Workflow", {"region": UNKNOWN}),
    ],
)
def test_a_place_that_is_one(kind: str, inputs: dict[str, str]) -> None:
    assert not said(regions, kind, inputs)
    assert not said(unknown_regions, kind, inputs)


HOME = [resource("run.Job", {"location": "europe-west1"}, f"home-{number}") for number in range(3)]


@pytest.mark.parametrize("place", ["us-central1", "US", "europe-west4", "us", "asia"])
def test_what_is_elsewhere_than_the_stack_is_refused(place: str) -> None:
    (violation,) = asked(
        one_location, *HOME[:2], resource("bigquery.Dataset", {"location": place}, "away"), HOME[2]
    )
    assert violation.resource == "bigquery.Dataset away"
    assert violation.message == f"it is in {place}, and most of the stack in europe-west1: put it there, too"
    assert violation.mandatory


@pytest.mark.parametrize("place", ["europe-west1", "EU", "eu", "europe", "global", UNKNOWN])
def test_what_is_with_the_stack_or_around_it_is_taken(place: str) -> None:
    assert not asked(one_location, *HOME, resource("bigquery.Dataset", {"location": place}))
    assert not asked(one_location, *HOME, resource("datacatalog.Taxonomy", {"region": place}))


def test_a_stack_of_multi_regions_alone_is_in_one_place() -> None:
    assert not asked(one_location, *(resource("bigquery.Dataset", {"location": "EU"}, name) for name in "ab"))


def test_the_region_of_what_is_deployed_may_be_an_address() -> None:
    address = "https://www.googleapis.com/compute/v1/projects/shop/regions/"
    subnet = [
        resource("compute.Subnetwork", {"region": address + place}) for place in ("europe-west1", "us-east1")
    ]
    assert not asked(one_location, *HOME, subnet[0])
    assert asked(one_location, *HOME, subnet[1])
