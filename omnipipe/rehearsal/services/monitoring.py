"""Cloud Monitoring. https://cloud.google.com/monitoring/api/ref_v3/rest"""

from __future__ import annotations

import re
from typing import Any

from omnipipe.rehearsal import propagation
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused
from omnipipe.rehearsal.schema import snake
from omnipipe.rehearsal.service import Service
from omnipipe.rehearsal.store import Record

service = Service(
    "monitoring",
    made_ids=frozenset({"alertPolicies", "notificationChannels", "uptimeCheckConfigs", "groups"}),
    missing={
        "": "Requested entity was not found.",
        "groups": "Could not find group definition for '{id}'.",
        "uptimeCheckConfigs": "Config not found for check {id} in project {project}",
        "services": "There is no service with id '{id}' in project '{number}'",
        "serviceLevelObjectives": 'There is no slo with id "{id}" under service "{services}" in project "{project}"',
    },
    defaults={
        "alertPolicies": {"enabled": True},
        "notificationChannels": {"enabled": True},
        "uptimeCheckConfigs": {"checkerType": "STATIC_IP_CHECKERS", "period": "60s"},
    },
)
_LEAST_OPEN_S, _MOST_OPEN_S = 1800, 7 * 86400
# The kinds that have only these.
_CHANNEL_LABELS = {"email": {"email_address"}, "pubsub": {"topic"}, "sms": {"number"}}
# https://cloud.google.com/monitoring/api/v3/filters
_LOG_METRIC = re.compile(r'metric\.type\s*=\s*"(logging\.googleapis\.com/user/([^"]+))"')


@service.checks("alertPolicies")
def check(call: Call, body: dict[str, Any]) -> None:
    """https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alertPolicies"""
    _check_closing(str((body.get("alertStrategy") or {}).get("autoClose") or ""))
    conditions = body.get("conditions") or []
    if not 1 <= len(conditions) <= 6:
        raise Refused(400, "Field alert_policy.conditions had an invalid value: There must be 1 to 6 conditions.")
    if not body.get("combiner"):
        raise Refused(400, "Field alert_policy.combiner had an invalid value: A combiner must be specified.")
    for index, condition in enumerate(conditions):
        where = f"alert_policy.conditions[{index}]"
        if not condition.get("displayName"):
            raise Refused(400, f"Field {where}.display_name had an invalid value: It must not be empty.")
        for kind in ("conditionThreshold", "conditionAbsent"):
            _check_metric(where, kind, condition.get(kind))
        _require_metrics(call, condition)


def _check_closing(time: str) -> None:
    """Incidents close by themselves after half an hour to seven days.

    The words: https://github.com/nomadkaraoke/karaoke-gen/pull/788; "must be 30 minutes or greater and 7 days or less"
    """
    seconds = float(time.removesuffix("s") or _LEAST_OPEN_S)
    if not _LEAST_OPEN_S <= seconds <= _MOST_OPEN_S:
        limit = "at least 30 minutes" if seconds < _LEAST_OPEN_S else "at most 7 days"
        invalid = f'Field alertStrategy.autoClose had an invalid value of "seconds: {seconds:.0f}"'
        raise Refused(400, f"{invalid}: the autoclose duration should be {limit}")


@service.checks("notificationChannels")
def check_channel(call: Call, body: dict[str, Any]) -> None:
    """A channel of a kind has the labels of that kind, as its descriptor says.

    https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.notificationChannelDescriptors;
    https://github.com/env0/terratag/issues/175
    """
    needed, given = _CHANNEL_LABELS.get(str(body.get("type"))), set(body.get("labels") or ())
    if needed is None or given == needed:
        return
    wrong = sorted(given ^ needed)[0]
    what = "must be specified" if wrong in needed else "is not allowed"
    message = f'Field notification_channel.labels had an invalid value: the label "{wrong}" {what} for the type'
    raise Refused(400, f'{message} "{body["type"]}".')


