"""Resource Manager: projects, folders, tags. https://cloud.google.com/resource-manager/reference/rest"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from omnipipe.rehearsal import etags, operations, standard
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.control_plane import ControlPlane
from omnipipe.rehearsal.errors import Refused
from omnipipe.rehearsal.service import Service
from omnipipe.rehearsal.store import Record

HOST = "cloudresourcemanager"
service = Service(
    HOST,
    made_ids=frozenset({"folders", "tagKeys", "tagValues"}),
    # "The caller does not have permission" is also the answer for a project that is not there:
    # https://cloud.google.com/resource-manager/docs/creating-managing-projects#get_an_existing_project
    missing={"": "403 The caller does not have permission"},
    metadata="",
)


def _project(plane: ControlPlane, id_: str, number: str, **more: Any) -> Record:
    now = plane.clock.timestamp()
    body = {"projectId": id_, "projectNumber": number, "lifecycleState": "ACTIVE", "name": id_, "createTime": now}
    plane.numbers[id_] = number
    record = Record(HOST, f"projects/{id_}", "projects", body | more)
    # Who makes a project owns it: https://cloud.google.com/resource-manager/docs/creating-managing-projects
    owner = {"role": "roles/owner", "members": ["user:user@example.com"]}
    record.policy = {"version": 1, "etag": etags.new(), "bindings": [owner]}
    return plane.store.add(record)


@service.prepares()
def world(plane: ControlPlane) -> None:
    """The project that is deployed to, in its organization."""
    above = plane.world.organization
    _project(plane, plane.world.project, plane.world.number, parent={"type": "organization", "id": above})
    now = plane.clock.timestamp()
    for name in (f"organizations/{above}", f"folders/{plane.world.folder}"):
        body = {"name": name, "state": "ACTIVE", "createTime": now, "updateTime": now, "displayName": name}
        body["etag"] = etags.new()
        if name.startswith("folders/"):
            body["parent"] = f"organizations/{above}"
        plane.store.add(Record(HOST, name, name.partition("/")[0], body))


@service.shows("projects")
def project(call: Call, record: Record) -> dict[str, Any]:
    """Version 3 names a project by its number: https://cloud.google.com/resource-manager/reference/rest/v3/projects"""
    body = record.body
    if call.api.version != "v3":
        return body
    parent = body.get("parent") or {}
    fields = {
        "name": f"projects/{body['projectNumber']}",
        "parent": f"{parent.get('type')}s/{parent.get('id')}",
        "state": body["lifecycleState"],
        "displayName": body["name"],
    }
    return fields | {key: body[key] for key in ("projectId", "createTime", "labels") if key in body}


@service.checks("projects")
def check_project(call: Call, body: dict[str, Any]) -> None:
    """https://cloud.google.com/resource-manager/reference/rest/v1/projects: ids are 6 to 30 characters."""
    if call.method.verb == "create" and not 6 <= len(body.get("projectId", "")) <= 30:
        raise Refused(400, "field [project_id] has issue [project_id must be at least 6 characters long]")


@service.fills("projects")
def fill_project(call: Call, record: Record) -> None:
    """Google makes the number; a project is named by its id unless it is named otherwise."""
    record.body["projectNumber"] = call.plane.clock.number(12)
    record.body["lifecycleState"] = "ACTIVE"
    record.body["name"] = call.body.get("name") or record.id
    call.plane.numbers[record.id] = record.body["projectNumber"]


@service.operations()
def operation(call: Call, body: dict[str, Any], record: Record | None) -> None:
    """A project that is being made says how far it is: ProjectCreationStatus."""
    if call.collection == "projects" and call.method.verb == "create":
        body["metadata"] |= {"createTime": call.plane.clock.timestamp(), "gettable": True, "ready": True}


@service.answers("projects.update", "projects.patch")
def update_project(call: Call) -> dict[str, Any]:
    """The name, the labels and the parent can be changed (v1: PUT of the whole)."""
    record = call.record()
    for field in ("name", "labels", "parent"):
        if field in call.body:
            record.body[field] = call.body[field]
    return standard.shown(call, record)


