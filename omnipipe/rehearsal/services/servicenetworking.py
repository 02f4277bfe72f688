"""Service Networking: the peering over which Google's services have private addresses.

https://cloud.google.com/service-infrastructure/docs/service-networking/reference/rest
"""

from __future__ import annotations

from typing import Any

from omnipipe.rehearsal import operations
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused, failed_precondition
from omnipipe.rehearsal.service import Service
from omnipipe.rehearsal.store import Record

HOST = "servicenetworking"
service = Service(HOST, metadata="")


def _service(call: Call) -> str:
    return "/".join(call.path.split("/")[:2])


def _network(call: Call, network: str) -> Record:
    record = call.other("compute", call.plane.with_id(network))
    if record is None:
        raise Refused(404, f"The resource '{network}' was not found")
    return record


def _ranges(call: Call, names: list[str]) -> None:
    """The reserved ranges are addresses of the network's project, made for peering."""
    for name in names:
        full = f"projects/{call.plane.world.project}/global/addresses/{name}"
        known = call.other("compute", full)
        if known is None:
            raise Refused(400, f"Cannot find allocated range {name}.")


def _connection(call: Call, network: str) -> Record | None:
    wanted = call.plane.with_id(network)
    for record in call.store.below(HOST, f"{_service(call)}/connections"):
        if call.plane.with_id(record.body["network"]) == wanted:
            return record
    return None


@service.answers("connections.create")
def create(call: Call) -> dict[str, Any]:
    """One for each network and service."""
    network = call.body.get("network", "")
    peered = _network(call, network)
    _ranges(call, call.body.get("reservedPeeringRanges") or [])
    if _connection(call, network):
        raise failed_precondition(f"A connection of {network} exists already: use update to change its ranges.")
    producer = call.path.split("/")[1].replace(".", "-")
    body = {
        "network": network,
        "reservedPeeringRanges": list(call.body.get("reservedPeeringRanges") or []),
        "peering": producer,
        "service": _service(call),
    }
    name = f"{_service(call)}/connections/{peered.id}"
    record = call.store.add(Record(HOST, name, "connections", body))
    return operations.finished(call, name, record, body)


@service.answers("connections.list")
def list_(call: Call) -> dict[str, Any]:
    """The connections of a network."""
    found = _connection(call, call.query.get("network", ""))
    return {"connections": [found.body]} if found else {}


@service.answers("connections.patch")
def patch(call: Call) -> dict[str, Any]:
    """Other ranges; with force, one that is not there is made."""
    network = call.body.get("network", "")
    record = _connection(call, network)
    _ranges(call, call.body.get("reservedPeeringRanges") or [])
    if record is None:
        if not call.query.get("force"):
            raise Refused(404, f"The connection of {network} was not found")
        return create(call)
    record.body["reservedPeeringRanges"] = list(call.body.get("reservedPeeringRanges") or [])
    return operations.finished(call, record.name, record, record.body)


@service.answers("connections.deleteConnection")
def delete(call: Call) -> dict[str, Any]:
    """Not while a service has addresses in it: https://cloud.google.com/vpc/docs/configure-private-services-access"""
    record = _connection(call, call.body.get("consumerNetwork", ""))
    if record is None:
        raise Refused(404, f"The connection {call.path} was not found")
    network = call.plane.with_id(record.body["network"])
    for other in call.store:
        settings = other.body.get("settings") or {}
        private = (settings.get("ipConfiguration") or {}).get("privateNetwork", "")
        if other.host == "sqladmin" and private and call.plane.with_id(private).endswith(network):
            message = (
                "Failed to delete connection; Producer services (e.g. CloudSQL, Cloud Memstore, etc.) are still using "
                "this connection."
            )
            raise failed_precondition(message)
    call.store.remove(record)
    return operations.finished(call, record.name, None, None)


@service.answers("peeredDnsDomains.create")
def create_domain(call: Call) -> dict[str, Any]:
    """A domain whose names the peered services resolve."""
    if not call.body.get("name"):
        raise Refused(400, "The name of a peered DNS domain must be set.")
    name = f"{call.path}/{call.body['name']}"
    if call.store.get(HOST, name):
        raise service.exists(call, name)
    record = call.store.add(Record(HOST, name, "peeredDnsDomains", dict(call.body)))
    return operations.finished(call, name, record, record.body)
