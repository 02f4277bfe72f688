"""Cloud Logging. https://cloud.google.com/logging/docs/reference/v2/rest"""

from __future__ import annotations

from typing import Any

from omnipipe.rehearsal import propagation
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused
from omnipipe.rehearsal.service import Service
from omnipipe.rehearsal.store import Record

service = Service(
    "logging",
    short_names=frozenset({"metrics", "sinks"}),
    missing={
        "metrics": "Metric {id} does not exist.",
        "sinks": "Sink {id} does not exist",
        "exclusions": "Exclusion {name} does not exist",
        "buckets": "Bucket `{id}` in location `{locations}` does not exist",
        "": "{name} does not exist",
    },
    duplicate={"metrics": "Metric {id} already exists.", "sinks": "Sink {id} already exists"},
    defaults={"buckets": {"retentionDays": 30}},
    metadata="LinkMetadata",
)


@service.checks("metrics")
def check_metric(call: Call, body: dict[str, Any]) -> None:
    """A metric has a filter; each of its labels is extracted, and nothing else is."""
    if not body.get("filter"):
        raise Refused(400, "Filter must be specified.")
    labels = {label.get("key") for label in (body.get("metricDescriptor") or {}).get("labels") or ()}
    extracted = set(body.get("labelExtractors") or ())
    if labels != extracted:
        raise Refused(400, "The set of label keys must match the set of label extractors' keys.")


@service.follows("metrics")
def metric(call: Call, record: Record) -> None:
    """Its descriptor is named by it: https://cloud.google.com/logging/docs/reference/v2/rest/v2/projects.metrics"""
    kind = f"logging.googleapis.com/user/{record.id}"
    descriptor = record.body.setdefault("metricDescriptor", {})
    descriptor |= {"name": f"projects/{call.project}/metricDescriptors/{kind}", "type": kind}
    for key, value in (("metricKind", "DELTA"), ("valueType", "INT64"), ("unit", "1")):
        descriptor.setdefault(key, value)
    if descriptor.get("description") is None and record.body.get("description"):
        descriptor["description"] = record.body["description"]


@service.fills("metrics")
def new_metric(call: Call, record: Record) -> None:
    """Monitoring hears of it within ten minutes: https://cloud.google.com/logging/docs/logs-based-metrics"""
    propagation.begin(call.plane, record)


@service.fills("sinks")
def sink(call: Call, record: Record) -> None:
    """Who writes for it: https://cloud.google.com/logging/docs/export/configure_export_v2"""
    kind, _, rest = record.name.partition("/")
    id_ = rest.partition("/")[0]
    who = {"projects": call.number, "folders": f"folder-{id_}", "organizations": f"org-{id_}"}.get(
        kind, f"billing-{id_}"
    )
    record.body["writerIdentity"] = f"serviceAccount:service-{who}@gcp-sa-logging.iam.gserviceaccount.com"


@service.fills("buckets", "links")
def bucket(call: Call, record: Record) -> None:
    """Ready at once; a link is a dataset of BigQuery."""
    record.body["lifecycleState"] = "ACTIVE"
    if record.collection == "links":
        dataset = f"bigquery.googleapis.com/projects/{call.project}/datasets/{record.id}"
        record.body["bigqueryDataset"] = {"datasetId": dataset}


@service.removes("buckets")
def delete_bucket(call: Call, record: Record) -> dict[str, Any]:
    """It is deleted after seven days: https://cloud.google.com/logging/docs/buckets#delete-bucket"""
    record.body["lifecycleState"] = "DELETE_REQUESTED"
    return {}


@service.operations()
def operation(call: Call, body: dict[str, Any], record: Record | None) -> None:
    """It carries its request, and the project's number in its name."""
    metadata = body["metadata"]
    metadata["state"] = "OPERATION_STATE_SUCCEEDED"
    body["name"] = call.plane.numbered(body["name"])
    if record:
        parent = record.name.rpartition("/links/")[0]
        verb = {"create": "createLinkRequest", "delete": "deleteLinkRequest"}.get(call.method.verb, "request")
        metadata[verb] = (
            {"name": record.name} if call.method.verb == "delete" else {"parent": parent, "linkId": record.id}
        )
