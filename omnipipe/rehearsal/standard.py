"""Create, get, list, update, delete: what the APIs' methods have in common (https://google.aip.dev/130)."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from omnipipe.rehearsal import computed, etags, labels, masks, operations, paging, references
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.discovery import Method, Schema
from omnipipe.rehearsal.errors import Refused, aborted, failed_precondition
from omnipipe.rehearsal.schema import without_nulls, without_zeros
from omnipipe.rehearsal.store import Record

Body = dict[str, Any]


def handler(method: Method) -> Callable[[Call], Body] | None:
    """What does a method, if it is one of the standard ones."""
    verb = method.verb
    for names, do in (
        (("create", "insert", "createAsync"), create),
        (("get",), get),
        (("list",), list_),
        (("patch", "update", "updateAsync"), update),
        (("delete",), delete),
    ):
        # `createPolicy` and `updateBackup` are theirs, too; `getIamPolicy` and `listAvailable…` are not.
        if verb in names or (verb.startswith(names) and not method.custom and _ends_where(method, do)):
            return do
    return None


def _ends_where(method: Method, do: Callable[[Call], Body]) -> bool:
    """Whether a method stands at the address that its kind has: an item's, or a collection's."""
    own = method.flat.endswith((f"/{method.collection}", "}"))
    return own and (method.is_item or do in (create, list_))


def shown(call: Call, record: Record) -> Body:
    """A resource as an answer has it."""
    body = call.service.apply("shows", record.collection, call, deepcopy(record))
    body = deepcopy(record.body) if body is None else body
    if call.service.by_number and isinstance(body.get("name"), str):
        body["name"] = call.plane.numbered(body["name"])
    return body if call.service.older else without_zeros(call.api, call.schema, body)


def create(call: Call) -> Body:
    """Make a resource. Raises Refused: 404 for its parent, 409 for one that is there, and what the service refuses."""
    schema = call.schema
    sent, around = _unwrapped(call)
    require_parent(call)
    id_ = _id(call, sent, around)
    name = call.name if call.method.is_item and call.method.http == "PUT" else f"{call.name}/{id_}"
    body = computed.without_output_only(schema, without_nulls(sent))
    if call.store.get(call.api.host, name):
        raise call.service.exists(call, name)
    labels.require(call, body)
    call.service.apply("checks", call.collection, call, body)
    references.require(call, body)
    record = Record(call.api.host, name, call.collection, body, {"sent": set(body)})
    _name(call, schema, record)
    call.service.fill(call.collection, body)
    computed.fill(call, schema, record)
    call.service.apply("fills", call.collection, call, record)
    if call.query.get("validateOnly") is True:
        return _answered(call, record)
    call.store.add(record)
    call.service.apply("follows", call.collection, call, record)
    return _answered(call, record, _failure(call, record))


def get(call: Call) -> Body:
    """A resource. Raises Refused (404)."""
    return shown(call, call.record())


def list_(call: Call) -> Body:
    """A page of a collection's resources. Raises Refused: 404 for their parent, 400 for the page."""
    require_parent(call)
    items = call.store.children(call.api.host, call.name)
    part, token = paging.page(items, call.query)
    schema = call.api.schemas.get(call.method.response or "", {})
    properties = schema.get("properties", {})
    field = next((name for name, each in properties.items() if _holds(each, call)), "items")
    body: Body = {field: [shown(call, each) for each in part]} if part else {}
    if token:
        body["nextPageToken"] = token
    if items and "totalSize" in properties:
        body["totalSize"] = len(items)
    if "default" in properties.get("kind", {}):
        body["kind"] = properties["kind"]["default"]
    if call.service.older and "selfLink" in properties:
        body |= {"id": call.name, "selfLink": call.link(call.path)}
    return body


def _holds(schema: Schema, call: Call) -> bool:
    return schema.get("type") == "array" and schema.get("items", {}).get("$ref") == call.api.resource(call.method)


def update(call: Call) -> Body:
    """Change a resource. Raises Refused: 404, 409 for a stale etag, 400 for a mask, and what the service refuses."""
    schema = call.schema
    sent, around = _unwrapped(call)
    record = call.store.get(call.api.host, call.name)
    if record is None and call.query.get("allowMissing"):
        raise Refused(501, f"The rehearsal does not create by {call.method.id}.")
    record = call.record()
    _require_current(call, record, sent)
    mask = call.query.get("updateMask") or around.get("updateMask")
    merges = call.service.older and call.method.http == "PATCH" and not mask  # to these null is an order
    body = computed.without_output_only(schema, sent if merges else without_nulls(sent))
    body = {key: value for key, value in body.items() if key not in ("name", "etag")}
    old = record.body
    if mask:
        new = masks.masked(call.api, schema, mask, old, body)
    elif call.method.http == "PUT":
        new = _kept(schema, record) | body
        record.hidden["sent"] = set(body)
    elif merges:
        new = masks.merged(old, body)
    else:
        new = {**old, **body}
    labels.require(call, new)
    call.service.apply("checks", call.collection, call, new)
    references.require(call, body)
    if call.query.get("validateOnly") is True:
        return _answered(call, Record(record.host, record.name, record.collection, new))
    record.body = new
    call.service.fill(call.collection, new)
    computed.touch(call, schema, record)
    call.service.apply("follows", call.collection, call, record)
    return _answered(call, record, _failure(call, record))


