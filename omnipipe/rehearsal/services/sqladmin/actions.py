"""What is done to an instance, and the operations that tell of it."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

from omnipipe.rehearsal import operations
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused
from omnipipe.rehearsal.services.sqladmin import instances
from omnipipe.rehearsal.services.sqladmin.rules import HOST, service
from omnipipe.rehearsal.store import Record

_OPERATION = {
    "insert": "CREATE",
    "patch": "UPDATE",
    "update": "UPDATE",
    "delete": "DELETE",
    "clone": "CLONE",
    "switchover": "SWITCHOVER",
    "restart": "RESTART",
}


@service.operations()
def operation(call: Call, body: dict[str, Any], record: Record | None) -> None:
    """Its kind is in capitals, with what it is about; it is of the instance."""
    kind = _OPERATION.get(call.method.verb, call.method.verb.upper())
    about = {"databases": "_DATABASE", "users": "_USER"}.get(call.collection, "")
    body["operationType"] = f"{kind}{about}"
    instance = re.search(r"/instances/([^/]+)", call.path)
    name = record.id if record and call.collection == "instances" else instance[1] if instance else ""
    body["targetId"] = name


@service.answers("instances.clone")
def clone(call: Call) -> dict[str, Any]:
    """Another instance of the same settings."""
    source, sent = call.record(), call.body.get("cloneContext", {})
    name = f"{source.name.rpartition('/')[0]}/{sent['destinationInstanceName']}"
    if call.store.get(HOST, name):
        raise service.exists(call, name)
    kept = {key: value for key, value in source.body.items() if key not in ("serverCaCert", "replicaNames")}
    body: dict[str, Any] = deepcopy(kept) | {"name": name.rpartition("/")[2], "selfLink": call.link(name)}
    if zone := sent.get("preferredZone"):
        body["settings"]["locationPreference"]["zone"] = zone
    record = call.store.add(Record(HOST, name, "instances", body))
    instances.instance(call, record)
    instances.instance_changed(call, record)
    return operations.finished(call, name, record, None)


@service.answers("instances.switchover", "instances.promoteReplica")
def switchover(call: Call) -> dict[str, Any]:
    """A replica becomes the primary: https://cloud.google.com/sql/docs/postgres/use-advanced-disaster-recovery"""
    replica = call.record()
    master_name = replica.body.pop("masterInstanceName", None)
    if not master_name:
        raise Refused(400, "Invalid request: The instance is not a replica.")
    replica.body["instanceType"] = "CLOUD_SQL_INSTANCE"
    master = call.store.get(HOST, f"projects/{call.project}/instances/{master_name.rpartition(':')[2]}")
    if master and call.method.verb == "switchover":
        master.body |= {
            "instanceType": "READ_REPLICA_INSTANCE",
            "masterInstanceName": f"{call.project}:{replica.id}",
        }
        master.body["replicaNames"] = [name for name in master.body.get("replicaNames", []) if name != replica.id]
        replica.body.setdefault("replicaNames", []).append(master.id)
    return operations.finished(call, replica.name, replica, None)


@service.answers("instances.restart")
def restart(call: Call) -> dict[str, Any]:
    """It runs again at once."""
    record = call.record()
    return operations.finished(call, record.name, record, None)
