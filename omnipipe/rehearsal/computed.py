"""What every resource has that nobody sent: names, times, ids, links, states. By the names of the schema's fields."""

from __future__ import annotations

from typing import Any

from omnipipe.rehearsal import etags
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.discovery import Schema
from omnipipe.rehearsal.store import Record

# A resource that is ready is in the first of these that its state knows: https://google.aip.dev/216.
_READY = ("ACTIVE", "READY", "RUNNABLE", "ENABLED", "CREATED", "SUCCEEDED", "RUNNING")
_ETAGS = ("etag", "fingerprint", "labelFingerprint")


def is_output_only(schema: Schema) -> bool:
    """Whether Google ignores what is sent for a field: https://google.aip.dev/203."""
    said = schema.get("description", "")
    return bool(schema.get("readOnly")) or said.startswith(("Output only.", "[Output Only]", "[Output only]"))


def without_output_only(schema: Schema, body: dict[str, Any]) -> dict[str, Any]:
    """What was sent without what only the server sets; a name and an etag are asked elsewhere."""
    properties = schema.get("properties", {})
    return {
        key: value
        for key, value in body.items()
        if key in ("name", *_ETAGS) or not is_output_only(properties.get(key, {}))
    }


def fill(call: Call, schema: Schema, record: Record) -> None:
    """Fill in what a new resource has from the beginning."""
    body, properties = record.body, schema.get("properties", {})
    computed = {
        "kind": lambda: properties["kind"].get("default"),
        "selfLink": lambda: call.link(record.name),
        "createTime": call.plane.clock.timestamp,
        "creationTimestamp": call.plane.clock.timestamp,
        "uid": call.plane.clock.uuid,
        "state": lambda: _ready(properties["state"]),
        "id": lambda: call.plane.clock.number() if properties["id"].get("format") == "uint64" else None,
    }
    for name, make in computed.items():
        if name in properties and body.get(name) is None and (name != "state" or is_output_only(properties[name])):
            value = make()
            if value is not None:
                body[name] = value
    if properties.get("id", {}).get("format") == "uint64":
        # A number does in the place of a name: https://cloud.google.com/compute/docs/reference/rest/v1/networks/get
        call.store.also(record, f"{record.name.rpartition('/')[0]}/{body['id']}")
    if call.service.older:
        for scope in ("region", "zone"):
            if scope in properties and f"/{scope}s/" in record.name:
                body[scope] = call.link(record.name.partition(f"/{scope}s/")[0] + f"/{scope}s/{call.location}")
    touch(call, schema, record)


def _ready(schema: Schema) -> str | None:
    return next((state for state in _READY if state in schema.get("enum", ())), None)


def touch(call: Call, schema: Schema, record: Record) -> None:
    """Give a resource that changed a new etag and time."""
    properties = schema.get("properties", {})
    for name in ("updateTime",):
        if name in properties:
            record.body[name] = call.plane.clock.timestamp()
    for name in _ETAGS:
        if name in properties:
            if former := record.body.get(name):
                record.former_etags.add(former)
            record.body[name] = etags.new()
