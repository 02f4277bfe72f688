"""Compute Engine: networks, addresses, forwarding. https://cloud.google.com/compute/docs/reference/rest/v1"""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from omnipipe.rehearsal import computed, etags, operations, references, reservations
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.control_plane import ControlPlane
from omnipipe.rehearsal.errors import Refused
from omnipipe.rehearsal.service import Service
from omnipipe.rehearsal.store import Record

HOST = "compute"
_LONGEST_PREFIX = 29  # https://cloud.google.com/vpc/docs/subnets#ip-ranges
_NAME = re.compile("[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
service = Service(
    HOST,
    older=True,
    errors_have_status=False,
    missing={"": "The resource '{name}' was not found"},
    duplicate={"": "The resource '{name}' already exists"},
    # Each from its resource's page below https://cloud.google.com/compute/docs/reference/rest/v1.
    defaults={
        "networks": {
            "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL",
            "routingConfig": {"routingMode": "REGIONAL", "bgpBestPathSelectionMode": "LEGACY"},
            "autoCreateSubnetworks": True,
        },
        "subnetworks": {
            "privateIpGoogleAccess": False,
            "privateIpv6GoogleAccess": "DISABLE_GOOGLE_ACCESS",
            "purpose": "PRIVATE",
            "stackType": "IPV4_ONLY",
            "logConfig": {"enable": False},
        },
        "addresses": {"addressType": "EXTERNAL", "description": "", "status": "RESERVED"},
        "forwardingRules": {"loadBalancingScheme": "EXTERNAL", "networkTier": "PREMIUM", "description": ""},
        "firewalls": {"direction": "INGRESS", "priority": 1000, "disabled": False, "logConfig": {"enable": False}},
        "routers": {"encryptedInterconnectRouter": False},
        "backendServices": {
            "affinityCookieTtlSec": 0,
            "connectionDraining": {"drainingTimeoutSec": 0},
            "description": "",
            "loadBalancingScheme": "EXTERNAL",
            "protocol": "TCP",
            "sessionAffinity": "NONE",
            "timeoutSec": 30,
            # The SHA-256 of no secret.
            "iap": {
                "enabled": False,
                "oauth2ClientId": "",
                "oauth2ClientSecretSha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            },
        },
        "healthChecks": {"checkIntervalSec": 5, "timeoutSec": 5, "healthyThreshold": 2, "unhealthyThreshold": 2},
        "targetTcpProxies": {"proxyHeader": "NONE"},
        "networkAttachments": {"description": "", "connectionEndpoints": []},
    },
)


@service.checks(
    "networks", "subnetworks", "addresses", "forwardingRules", "networkAttachments", "firewalls", "routers"
)
def check(call: Call, body: dict[str, Any]) -> None:
    """A name is a label of a domain name (RFC 1035), and a range a range."""
    name = body.get("name", "")
    message = f"Invalid value for field 'resource.name': '{name}'. Must be a match of regex '(?:{_NAME.pattern})'"
    call.require_form(_NAME, name, message)
    try:
        if ipaddress.ip_network(body.get("ipCidrRange", "0.0.0.0/0")).prefixlen > _LONGEST_PREFIX:
            raise ValueError("there is no room for a gateway")
    except ValueError as error:
        wrong = (
            f"Invalid value for field 'resource.ipCidrRange': '{body['ipCidrRange']}'. It must be a CIDR range."
        )
        raise Refused(400, wrong) from error
    _check_subnetworks(call, body)


def _check_subnetworks(call: Call, body: dict[str, Any]) -> None:
    """What is in a region is in a subnetwork of that region; an address in one is internal.

    https://github.com/GoogleCloudPlatform/cluster-toolkit/issues/3992; the field's own description
    """
    named = [("subnetwork", body.get("subnetwork"))]
    named += [(f"subnetworks[{number}]", link) for number, link in enumerate(body.get("subnetworks") or ())]
    for field, link in named if call.collection != "networks" and call.location else ():
        found = re.search(r"/regions/([^/]+)/subnetworks/", str(link or ""))
        if found and found[1] != call.location:
            message = (
                f"Invalid value for field 'resource.{field}': '{link}'. Subnetwork must be in the same region."
            )
            raise Refused(400, message)
    if call.collection == "addresses" and body.get("subnetwork") and body.get("addressType") != "INTERNAL":
        message = f"Invalid value for field 'resource.subnetwork': '{body['subnetwork']}'."
        raise Refused(400, f"{message} Subnetwork can only be used with an address of type INTERNAL.")


@service.prepares()
def world(plane: ControlPlane) -> None:
    """A new project has a network: https://cloud.google.com/vpc/docs/vpc#default-network"""
    name = f"projects/{plane.world.project}/global/networks/default"
    body = {
        "name": "default",
        "kind": "compute#network",
        "autoCreateSubnetworks": True,
        "id": plane.clock.number(),
    }
    body |= {"selfLink": f"{plane.links[HOST]}{name}", "creationTimestamp": plane.clock.timestamp()}
    plane.store.add(Record(HOST, name, "networks", body | dict(service.defaults["networks"])))


@service.fills("networks")
def network(call: Call, record: Record) -> None:
    """A network in auto mode has a subnet in each region: https://cloud.google.com/vpc/docs/subnets#ip-ranges"""
    body = record.body
    body["selfLinkWithId"] = call.link(f"{record.name.rpartition('/')[0]}/{body['id']}")
    if body["autoCreateSubnetworks"]:
        place = f"projects/{call.project}/regions"
        body["subnetworks"] = [call.link(f"{place}/{region}/subnetworks/{record.id}") for region in _regions(call)]


def _regions(call: Call) -> list[str]:
    """The regions that the document itself lists as endpoints."""
    return call.api.regions or ["us-central1"]


@service.fills("subnetworks")
def subnetwork(call: Call, record: Record) -> None:
    """The first address of a range is the gateway; the network knows its subnets."""
    body = record.body
    body.setdefault("ipCidrRange", "10.128.0.0/20")
    body["gatewayAddress"] = str(ipaddress.ip_network(body["ipCidrRange"])[1])
    if body["purpose"] in ("REGIONAL_MANAGED_PROXY", "GLOBAL_MANAGED_PROXY"):
        body["role"] = body.get("role") or "ACTIVE"
        body.pop("logConfig", None)
    above = _of(call, body.get("network", ""))
    if above:
        above.body.setdefault("subnetworks", []).append(body["selfLink"])
        body["network"] = above.body["selfLink"]


@service.removes("subnetworks")
def forget_subnetwork(call: Call, record: Record) -> None:
    """The network forgets it, too."""
    above = _of(call, record.body.get("network", ""))
    if above:
        above.body["subnetworks"] = [
            link for link in above.body.get("subnetworks", []) if link != record.body["selfLink"]
        ]
        if not above.body["subnetworks"]:
            del above.body["subnetworks"]
    call.store.remove(record)


def _of(call: Call, link: str) -> Record | None:
    """What a link names."""
    return call.store.get(HOST, call.plane.with_id(references.name(link)))


@service.fills("addresses")
def address(call: Call, record: Record) -> None:
    """One that is not told is taken from the range; only what faces outwards, or is in a region, has a tier."""
    body = record.body
    body.setdefault("address", "10.0.0.2" if body["addressType"] == "INTERNAL" else "8.8.8.8")
    if call.location:
        body.setdefault("networkTier", "PREMIUM")
    if body["addressType"] == "INTERNAL" and body.get("subnetwork"):
        body.setdefault("purpose", "GCE_ENDPOINT")
    elif body["addressType"] == "EXTERNAL":
        body.setdefault("networkTier", "PREMIUM")
    if not call.location and body["addressType"] == "EXTERNAL":
        body.setdefault("ipVersion", "IPV4")


@service.fills("forwardingRules")
def forwarding_rule(call: Call, record: Record) -> None:
    """A rule has an address; one to a service attachment a number and a state."""
    body = record.body
    body.setdefault("IPAddress", "8.8.8.8")
    body["selfLinkWithId"] = call.link(f"{record.name.rpartition('/')[0]}/{body['id']}")
    target = body.get("target", "")
    if "serviceAttachments" in target:
        body |= {"pscConnectionId": call.plane.clock.number(), "pscConnectionStatus": "ACCEPTED"}
        body.pop("loadBalancingScheme", None)
        return
    body.setdefault("IPProtocol", "TCP")
    if body.get("ipVersion") is None and not call.location:
        body["ipVersion"] = "IPV4"
    if ports := body.get("portRange"):
        body["portRange"] = ports if "-" in ports else f"{ports}-{ports}"
    if label := body.get("serviceLabel"):
        body["serviceName"] = f"{label}.{record.id}.il4.{call.location}.lb.{call.project}.internal"
    subnet = _of(call, body.get("subnetwork", ""))
    if subnet:
        body.setdefault("network", subnet.body["network"])


@service.follows("routers")
def router(call: Call, record: Record) -> None:
    """https://cloud.google.com/nat/docs/public-nat: what a gateway has by default."""
    for gateway in record.body.get("nats") or ():
        gateway.setdefault("enableEndpointIndependentMapping", False)
        gateway.setdefault("endpointTypes", ["ENDPOINT_TYPE_VM"])
        gateway.setdefault("effectiveTcpTimeWaitTimeoutSec", gateway.get("tcpTimeWaitTimeoutSec", 120))
        gateway.setdefault("type", "PUBLIC")
        if gateway["type"] == "PUBLIC":
            gateway.setdefault("autoNetworkTier", "PREMIUM")


@service.fills("backendServices")
def backend_service(call: Call, record: Record) -> None:
    """Only an internal one is subset; a connection to a global one drains."""
    body = record.body
    if body["loadBalancingScheme"] == "INTERNAL":
        body.setdefault("subsetting", {"policy": "NONE"})


@service.fills("networkAttachments")
def network_attachment(call: Call, record: Record) -> None:
    """It is in the network of its subnets."""
    subnet = _of(call, next(iter(record.body.get("subnetworks") or [""])))
    if subnet:
        record.body["network"] = subnet.body["network"]


@service.keeps(
    "networks",
    "subnetworks",
    "addresses",
    "networkAttachments",
    "backendServices",
    "healthChecks",
    "targetTcpProxies",
    "targetHttpProxies",
    "urlMaps",
)
def keep_used(call: Call, record: Record) -> None:
    """https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-delete: resourceInUseByAnotherResource"""
    holders = [_holder(record, user) for user in references.users(call, record)]
    peerings = [references.name(each["network"]) for each in record.body.get("peerings") or ()]
    if name := next(filter(None, [*holders, *peerings, *reservations.held(call, record)]), ""):
        kind = record.body["kind"].partition("#")[2]
        message = f"The {kind} resource '{record.name}' is already being used by '{name}'"
        raise Refused(400, message, reason="resourceInUseByAnotherResource")


def _holder(record: Record, user: Record) -> str:
    """What keeps a resource that another names from being deleted; "" for nothing."""
    if user.host == HOST:
        return "" if (record.collection, user.collection) == ("subnetworks", "networks") else user.name
    if (
        record.collection == "networkAttachments"
    ):  # https://cloud.google.com/bigquery/docs/connections-with-network-attachment#limitations
        return user.name
    return reservations.address(user, record) if record.collection == "subnetworks" else ""


# --- methods that many collections have: setLabels, setTarget and the like; aggregatedList


@service.answers("*.set…")
def set_fields(call: Call) -> dict[str, Any]:
    """The request's fields are the resource's.

    Labels are set against their fingerprint: https://cloud.google.com/compute/docs/labeling-resources
    """
    record = call.record()
    sent = dict(call.body)
    given = sent.pop("labelFingerprint", None)
    if etags.is_stale(
        given, record.body.get("labelFingerprint"), record.former_etags, any_form=call.plane.world.any_form
    ):
        raise Refused(412, "Labels fingerprint either invalid or resource labels have changed")
    record.body |= sent
    computed.touch(call, call.schema, record)
    return operations.finished(call, record.name, record, None)


@service.answers("*.aggregatedList")
def aggregated(call: Call) -> dict[str, Any]:
    """A collection's resources in all regions and zones: https://cloud.google.com/compute/docs/reference/rest/v1/addresses/aggregatedList"""
    call.plane.require_project(call)
    scopes: dict[str, Any] = {}
    for record in call.store:
        where = re.fullmatch(
            rf"projects/{call.project}/(global|(?:regions|zones)/[^/]+)/{call.collection}/.*", record.name
        )
        if where and record.host == HOST:
            scopes.setdefault(where[1], {}).setdefault(call.collection, []).append(record.body)
    return {"kind": f"compute#{call.collection[:-1]}AggregatedList", "id": call.path, "items": scopes}


@service.answers("*.wait")
def wait(call: Call) -> dict[str, Any]:
    """An operation, which is done."""
    return call.record().body


@service.answers("networks.addPeering", "networks.updatePeering", "networks.removePeering")
def peer(call: Call) -> dict[str, Any]:
    """Peerings are part of their network: https://cloud.google.com/vpc/docs/vpc-peering"""
    record = call.record()
    sent = call.body.get("networkPeering") or {
        "name": call.body.get("name"),
        "network": call.body.get("peerNetwork"),
    }
    others = [each for each in record.body.get("peerings", []) if each["name"] != sent["name"]]
    if call.method.verb != "removePeering":
        others.append(sent | {"state": "ACTIVE"})
    record.body["peerings"] = others
    return operations.finished(call, record.name, record, None)


@service.answers("regions.get", "zones.get", "projects.get")
def place(call: Call) -> dict[str, Any]:
    """A region or zone that the document names, and the project."""
    call.plane.require_project(call)
    name = call.name.rpartition("/")[2]
    kind = call.collection[:-1]
    if kind == "region" and name not in _regions(call):
        raise service.not_found(call, call.name)
    body = {"kind": f"compute#{kind}", "id": "1000", "name": name, "selfLink": call.link(call.name)}
    return body | ({"status": "UP"} if kind != "project" else {"defaultServiceAccount": default_account(call)})


def default_account(call: Call) -> str:
    """The account that workloads have if none is told: https://cloud.google.com/compute/docs/access/service-accounts"""
    return f"{call.number}-compute@developer.gserviceaccount.com"
