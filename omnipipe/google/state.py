"""How a stack is at Google: what runs, the capture, and the alerts that are open."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from omnipipe.google.stack import Stack

# A paused schedule is one of the settings; a job that was cancelled, a person's doing.
_WELL = {
    "database": {"RUNNABLE", "MAINTENANCE", "ONLINE_MAINTENANCE"},
    "function": {"ACTIVE"},
    "job": {"never ran", "pending", "running", "succeeded", "cancelled"},
    "schedule": {"ENABLED", "PAUSED"},
    "workflow": {"ACTIVE"},
}


def parts(stack: Stack) -> list[dict[str, Any]]:
    """What of a stack has a state: kind, name, state, and whether that is well. Asked side by side.

    Raises LaptopError as ``Api.list``.
    """
    asked = (_databases, _functions, _jobs, _workflows, _schedules)
    with ThreadPoolExecutor(len(asked)) as threads:
        found = [part for each in threads.map(lambda ask: list(ask(stack)), asked) for part in each]
    return [
        {"kind": kind, "name": name, "state": state, "well": state in _WELL[kind]}
        for kind, name, state in sorted(found)
    ]


def runnable(stack: Stack) -> list[dict[str, str]]:
    """The workflows and jobs that can be started: kind and name. Raises LaptopError as ``Api.list``."""
    return [{"kind": kind, "name": name} for ask in (_workflows, _jobs) for kind, name, _ in ask(stack)]


def streams(stack: Stack) -> list[dict[str, Any]]:
    """The streams: name, state, the newest error; their lag is an alert's to tell."""
    return [
        {
            "name": each["name"].rpartition("/")[2],
            "state": each["state"],
            "lag_bytes": None,
            "error": "; ".join(error["message"] for error in each.get("errors", ())) or None,
        }
        for each in stack.api.list("datastream", f"v1/{stack.place}/streams", "streams")
    ]


def is_resting(parts: list[dict[str, Any]], streams: list[dict[str, Any]]) -> bool:
    """Whether a stack was put to rest: its database is stopped and its stream paused, and neither by itself."""
    databases = [each["state"] for each in parts if each["kind"] == "database"]
    return bool(databases) and set(databases) == {"stopped"} and all(each["state"] == "PAUSED" for each in streams)


def alerts(stack: Stack) -> list[dict[str, Any]]:
    """Each alert policy, and whether an alert of it is open; one that is, for each series.

    https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alerts
    """
    project = f"v3/projects/{stack.project}"
    opened: dict[str, list[dict[str, Any]]] = {}
    for alert in stack.api.list("monitoring", f"{project}/alerts", "alerts", filter='state="OPEN"'):
        opened.setdefault(alert["policy"]["displayName"], []).append(alert)
    found = []
    for policy in stack.api.list("monitoring", f"{project}/alertPolicies", "alertPolicies"):
        name, severity = policy["displayName"], policy.get("severity", "")
        found += [_alert(name, severity, "FIRING", each) for each in opened.get(name, ())] or [
            _alert(name, severity, "ok", None)
        ]
    return sorted(found, key=lambda each: each["policy"])


def _alert(policy: str, severity: str, state: str, alert: dict[str, Any] | None) -> dict[str, Any]:
    """As the laptop tells one. Google's alert has no value: that is in the metric's series."""
    labels = (alert or {}).get("metric", {}).get("labels", {})
    return {
        "policy": policy,
        "severity": severity,
        "state": state,
        "subject": ", ".join(labels.values()),
        "value": None,
        "since": datetime.fromisoformat(alert["openTime"]) if alert else None,
        "why": "",
    }


def _databases(stack: Stack) -> Iterator[tuple[str, str, str]]:
    for each in stack.api.list("sqladmin", f"v1/projects/{stack.project}/instances", "items"):
        stopped = each["settings"].get("activationPolicy") == "NEVER"
        yield "database", each["name"], "stopped" if stopped else each["state"]


def _functions(stack: Stack) -> Iterator[tuple[str, str, str]]:
    for each in stack.api.list("cloudfunctions", f"v2/{stack.place}/functions", "functions"):
        yield "function", _short(each), each["state"]


def _jobs(stack: Stack) -> Iterator[tuple[str, str, str]]:
    for each in stack.api.list("run", f"v2/{stack.place}/jobs", "jobs"):
        newest = each.get("latestCreatedExecution", {})
        ended = newest.get("completionStatus", "").removeprefix("EXECUTION_").lower()
        # One that is cut off or failed is told by the run that it belongs to, or by an alert.
        yield "job", _short(each), ended or "never ran"


def _workflows(stack: Stack) -> Iterator[tuple[str, str, str]]:
    for each in stack.api.list("workflows", f"v1/{stack.place}/workflows", "workflows"):
        yield "workflow", _short(each), each["state"]


def _schedules(stack: Stack) -> Iterator[tuple[str, str, str]]:
    for each in stack.api.list("cloudscheduler", f"v1/{stack.place}/jobs", "jobs"):
        yield "schedule", _short(each), each["state"]


def _short(resource: dict[str, Any]) -> str:
    return resource["name"].rpartition("/")[2]
