"""Pub/Sub. https://cloud.google.com/pubsub/docs/reference/rest"""

from __future__ import annotations

import re
from typing import Any

from omnipipe.rehearsal import grants, identities, keys, standard
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused, failed_precondition
from omnipipe.rehearsal.service import Service
from omnipipe.rehearsal.store import Record

HOST = "pubsub"
_MISSING = "Resource not found (resource={id})."
service = Service(
    HOST,
    missing={"schemas": "Resource not found (resource={name}).", "": _MISSING},
    duplicate={"": "Resource already exists in the project (resource={id})."},
    defaults={
        # https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions#Subscription
        "subscriptions": {
            "ackDeadlineSeconds": 10,
            "messageRetentionDuration": "604800s",
            "expirationPolicy": {"ttl": "2678400s"},
            "pushConfig": {},
        },
    },
)
# 3 to 255 characters, not of Google's own: https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names
_NAME = re.compile(r"(?!goog)[A-Za-z][-\w.~+%]{2,254}", re.ASCII)


def _check_name(call: Call) -> None:
    if call.method.http == "PUT":
        id_ = call.name.rpartition("/")[2]
        call.require_form(_NAME, id_, f"Invalid [{call.collection}] name: (name={call.name})")


@service.checks("subscriptions")
def check(call: Call, body: dict[str, Any]) -> None:
    """Its name, the deadline (10 to 600 seconds), and the table that it writes to."""
    _check_name(call)
    seconds = body.get("ackDeadlineSeconds")
    if seconds and not 10 <= seconds <= 600:
        raise Refused(400, f"Invalid ack deadline given: (ack_deadline_seconds={seconds}).")
    table = (body.get("bigqueryConfig") or {}).get("table")
    if table:
        parts = re.sub(r"projects/([^/]+)/datasets/([^/]+)/tables/", r"\1.\2.", table).replace(":", ".").split(".")
        if len(parts) != 3:
            raise Refused(400, f"The BigQuery table must be project.dataset.table: {table}")
        name = "projects/{}/datasets/{}/tables/{}".format(*parts)
        if not call.other("bigquery", name):
            raise Refused(404, f"Not found: Table {':'.join(parts[:2])}.{parts[2]}")
        writer = body["bigqueryConfig"].get("serviceAccountEmail") or _agent(call)
        if not grants.holds(call, writer, "bigquery.tables.updateData", "bigquery", name):
            # https://cloud.google.com/pubsub/docs/create-bigquery-subscription#troubleshoot_common_issues
            message = (
                f"Service account {writer} is missing permissions required to write to the BigQuery table: "
                "bigquery.tables.get, bigquery.tables.updateData."
            )
            raise Refused(403, message)


def _agent(call: Call) -> str:
    return identities.agent(call.plane, HOST, call.project)


@service.checks("topics")
def check_topic(call: Call, body: dict[str, Any]) -> None:
    """Its name, and that its key may be used: https://cloud.google.com/pubsub/docs/encryption"""
    _check_name(call)
    key = body.get("kmsKeyName")
    words = (
        "Cloud Pub/Sub did not have the necessary permissions configured to support this operation. Please verify that "
        f"the service account {_agent(call)} was granted the Cloud KMS CryptoKey Encrypter/Decrypter role for the "
        f"project containing the CryptoKey resource {key}."
    )
    keys.require(call, key, failed_precondition(words))


@service.fills("subscriptions", "topics")
def active(call: Call, record: Record) -> None:
    """Ready at once; a subscription of a table says so, too."""
    if record.collection == "subscriptions":
        record.body["state"] = "ACTIVE"
        if config := record.body.get("bigqueryConfig"):
            config["state"] = "ACTIVE"


@service.removes("topics")
def delete_topic(call: Call, record: Record) -> dict[str, Any]:
    """Its subscriptions stay, of a topic that is deleted: https://cloud.google.com/pubsub/docs/delete-topic"""
    call.store.remove(record)
    for other in call.store:
        if other.host == HOST and other.body.get("topic") == record.name:
            other.body["topic"] = "_deleted-topic_"
    return {}


@service.answers("subscriptions.modifyPushConfig")
def modify_push(call: Call) -> dict[str, Any]:
    """Where messages are pushed to; nothing for a pull."""
    call.record().body["pushConfig"] = call.body.get("pushConfig") or {}
    return {}


@service.answers("schemas.validate")
def validate(call: Call) -> dict[str, Any]:
    """A schema's own text is not read here."""
    return {}


@service.fills("schemas")
def schema(call: Call, record: Record) -> None:
    """https://cloud.google.com/pubsub/docs/schemas"""
    record.body["revisionId"] = call.plane.clock.uuid()[:8]
    record.body["revisionCreateTime"] = call.plane.clock.timestamp()


@service.answers("subscriptions.detach")
def detach(call: Call) -> dict[str, Any]:
    """It gets no more messages."""
    call.record().body["detached"] = True
    return {}


@service.answers("topics.publish")
def publish(call: Call) -> dict[str, Any]:
    """Messages are counted, and go nowhere."""
    standard.get(call)
    return {"messageIds": [call.plane.clock.number(16) for _ in call.body.get("messages") or ()]}
