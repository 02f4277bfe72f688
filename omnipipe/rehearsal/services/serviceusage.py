"""Service Usage: which APIs are enabled, and their agents. https://cloud.google.com/service-usage/docs/reference/rest"""

from __future__ import annotations

from typing import Any

from omnipipe.rehearsal import operations, paging
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.control_plane import ControlPlane
from omnipipe.rehearsal.enabling import service_name
from omnipipe.rehearsal.errors import Refused
from omnipipe.rehearsal.service import Service
from omnipipe.rehearsal.store import Record

HOST = "serviceusage"
service = Service(HOST, by_number=True, metadata="")

# https://cloud.google.com/iam/docs/service-agents
_AGENTS = {
    "artifactregistry": "gcp-sa-artifactregistry",
    "bigquerydatatransfer": "gcp-sa-bigquerydatatransfer",
    "cloudfunctions": "gcf-admin-robot",
    "cloudscheduler": "gcp-sa-cloudscheduler",
    "composer": "cloudcomposer-accounts",
    "dataform": "gcp-sa-dataform",
    "dataplex": "gcp-sa-dataplex",
    "datastream": "gcp-sa-datastream",
    "eventarc": "gcp-sa-eventarc",
    "pubsub": "gcp-sa-pubsub",
    "run": "serverless-robot-prod",
    "secretmanager": "gcp-sa-secretmanager",
    "servicenetworking": "service-networking",
    "sqladmin": "gcp-sa-cloud-sql",
    "workflows": "gcp-sa-workflows",
}


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
    _record(call, call.name)
    record = _keep(call, call.name, "ENABLED")
    return operations.finished(call, "", record, {"service": _shown(call, record)})


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
    records = [_keep(call, f"{place}/{id_}", "ENABLED") for id_ in ids]
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
    email = agent(call.plane, host, call.project)
    return operations.finished(call, "", None, {"email": email, "uniqueId": call.plane.clock.number(21)})


def agent(plane: ControlPlane, host: str, project: str) -> str:
    """The address of a service's agent in a project."""
    number = plane.number(project)
    if host == "bigquery":  # https://cloud.google.com/bigquery/docs/customer-managed-encryption#service_account
        return f"bq-{number}@bigquery-encryption.iam.gserviceaccount.com"
    return f"service-{number}@{_AGENTS.get(host, f'gcp-sa-{host}')}.iam.gserviceaccount.com"


@service.prepares()
def world(plane: ControlPlane) -> None:
    """What the world says is enabled."""
    place = f"projects/{plane.world.project}/services"
    for host in plane.world.enabled or ():
        name = f"{place}/{service_name(host)}"
        body = {"name": name, "parent": f"projects/{plane.world.number}", "state": "ENABLED"}
        plane.store.add(Record(HOST, name, "services", body | {"config": {"name": service_name(host)}}))