def _kept(schema: Schema, record: Record) -> Body:
    """What stays of a resource that is replaced: what nobody sent, its name, and what cannot change."""
    properties, sent = schema.get("properties", {}), record.hidden.get("sent", set())

    def stays(name: str) -> bool:
        said = properties.get(name, {}).get("description", "")
        return name not in sent or name == "name" or "Immutable." in said

    return {name: value for name, value in record.body.items() if stays(name)}


def delete(call: Call) -> Body:
    """Forget a resource. Raises Refused: 404, and 400 or 409 where something is in it, uses it or protects it."""
    record = call.record()
    _require_current(call, record, {"etag": call.query.get("etag")})
    call.service.apply("keeps", call.collection, call, record)
    below = call.store.below(record.host, record.name)
    if "force" in call.method.parameters and below and not call.query.get("force"):
        raise failed_precondition(f"Resource '{record.name}' has nested resources. Set force to delete them, too.")
    if call.service.rule("removes", call.collection):
        answer = call.service.apply("removes", call.collection, call, record)
    else:
        call.store.remove(record)
        answer = None
    if operations.is_operation(call.api, call.method):
        return operations.finished(call, record.name, record, answer)
    if answer is None and call.method.response == call.api.resource(call.method) and call.method.response:
        return shown(call, record)
    return answer or {}


def _failure(call: Call, record: Record) -> Refused | None:
    try:
        call.service.apply("works", call.collection, call, record)
    except Refused as error:
        return error
    return None


def _answered(call: Call, record: Record, failure: Refused | None = None) -> Body:
    body = shown(call, record)
    if operations.is_operation(call.api, call.method):
        return operations.finished(call, record.name, record, body, failure)
    return body


def _unwrapped(call: Call) -> tuple[Body, Body]:
    """The resource in a request's body, and what stands around it."""
    resource = call.api.resource(call.method)
    if call.method.request and call.method.request != resource:
        properties = call.api.schemas[call.method.request].get("properties", {})
        inner = next((name for name, each in properties.items() if each.get("$ref") == resource), None)
        if inner:
            around = {key: value for key, value in call.body.items() if key != inner}
            return dict(call.body.get(inner) or {}), around
    return dict(call.body), {}


def _id(call: Call, sent: Body, around: Body) -> str:
    """The last part of a new resource's name: https://google.aip.dev/133#user-specified-ids."""
    if made := call.service.apply("names", call.collection, call, sent | around):
        return made
    in_query = [
        name
        for name in call.method.parameters
        if name.endswith("Id") and name in call.query and name != "requestId"
    ]
    if in_query:
        return _valid(call, str(call.query[in_query[0]]))
    if call.method.is_item:
        return call.name.rpartition("/")[2]
    for name, value in around.items():
        if name.endswith("Id") and isinstance(value, str):
            return _valid(call, value)
    for name, value in sent.items():
        if name.endswith("Reference") and isinstance(value, dict):
            ids = value.get(f"{name.removesuffix('Reference')}Id")
            if ids:
                return _valid(call, ids)
    own = f"{re.sub('ies$', 'y', call.collection).removesuffix('s')}Id"
    if isinstance(sent.get(own), str):
        return _valid(call, sent[own])
    if str(call.method.parameters.get(own, {}).get("description", "")).startswith("Required"):
        raise Refused(400, f"Invalid resource id: the parameter {own} is missing.")
    named = sent.get("name")
    made = computed.is_output_only(call.schema.get("properties", {}).get("name", {}))
    if isinstance(named, str) and named and not made and call.collection not in call.service.made_ids:
        return _valid(call, named.rpartition("/")[2])
    return call.plane.clock.number()


def _valid(call: Call, id_: str) -> str:
    if not id_ or "/" in id_:
        raise Refused(400, f"Invalid resource id: {id_!r}.")
    return id_


def _name(call: Call, schema: Schema, record: Record) -> None:
    """Write a new resource's name into its body."""
    if "name" not in schema.get("properties", {}):
        return
    short = call.service.older or record.collection in call.service.short_names
    record.body["name"] = record.id if short else record.name


def require_parent(call: Call) -> None:
    """Raise Refused (404, 403) if what a collection or a singleton is in does not exist."""
    parts = call.name.split("/")
    if call.method.is_item:
        parts = parts[:-1]
    call.plane.require_project(call)
    for length in range(len(parts) - 1, 1, -1):
        name = "/".join(parts[:length])
        if "-" in parts[:length] or not call.plane.is_creatable(call.api, name):
            continue
        call.record(name)
        return


def _require_current(call: Call, record: Record, sent: Body) -> None:
    given = call.headers.get("If-Match") or sent.get("etag") or sent.get("fingerprint")
    current = record.body.get("etag") or record.body.get("fingerprint")
    if etags.is_stale(given, current, record.former_etags, any_form=call.plane.world.any_form):
        if call.service.older:
            raise Refused(412, "Precondition Failed" if call.api.host != "compute" else "Invalid fingerprint.")
        raise aborted(f"The etag '{given}' does not match the current etag '{current}' of {record.name}.")
