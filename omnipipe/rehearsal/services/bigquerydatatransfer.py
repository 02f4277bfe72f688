"""BigQuery's data transfers. https://cloud.google.com/bigquery/docs/reference/datatransfer/rest"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused
from omnipipe.rehearsal.service import Service
from omnipipe.rehearsal.store import Record

service = Service(
    "bigquerydatatransfer",
    by_number=True,
    made_ids=frozenset({"transferConfigs"}),
    missing={"": "Requested entity was not found."},
    defaults={"transferConfigs": {"emailPreferences": {}, "scheduleOptions": {}}},
)


@service.checks("transferConfigs")
def check(call: Call, body: dict[str, Any]) -> None:
    """A source is a must; a scheduled query has a query."""
    if not body.get("dataSourceId"):
        raise Refused(400, "Data source id is required.")
    if body["dataSourceId"] == "scheduled_query" and not (body.get("params") or {}).get("query"):
        raise Refused(400, "Missing argument: query")


@service.fills("transferConfigs")
def transfer(call: Call, record: Record) -> None:
    """Whose it is, and where it runs."""
    body = record.body
    body["datasetRegion"] = call.location or "us"
    body["userId"] = call.plane.clock.number(19)
    body["ownerInfo"] = {"email": "user@example.com"}
    body["state"] = "PENDING"
    key = (body.get("encryptionConfiguration") or {}).get("kmsKeyName")
    if key and body["dataSourceId"] == "scheduled_query":
        body["params"].setdefault("destination_table_kms_key", key)


@service.follows("transferConfigs")
def scheduled(call: Call, record: Record) -> None:
    """When it runs next; the schedule is told twice."""
    body = record.body
    end = call.plane.clock.now() + timedelta(days=1)
    body["nextRunTime"] = end.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if body.get("schedule"):
        body["scheduleOptionsV2"] = {"timeBasedSchedule": {"schedule": body["schedule"]}}
