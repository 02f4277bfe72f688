"""Data Catalog: taxonomies and policy tags. https://cloud.google.com/data-catalog/docs/reference/rest"""

from __future__ import annotations

from typing import Any

from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused
from omnipipe.rehearsal.service import Service
from omnipipe.rehearsal.store import Record

service = Service(
    "datacatalog",
    made_ids=frozenset({"taxonomies", "policyTags"}),
    missing={"": "Requested entity was not found."},
)


@service.checks("taxonomies", "policyTags")
def check(call: Call, body: dict[str, Any]) -> None:
    """Titles are unique in their place."""
    title = body.get("displayName")
    if not title:
        raise Refused(400, "The display_name must be set.")
    if call.method.verb == "create":
        for other in call.store.children(call.api.host, call.name):
            if other.body.get("displayName") == title:
                raise Refused(409, f"A {call.collection} with display name {title!r} already exists.")


@service.fills("taxonomies")
def taxonomy(call: Call, record: Record) -> None:
    """https://cloud.google.com/data-catalog/docs/reference/rest/v1/projects.locations.taxonomies"""
    now = call.plane.clock.timestamp()
    record.body["taxonomyTimestamps"] = {"createTime": now, "updateTime": now}


@service.follows("policyTags", "taxonomies")
def count(call: Call, record: Record) -> None:
    """A taxonomy tells how many tags it has, a tag its children."""
    if record.collection != "policyTags":
        return
    above = call.record(record.name.partition("/policyTags/")[0])
    above.body["policyTagCount"] = len(call.store.children(call.api.host, f"{above.name}/policyTags"))
    if parent := record.body.get("parentPolicyTag"):
        children = call.record(parent).body.setdefault("childPolicyTags", [])
        if record.name not in children:
            children.append(record.name)
