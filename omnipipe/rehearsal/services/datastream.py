"""Datastream. https://cloud.google.com/datastream/docs/reference/rest"""

from __future__ import annotations

import re
from typing import Any

from omnipipe.rehearsal import operations, references, standard
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused, failed_precondition
from omnipipe.rehearsal.service import Service
from omnipipe.rehearsal.store import Record

service = Service("datastream")
_ID = re.compile(r"[a-z](?:[-a-z0-9]{0,58}[a-z0-9])?")
_PROFILES = (
    "postgresqlProfile",
    "mysqlProfile",
    "oracleProfile",
    "sqlServerProfile",
    "bigqueryProfile",
    "gcsProfile",
)


@service.checks("connectionProfiles", "streams", "privateConnections")
def check(call: Call, body: dict[str, Any]) -> None:
    """A title is a must, and what makes each what it is."""
    if call.method.verb == "create":
        id_ = next(
            (call.query[key] for key in call.method.parameters if key.endswith("Id") and key in call.query), ""
        )
        call.require_form(_ID, id_, f"Invalid resource id: {id_!r}.")
    if not body.get("displayName"):
        raise Refused(400, "The display_name field is required.")
    if call.collection == "connectionProfiles" and not any(key in body for key in (*_PROFILES, "mongodbProfile")):
        raise Refused(400, "The connection profile must have exactly one profile.")
    if call.collection == "streams":
        _check_stream(call, body)


def _check_stream(call: Call, body: dict[str, Any]) -> None:
    """From a profile to a profile, with or without a backfill; its target's dataset is there."""
    source, destination = body.get("sourceConfig") or {}, body.get("destinationConfig") or {}
    if not source.get("sourceConnectionProfile") or not destination.get("destinationConnectionProfile"):
        raise Refused(400, "The source_config and destination_config must have a connection profile.")
    if ("backfillAll" in body) == ("backfillNone" in body):
        raise Refused(400, "Exactly one of backfill_all and backfill_none must be set.")
    single = (destination.get("bigqueryDestinationConfig") or {}).get("singleTargetDataset") or {}
    target = single.get("datasetId")
    if target:
        project, _, dataset = target.rpartition(":")
        if not call.other("bigquery", f"projects/{project or call.project}/datasets/{dataset}"):
            raise Refused(404, f"Not found: Dataset {target}")


@service.fills("streams")
def stream(call: Call, record: Record) -> None:
    """It runs when it is told to."""
    record.body["state"] = record.body.get("state") or "NOT_STARTED"


@service.fills("connectionProfiles")
def profile(call: Call, record: Record) -> None:
    """Passwords are kept and never told: https://cloud.google.com/datastream/docs/reference/rest/v1/projects.locations.connectionProfiles"""
    for held in record.body.values():
        if isinstance(held, dict) and "password" in held:
            record.hidden["password"] = held.pop("password")


@service.keeps("connectionProfiles", "privateConnections")
def keep_used(call: Call, record: Record) -> None:
    """What a stream or a profile uses stays; routes hold a private connection, unless it is forced."""
    users = [each for each in references.users(call, record) if each.host == record.host]
    if users:
        message = f"Resource '{record.name}' cannot be deleted: it is used by '{users[0].name}'."
        raise failed_precondition(message)


@service.answers("streams.run")
def run(call: Call) -> dict[str, Any]:
    """Start it, from a position if one is told."""
    record = call.record()
    record.body["state"] = "RUNNING"
    return operations.finished(call, record.name, record, standard.shown(call, record))
