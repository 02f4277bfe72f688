"""BigQuery connections. https://cloud.google.com/bigquery/docs/reference/bigqueryconnection/rest"""

from __future__ import annotations

from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.service import Service
from omnipipe.rehearsal.store import Record

service = Service(
    "bigqueryconnection",
    by_number=True,
    missing={"connections": "Not found: Connection {name}"},
    duplicate={"connections": "Already Exists: Connection {name}"},
)


@service.names("connections")
def connection_id(call: Call, body: dict[str, object]) -> str:
    """Google makes up a UUID where none is given."""
    return str(call.query.get("connectionId") or call.plane.clock.uuid())


@service.follows("connections")
def connection(call: Call, record: Record) -> None:
    """Each has an account of its own, to which its sources are granted."""
    body, number = record.body, call.number
    account = f"bqcx-{number}-{record.id[:4]}@gcp-sa-bigquery-condel.iam.gserviceaccount.com"
    now = call.plane.clock.milliseconds()
    body.setdefault("creationTime", now)
    body["lastModifiedTime"] = now
    for kind in ("cloudResource", "spark", "cloudSql"):
        if kind in body:
            body[kind] = {**(body[kind] or {}), "serviceAccountId": account}
    if aws := body.get("aws"):
        aws.setdefault("accessRole", {}).setdefault("identity", call.plane.clock.number(21))
    if azure := body.get("azure"):
        for field in ("application", "clientId", "objectId", "identity"):
            azure.setdefault(field, call.plane.clock.uuid())
