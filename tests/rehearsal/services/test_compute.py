"""Compute: networks, and that what is used is not deleted."""

from typing import Any

import pytest

from omnipipe.rehearsal.control_plane import ControlPlane
from tests.rehearsal.conftest import PROJECT, Client, refusal

REGION = "europe-west1"
NETWORK = f"projects/{PROJECT}/global/networks/net"


@pytest.fixture
def compute(google: Client) -> Any:
    return google("compute", "beta")


def make_network(compute: Any) -> dict[str, Any]:
    compute.networks().insert(project=PROJECT, body={"name": "net", "autoCreateSubnetworks": False}).execute()
    return compute.networks().get(project=PROJECT, network="net").execute()


def subnetwork(compute: Any, **more: Any) -> Any:
    body = {"name": "sub", "network": NETWORK, "ipCidrRange": "10.1.0.0/24"} | more
    return compute.subnetworks().insert(project=PROJECT, region=REGION, body=body)


def test_a_network_is_found_by_its_name_and_by_its_number(compute: Any) -> None:
    made = make_network(compute)
    assert made["routingConfig"]["routingMode"] == "REGIONAL"
    assert int(made["id"]) < 2**63
    assert compute.networks().get(project=PROJECT, network=made["id"]).execute() == made


def test_a_subnetwork_has_a_gateway_and_its_region_as_a_link(compute: Any) -> None:
    make_network(compute)
    operation = subnetwork(compute).execute()
    assert operation["region"].endswith(f"/regions/{REGION}")
    made = compute.subnetworks().get(project=PROJECT, region=REGION, subnetwork="sub").execute()
    assert (made["gatewayAddress"], made["purpose"]) == ("10.1.0.1", "PRIVATE")
    assert made["region"].endswith(f"projects/{PROJECT}/regions/{REGION}")
    assert compute.networks().get(project=PROJECT, network="net").execute()["subnetworks"] == [made["selfLink"]]


def test_a_subnetwork_needs_its_network_and_a_range(compute: Any) -> None:
    status, message, error = refusal(subnetwork(compute))
    assert (status, message) == (404, f"The resource '{NETWORK}' was not found")
    assert "status" not in error
    make_network(compute)
    assert "must be a CIDR range" in refusal(subnetwork(compute, ipCidrRange="10.1.0.0"))[1]


def test_what_is_in_a_subnetwork_is_in_its_region(compute: Any) -> None:
    make_network(compute)
    subnetwork(compute).execute()
    link = f"projects/{PROJECT}/regions/{REGION}/subnetworks/sub"
    elsewhere = {"project": PROJECT, "region": "europe-west4"}
    body = {"name": "attachment", "subnetworks": [link]}
    words = f"Invalid value for field 'resource.subnetworks[0]': '{link}'. Subnetwork must be in the same region."
    assert refusal(compute.networkAttachments().insert(**elsewhere, body=body))[:2] == (400, words)
    body = {"name": "address", "addressType": "INTERNAL", "subnetwork": link}
    assert refusal(compute.addresses().insert(**elsewhere, body=body))[0] == 400
    compute.addresses().insert(project=PROJECT, region=REGION, body=body).execute()


def test_an_address_in_a_subnetwork_is_internal(compute: Any) -> None:
    make_network(compute)
    subnetwork(compute).execute()
    body = {"name": "address", "subnetwork": f"projects/{PROJECT}/regions/{REGION}/subnetworks/sub"}
    status, message, _ = refusal(compute.addresses().insert(project=PROJECT, region=REGION, body=body))
    assert (status, message.endswith("can only be used with an address of type INTERNAL.")) == (400, True)


def test_a_name_is_one_that_a_host_can_have(compute: Any) -> None:
    status, message, _ = refusal(compute.networks().insert(project=PROJECT, body={"name": "My_Net"}))
    assert status == 400
    assert message.startswith("Invalid value for field 'resource.name': 'My_Net'. Must be a match of regex")


def test_what_is_used_is_not_deleted(compute: Any) -> None:
    make_network(compute)
    subnetwork(compute).execute()
    status, message, error = refusal(compute.networks().delete(project=PROJECT, network="net"))
    sub = f"projects/{PROJECT}/regions/{REGION}/subnetworks/sub"
    assert (status, message) == (400, f"The network resource '{NETWORK}' is already being used by '{sub}'")
    assert error["errors"][0]["reason"] == "resourceInUseByAnotherResource"
    compute.subnetworks().delete(project=PROJECT, region=REGION, subnetwork="sub").execute()
    compute.networks().delete(project=PROJECT, network="net").execute()


