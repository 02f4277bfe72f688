"""Long-running operations: each is done when it is answered, so that nobody has to ask again.

Compute and Cloud SQL have operations of their own; the others google.longrunning's (https://google.aip.dev/151).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.discovery import Api, Method
from omnipipe.rehearsal.errors import Refused
from omnipipe.rehearsal.store import Record, Store

COLLECTION = "operations"


def is_operation(api: Api, method: Method) -> bool:
    """Whether a method answers with an operation."""
    return bool(method.response) and "Operation" in str(method.response) and _style(api, method) is not None


def _style(api: Api, method: Method) -> str | None:
    properties = api.schemas[method.response or ""].get("properties", {})
    return next((key for key in ("done", "operationType") if key in properties), None)


def cancel(call: Call) -> dict[str, Any]:
    """What is done cannot be stopped, and to try it is no mistake. Raises Refused (404)."""
    call.record()
    return {}


def finished(
    call: Call,
    name: str,
    record: Record | None,
    answer: Mapping[str, Any] | None,
    error: Refused | None = None,
) -> dict[str, Any]:
    """The operation that a method's work is, done.

    ``name`` is the resource's; ``record`` the resource, if it is one; ``answer`` what the operation responds, unless it
    failed with ``error``.
    """
    place = _place(call, name)
    id_ = f"operation-{call.plane.clock.number(13)}" if call.service.older else call.plane.clock.uuid()
    own = f"{place}/{id_}"
    if _style(call.api, call.method) == "operationType":
        body = _of_older(call, own, id_, name, record)
    else:
        body = {"name": own, "done": True} | _metadata(call, name)
        body |= {"error": error.rpc()} if error else {"response": _response(call, answer)}
    call.service.apply("operations", "", call, body, record)
    call.store.add(Record(call.api.host, own, COLLECTION, body))
    return body


def fail(store: Store, host: str, answer: Mapping[str, Any], message: str) -> Mapping[str, Any]:
    """An operation that was answered, ended with an error: what it did stays. What is no operation stays as it is.

    https://google.aip.dev/151; Compute and Cloud SQL have a list of errors.
    """
    record = next(
        (
            each
            for each in store
            if each.host == host and each.collection == COLLECTION and each.body.get("name") == answer.get("name")
        ),
        None,
    )
    if record is None:
        return answer
    ended = {key: value for key, value in record.body.items() if key != "response"}
    older = "operationType" in ended
    error = (
        {"errors": [{"code": "INTERNAL_ERROR", "message": message}]} if older else {"code": 13, "message": message}
    )
    record.body = ended | {"error": error}
    return record.body


def _place(call: Call, name: str) -> str:
    """The nearest collection of operations at or above a resource, of those that the API can be asked for."""
    parts = name.split("/")
    version = "" if call.api.prefix else f"{call.api.version}/"
    prefix = call.api.prefix or ("sql/" if call.api.host == "sqladmin" else "") + version
    for length in range(len(parts), 0, -1):
        place = "/".join([*parts[:length], COLLECTION])
        found = call.api.find("GET", f"{prefix}{place}/x".replace("%", "%25"))
        if found and found[0].is_item and found[0].collection == COLLECTION:
            return place
    return COLLECTION


def _metadata(call: Call, name: str) -> dict[str, Any]:
    form = re.compile(rf"(\w*V\d+((alpha|beta)\d*)?)?{call.service.metadata}")
    known = next((key for key in call.api.schemas if form.fullmatch(key)), None) if call.service.metadata else None
    now = call.plane.clock.timestamp()
    values = {
        "createTime": now,
        "startTime": now,
        "endTime": now,
        "updateTime": now,
        "target": name,
        "verb": {"insert": "create", "patch": "update"}.get(call.method.verb, call.method.verb),
        "apiVersion": call.api.version,
        "method": call.method.id,
    }
    fields = call.api.schemas[known].get("properties", {}) if known else {}
    kind = f"type.googleapis.com/google.cloud.{call.api.host}.{call.api.version}.{call.service.metadata}"
    return {"metadata": {"@type": kind} | {key: value for key, value in values.items() if key in fields}}


def _response(call: Call, answer: Mapping[str, Any] | None) -> dict[str, Any]:
    if answer is None:
        return {"@type": "type.googleapis.com/google.protobuf.Empty"}
    resource = call.api.resource(call.method) or "Empty"
    return {"@type": f"type.googleapis.com/google.cloud.{call.api.host}.{call.api.version}.{resource}", **answer}


def _of_older(call: Call, own: str, id_: str, name: str, record: Record | None) -> dict[str, Any]:
    """https://cloud.google.com/compute/docs/reference/rest/v1/globalOperations; Cloud SQL's is like it."""
    properties = call.api.schemas[call.method.response or ""]["properties"]
    now = call.plane.clock.timestamp()
    values = {
        "kind": properties["kind"].get("default", f"{call.api.name.removesuffix('admin')}#operation"),
        "id": call.plane.clock.number(),
        "name": id_,
        "selfLink": call.link(own),
        "operationType": call.method.verb,
        "targetLink": call.link(name),
        "targetId": record.body.get("id", record.id) if record else name.rpartition("/")[2],
        "targetProject": call.project,
        "user": "user@example.com",
        "status": "DONE",
        "progress": 100,
        "insertTime": now,
        "startTime": now,
        "endTime": now,
    }
    for scope in ("region", "zone"):
        if f"/{scope}s/" in own:
            values[scope] = call.link(own.rpartition("/operations/")[0])
    return {key: value for key, value in values.items() if key in properties}
