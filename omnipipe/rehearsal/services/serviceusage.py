"""Service Usage: which APIs are enabled, and their agents. https://cloud.google.com/service-usage/docs/reference/rest"""

from __future__ import annotations

from typing import Any

from omnipipe.rehearsal import identities, operations, paging, propagation
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.control_plane import ControlPlane
from omnipipe.rehearsal.enabling import service_name
from omnipipe.rehearsal.errors import Refused
from omnipipe.rehearsal.service import Service
from omnipipe.rehearsal.store import Record

HOST = "serviceusage"
service = Service(HOST, by_number=True, metadata="")


def _record(call: Call, name: str) -> Record:
    """A service of a project, disabled if nobody asked for it. Raises Refused (403) for no service of Google's."""
    known = call.store.get(HOST, name)
    if known:
        return known
    if not name.endswith(".googleapis.com"):
        raise Refused(403, f"Not found or permission denied for service(s): {name.rpartition('/')[2]}.")
    host = name.rpartition("/")[2].removesuffix(".googleapis.com")
    enabled = call.plane.world.enabled is None or host in call.plane.world.enabled
    return _keep(call, name, "ENABLED" if enabled else "DISABLED")


def _keep(call: Call, name: str, state: str) -> Record:
    service_id = name.rpartition("/")[2]
    body = {
        "name": name,
        "parent": f"projects/{call.number}",
        "config": {"name": service_id},
        "state": state,
    }
    return call.store.add(Record(HOST, name, "services", body))


def _shown(call: Call, record: Record) -> dict[str, Any]:
    return record.body | {"name": call.plane.numbered(record.name)}


@service.answers("services.get")
def get(call: Call) -> dict[str, Any]:
    """A service, enabled or not."""
    call.plane.require_project(call)
    return _shown(call, _record(call, call.name))


@service.answers("services.list")
def list_(call: Call) -> dict[str, Any]:
    """The services that were asked for; `filter` is state:ENABLED or state:DISABLED."""
    wanted = str(call.query.get("filter", "")).rpartition(":")[2]
    found = [
        _shown(call, record)
        for record in call.store.children(HOST, call.name)
        if not wanted or record.body["state"] == wanted
    ]
    part, token = paging.page(found, call.query)
    return ({"services": list(part)} if part else {}) | ({"nextPageToken": token} if token else {})


@service.answers("services.batchGet")
def batch_get(call: Call) -> dict[str, Any]:
    """Several services by name."""
    names = [call.plane.with_id(name) for name in call.query.get("names", [])]
    return {"services": [_shown(call, _record(call, name)) for name in names]}


@service.answers("services.enable")
def enable(call: Call) -> dict[str, Any]:
    """Enable one."""
    call.plane.require_project(call)
    record = _enable(call, call.name)
    return operations.finished(call, "", record, {"service": _shown(call, record)})


def _enable(call: Call, name: str) -> Record:
    record = _record(call, name)
    if record.body["state"] != "ENABLED":
        record = _keep(call, name, "ENABLED")
        propagation.begin(call.plane, record)
    return record


@service.answers("services.batchEnable")
def batch_enable(call: Call) -> dict[str, Any]:
    """Enable up to 20: https://cloud.google.com/service-usage/docs/reference/rest/v1/services/batchEnable"""
    call.plane.require_project(call)
    ids = call.body.get("serviceIds", [])
    if len(ids) > 20:
        raise Refused(400, "Cannot batch enable more than 20 services.")
    place = call.name if call.name.endswith("services") else f"{call.name}/services"
    for id_ in ids:
        _record(call, f"{place}/{id_}")
    records = [_enable(call, f"{place}/{id_}") for id_ in ids]
    return operations.finished(call, "", None, {"services": [_shown(call, record) for record in records]})


@service.answers("services.disable")
def disable(call: Call) -> dict[str, Any]:
    """Disable one that is enabled."""
    if _record(call, call.name).body["state"] != "ENABLED":
        raise Refused(400, f"{call.name} is not enabled.", status="FAILED_PRECONDITION")
    record = _keep(call, call.name, "DISABLED")
    return operations.finished(call, "", record, {"service": _shown(call, record)})


@service.answers("services.generateServiceIdentity")
def identity(call: Call) -> dict[str, Any]:
    """The agent of a service, which is made with it: its address holds the project's number."""
    host = call.name.rpartition("/")[2].removesuffix(".googleapis.com")
    email = identities.agent(call.plane, host, call.project)
    identities.make(call.plane, email)
    return operations.finished(call, "", None, {"email": email, "uniqueId": call.plane.clock.number(21)})


@service.prepares()
def world(plane: ControlPlane) -> None:
    """What the world says is enabled."""
    place = f"projects/{plane.world.project}/services"
    for host in plane.world.enabled or ():
        name = f"{place}/{service_name(host)}"
        body = {"name": name, "parent": f"projects/{plane.world.number}", "state": "ENABLED"}
        plane.store.add(Record(HOST, name, "services", body | {"config": {"name": service_name(host)}}))
