"""The network: private, kept in every stack, with a door for Datastream."""

import ipaddress

import pytest

from components.network import Network
from components.place import Place
from tests.components.mocks import UNKNOWN, Recorder, record

PLACE = Place("shop-prod", "europe-west1")


def network(*, preview: bool = False) -> Recorder:
    return record(lambda: Network("network", PLACE), preview=preview)


def test_one_subnet_in_the_region_and_none_that_google_makes_itself() -> None:
    program = network()

    assert program.named("network-vpc").inputs == {"project": "shop-prod", "autoCreateSubnetworks": False}
    subnet = program.named("network-subnet").inputs
    assert (subnet["project"], subnet["region"]) == ("shop-prod", "europe-west1")
    assert subnet["network"] == "id/network-vpc"
    assert ipaddress.ip_network(subnet["ipCidrRange"]).is_private
    # A job without a public address must reach BigQuery and Cloud SQL's API.
    assert subnet["privateIpGoogleAccess"] is True


def test_datastream_comes_in_by_an_attachment_to_the_subnet() -> None:
    attachment = network().named("network-datastream").inputs

    assert attachment == {
        "project": "shop-prod",
        "region": "europe-west1",
        "subnetworks": ["id/network-subnet"],
        "connectionPreference": "ACCEPT_AUTOMATIC",
    }


def test_all_of_it_is_protected_in_every_stack() -> None:
    resources = network().resources

    assert len(resources) == 3
    assert all(resource.protect and resource.parent == "network" for resource in resources)


@pytest.mark.parametrize("preview", [False, True])
def test_the_ids_are_exposed_and_unknown_in_a_preview(preview: bool) -> None:
    program = network(preview=preview)

    children = {"network_id": "network-vpc", "subnet_id": "network-subnet", "attachment_id": "network-datastream"}
    assert program.exposed["network"] == {
        key: UNKNOWN if preview else f"id/{child}" for key, child in children.items()
    }
    assert program.named("network-subnet").property_dependencies["network"] == {"network-vpc"}
    assert program.named("network-datastream").property_dependencies["subnetworks"] == {"network-subnet"}