def test_a_subnetwork_keeps_the_addresses_of_what_ran_in_it(
    compute: Any, google: Client, plane: ControlPlane
) -> None:
    make_network(compute)
    subnetwork(compute).execute()
    name = f"projects/{PROJECT}/regions/{REGION}/subnetworks/sub"
    task = {"containers": [{"image": "gcr.io/x/y"}], "vpcAccess": {"networkInterfaces": [{"subnetwork": name}]}}
    jobs, place = google("run", "v2").projects().locations().jobs(), f"projects/{PROJECT}/locations/{REGION}"
    jobs.create(parent=place, jobId="dbt", body={"template": {"template": task}}).execute()
    jobs.run(name=f"{place}/jobs/dbt", body={}).execute()
    delete = compute.subnetworks().delete(project=PROJECT, region=REGION, subnetwork="sub")
    status, message, _ = refusal(delete)
    held = f"projects/{PROJECT}/regions/{REGION}/addresses/serverless-ipv4-"
    assert (status, f"is already being used by '{held}" in message) == (400, True)
    jobs.delete(name=f"{place}/jobs/dbt").execute()
    plane.clock.advance(3600)
    assert refusal(delete)[1] == message, "they are held for a while longer"
    plane.clock.advance(3600)
    delete.execute()


def test_a_subnetwork_goes_when_its_jobs_never_ran(compute: Any, google: Client) -> None:
    make_network(compute)
    subnetwork(compute).execute()
    name = f"projects/{PROJECT}/regions/{REGION}/subnetworks/sub"
    task = {"containers": [{"image": "gcr.io/x/y"}], "vpcAccess": {"networkInterfaces": [{"subnetwork": name}]}}
    jobs, place = google("run", "v2").projects().locations().jobs(), f"projects/{PROJECT}/locations/{REGION}"
    jobs.create(parent=place, jobId="dbt", body={"template": {"template": task}}).execute()
    compute.subnetworks().delete(project=PROJECT, region=REGION, subnetwork="sub").execute()


def test_an_attachment_stays_while_a_connection_goes_through_it(compute: Any, google: Client) -> None:
    make_network(compute)
    subnetwork(compute).execute()
    name = f"projects/{PROJECT}/regions/{REGION}/networkAttachments/attachment"
    private = google("datastream", "v1").projects().locations().privateConnections()
    place, through = f"projects/{PROJECT}/locations/{REGION}", {"networkAttachment": name}
    body = {"displayName": "private", "pscInterfaceConfig": through}
    create = private.create(parent=place, privateConnectionId="private", body=body)
    assert refusal(create)[:2] == (404, f"The resource '{name}' was not found")
    attachment = {"name": "attachment", "subnetworks": [f"projects/{PROJECT}/regions/{REGION}/subnetworks/sub"]}
    attachments = compute.networkAttachments()
    attachments.insert(project=PROJECT, region=REGION, body=attachment).execute()
    create.execute()
    delete = attachments.delete(project=PROJECT, region=REGION, networkAttachment="attachment")
    assert f"is already being used by '{place}/privateConnections/private'" in refusal(delete)[1]
    private.delete(name=f"{place}/privateConnections/private").execute()
    delete.execute()


def test_an_address_stays_while_a_rule_leads_to_it(compute: Any) -> None:
    name = f"projects/{PROJECT}/regions/{REGION}/addresses/ip"
    rule = {"name": "rule", "IPAddress": name, "target": "projects/t/regions/r/serviceAttachments/s"}
    insert = compute.forwardingRules().insert(project=PROJECT, region=REGION, body=rule)
    assert refusal(insert)[:2] == (404, f"The resource '{name}' was not found")
    compute.addresses().insert(project=PROJECT, region=REGION, body={"name": "ip"}).execute()
    insert.execute()
    delete = compute.addresses().delete(project=PROJECT, region=REGION, address="ip")
    assert "is already being used by" in refusal(delete)[1]


def test_a_network_stays_while_it_is_peered(compute: Any) -> None:
    make_network(compute)
    peering = {"name": "other", "network": "projects/other/global/networks/net", "exchangeSubnetRoutes": True}
    networks = compute.networks()
    networks.addPeering(project=PROJECT, network="net", body={"networkPeering": peering}).execute()
    assert "is already being used by" in refusal(networks.delete(project=PROJECT, network="net"))[1]
    networks.removePeering(project=PROJECT, network="net", body={"name": "other"}).execute()
    networks.delete(project=PROJECT, network="net").execute()


def test_labels_are_set_against_their_fingerprint(compute: Any) -> None:
    compute.addresses().insert(project=PROJECT, region=REGION, body={"name": "ip"}).execute()
    made = compute.addresses().get(project=PROJECT, region=REGION, address="ip").execute()
    body = {"labels": {"a": "b"}, "labelFingerprint": made["labelFingerprint"]}
    compute.addresses().setLabels(project=PROJECT, region=REGION, resource="ip", body=body).execute()
    request = compute.addresses().setLabels(project=PROJECT, region=REGION, resource="ip", body=body)
    status, message, _ = refusal(request)
    assert (status, message) == (412, "Labels fingerprint either invalid or resource labels have changed")


def test_an_aggregated_list_is_by_place(compute: Any) -> None:
    make_network(compute)
    subnetwork(compute).execute()
    listed = compute.subnetworks().aggregatedList(project=PROJECT).execute()["items"]
    assert [each["name"] for each in listed[f"regions/{REGION}"]["subnetworks"]] == ["sub"]