def _check_metric(where: str, kind: str, held: dict[str, Any] | None) -> None:
    """Times are of whole minutes; an absence lasts at most 23.5 hours; a metric needs a type of resource."""
    if held is None:
        return
    at = f"{where}.{snake(kind)}"
    seconds = float(str(held.get("duration", "0s")).removesuffix("s"))
    if seconds % 60:
        raise Refused(
            400, f"Field {at}.duration had an invalid value: The duration must be a multiple of 60 seconds."
        )
    if kind == "conditionAbsent" and not 120 <= seconds <= 23.5 * 3600:
        raise Refused(
            400, f"Field {at}.duration had an invalid value: It must be at least 2 minutes and at most 23.5 hours."
        )
    if not held.get("filter"):
        raise Refused(400, f"Field {at}.filter had an invalid value: It must be specified.")


def _require_metrics(call: Call, condition: dict[str, Any]) -> None:
    """A log-based metric is there, and Monitoring has heard of it; what others there are is not known here.

    https://github.com/hashicorp/terraform-provider-google/issues/11102
    """
    for held in condition.values():
        for key in ("filter", "denominatorFilter"):
            for kind, name in _LOG_METRIC.findall(str(held.get(key, "")) if isinstance(held, dict) else ""):
                metric = call.other("logging", f"projects/{call.project}/metrics/{name}")
                if metric is None or not propagation.has_passed(call.plane, metric.since):
                    message = (
                        f'Cannot find metric(s) that match type = "{kind}". If a metric was created recently, it could '
                        "take up to 10 minutes to become available. Please try again soon."
                    )
                    raise Refused(404, message)


@service.follows("alertPolicies", "notificationChannels")
def changed(call: Call, record: Record) -> None:
    """Who changed it and when, and a name for each condition."""
    mutation = {"mutateTime": call.plane.clock.timestamp(), "mutatedBy": "user@example.com"}
    record.body.setdefault("creationRecord", mutation)
    if record.collection == "notificationChannels":
        record.body["mutationRecords"] = [*record.body.get("mutationRecords", []), mutation][-10:]
        return
    record.body["mutationRecord"] = mutation
    for condition in record.body.get("conditions") or ():
        if not condition.get("name"):
            condition["name"] = f"{record.name}/conditions/{call.plane.clock.number()}"


@service.keeps("notificationChannels")
def keep_channel(call: Call, record: Record) -> None:
    """One that a policy notifies goes only by force, which takes it from the policies."""
    users = [each for each in call.store if record.name in (each.body.get("notificationChannels") or ())]
    if users and not call.query.get("force"):
        message = f"Channel '{record.name}' is used by alerting policies. Set force to delete it."
        raise Refused(400, message, status="FAILED_PRECONDITION")
    for each in users:
        each.body["notificationChannels"].remove(record.name)


@service.fills("uptimeCheckConfigs")
def uptime_check(call: Call, record: Record) -> None:
    """Its id begins with its title; what is masked is told by stars."""
    for check_ in ("httpCheck", "tcpCheck"):
        if held := record.body.get(check_):
            if auth := held.get("authInfo"):
                auth["password"] = "******"  # noqa: S105 - as Google masks it
            if held.get("maskHeaders"):
                held["headers"] = dict.fromkeys(held.get("headers") or (), "******")
            if check_ == "httpCheck":
                held.setdefault("path", "/")
                held.setdefault("port", 443 if held.get("useSsl") else 80)
                held.setdefault("requestMethod", "GET")
                if held.get("body"):
                    held.setdefault("headers", {}).setdefault("Content-Length", "******")


@service.shows("services", "serviceLevelObjectives")
def by_number(call: Call, record: Record) -> dict[str, Any]:
    """Only these are named by the project's number."""
    return record.body | {"name": call.plane.numbered(record.name)}


@service.follows("dashboards")
def dashboard(call: Call, record: Record) -> None:
    """https://cloud.google.com/monitoring/api/ref_v3/rest/v1/projects.dashboards: what each widget has by default."""
    _fill_chart(record.body)


def _fill_chart(value: Any) -> None:
    if isinstance(value, list):
        for each in value:
            _fill_chart(each)
    elif isinstance(value, dict):
        for data_set in (value.get("xyChart") or {}).get("dataSets") or ():
            data_set.setdefault("targetAxis", "Y1")
        for data_set in (value.get("timeSeriesTable") or {}).get("dataSets") or ():
            data_set.setdefault("minAlignmentPeriod", "60s")
        if "text" in value and isinstance(value["text"], dict):
            value["text"].setdefault("format", "MARKDOWN")
            value["text"].setdefault("style", {})
        for each in value.values():
            _fill_chart(each)