@service.removes("projects", "folders")
def request_delete(call: Call, record: Record) -> dict[str, Any] | None:
    """They stay for 30 days, marked: https://cloud.google.com/resource-manager/docs/creating-managing-projects"""
    if record.collection == "projects":
        record.body["lifecycleState"] = "DELETE_REQUESTED"
        return {}
    record.body["state"] = "DELETE_REQUESTED"
    return record.body


@service.answers("folders.move", "projects.move")
def move(call: Call) -> dict[str, Any]:
    """A folder or project gets another parent."""
    record = call.record()
    record.body["parent"] = call.body.get("destinationParent", "")
    return operations.finished(call, record.name, record, standard.shown(call, record))


@service.answers("folders.search")
def search(call: Call) -> dict[str, Any]:
    """Folders by `state=`, `parent=` and `displayName=`, joined by AND."""
    wanted = {
        part.partition("=")[0].strip(): part.partition("=")[2].strip().strip('"')
        for part in str(call.query.get("query", "")).split(" AND ")
        if "=" in part
    }
    found = [
        record.body
        for record in call.store.children(HOST, "folders")
        if all(record.body.get(key) == value for key, value in wanted.items())
    ]
    return {"folders": found} if found else {}


@service.fills("tagKeys", "tagValues")
def namespaced(call: Call, record: Record) -> None:
    """A tag is named below its parent: https://cloud.google.com/resource-manager/docs/tags/tags-overview"""
    body, parent = record.body, record.body.get("parent", "")
    if record.collection == "tagKeys":
        body["parent"] = call.plane.numbered(parent)
        above = call.plane.with_id(parent).rpartition("/")[2]
    else:
        above = call.record(parent).body["namespacedName"]
    body["namespacedName"] = f"{above}/{body['shortName']}"


@service.checks("tagKeys", "tagValues")
def check_tag(call: Call, body: dict[str, Any]) -> None:
    """A tag has a short name."""
    if not body.get("shortName"):
        raise Refused(400, "The short_name must be set.")


@service.answers("namespaced.getNamespaced")
def get_namespaced(call: Call) -> dict[str, Any]:
    """A tag by its namespaced name."""
    kind = call.path.partition("/")[0]
    for record in call.store.children(HOST, kind):
        if record.body.get("namespacedName") == call.query.get("name"):
            return standard.shown(call, record)
    raise service.not_found(call, f"{kind}/{call.query.get('name')}")


def _value(call: Call) -> Record:
    for record in call.store.children(HOST, "tagValues"):
        if call.body.get("tagValueNamespacedName") == record.body["namespacedName"]:
            return record
    return call.record(call.body.get("tagValue", ""))


@service.answers("tagBindings.create")
def bind(call: Call) -> dict[str, Any]:
    """A binding's name holds what it binds: https://cloud.google.com/resource-manager/reference/rest/v3/tagBindings"""
    value = _value(call)
    name = f"tagBindings/{quote(call.body['parent'], safe='')}/{value.name}"
    body = {
        "name": name,
        "parent": call.body["parent"],
        "tagValue": value.name,
        "tagValueNamespacedName": value.body["namespacedName"],
    }
    record = call.store.add(Record(HOST, name, "tagBindings", body))
    return operations.finished(call, name, record, body)


@service.answers("tagBindings.list")
def bindings(call: Call) -> dict[str, Any]:
    """The bindings of what the query names."""
    found = [
        record.body
        for record in call.store
        if record.collection == "tagBindings" and record.body["parent"] == call.query.get("parent")
    ]
    return {"tagBindings": found} if found else {}


@service.answers("tagBindings.delete")
def unbind(call: Call) -> dict[str, Any]:
    """Take a binding away."""
    record = call.record(call.name)
    call.store.remove(record)
    return operations.finished(call, record.name, record, None)
