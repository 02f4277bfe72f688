"""Cron lines, time zones, durations, and App Engine's schedules."""

from typing import Any

import pytest
from pulumi_policy import Policy

from policy.clocks import cron_lines, durations, is_app_engine_schedule, time_zones
from tests.policy.conftest import said


def alert(condition: str, **inputs: Any) -> dict[str, Any]:
    """The inputs of an alert with one condition."""
    return {"conditions": [{condition: inputs}]}


FRESHNESS = "destinationConfig.bigqueryDestinationConfig.dataFreshness"
REFUSED = [
    (cron_lines, "cloudscheduler.Job", {"schedule": "0 25 * * *"}, "the schedule is '0 25 * * *'"),
    (cron_lines, "cloudscheduler.Job", {"schedule": "@daily"}, "write a cron line of five fields"),
    (cron_lines, "dataform.RepositoryWorkflowConfig", {"cronSchedule": "0 5 * *"}, "the schedule is '0 5 * *'"),
    (cron_lines, "dataform.RepositoryReleaseConfig", {"cronSchedule": "0 5 * *"}, "the schedule is '0 5 * *'"),
    (time_zones, "cloudscheduler.Job", {"timeZone": "Europe/Bonn"}, "timeZone is 'Europe/Bonn'"),
    (time_zones, "dataform.RepositoryWorkflowConfig", {"timeZone": "CEST+2"}, "timeZone is 'CEST+2'"),
    (
        *(durations, "datastream.Stream"),
        *({"destinationConfig": {"bigqueryDestinationConfig": {"dataFreshness": "900"}}}, f"{FRESHNESS} is '900'"),
    ),
    (durations, "monitoring.AlertPolicy", alert("conditionThreshold", duration="5m"), "write whole minutes"),
    (durations, "monitoring.AlertPolicy", alert("conditionThreshold", duration="90s"), "write whole minutes"),
    (
        durations,
        "monitoring.AlertPolicy",
        alert("conditionPrometheusQueryLanguage", duration="1m"),
        "whole minutes",
    ),
    (
        durations,
        "monitoring.AlertPolicy",
        alert("conditionMonitoringQueryLanguage", duration="1m"),
        "whole minutes",
    ),
    (durations, "monitoring.AlertPolicy", alert("conditionAbsent", duration="60s"), "120s to 84600s"),
    (durations, "monitoring.AlertPolicy", alert("conditionAbsent", duration="84660s"), "120s to 84600s"),
    (
        *(durations, "monitoring.AlertPolicy"),
        *(
            alert("conditionAbsent", aggregations=[{"alignmentPeriod": "1h"}]),
            "conditionAbsent.aggregations.alignment",
        ),
    ),
    (
        durations,
        "monitoring.AlertPolicy",
        {"alertStrategy": {"autoClose": "1d"}},
        "alertStrategy.autoClose is '1d'",
    ),
    (durations, "cloudrunv2.Job", {"template": {"template": {"timeout": "15m"}}}, "template.template.timeout"),
    (durations, "cloudrunv2.Service", {"template": {"timeout": "300"}}, "template.timeout is '300'"),
    (durations, "kms.CryptoKey", {"rotationPeriod": "90d"}, "rotationPeriod is '90d'"),
    (durations, "secretmanager.Secret", {"rotation": {"rotationPeriod": "90d"}}, "write seconds, such as 900s"),
]
TAKEN = [
    (cron_lines, "cloudscheduler.Job", {"schedule": "*/15 8-18 * * mon-fri"}),
    (cron_lines, "cloudscheduler.Job", {"schedule": "every 5 minutes"}),
    (time_zones, "cloudscheduler.Job", {"timeZone": "Europe/Berlin"}),
    (time_zones, "cloudscheduler.Job", {}),
    (durations, "monitoring.AlertPolicy", alert("conditionThreshold", duration="0s")),
    (durations, "monitoring.AlertPolicy", alert("conditionThreshold", duration="300s")),
    (durations, "monitoring.AlertPolicy", alert("conditionAbsent", duration="84600s")),
    (durations, "monitoring.AlertPolicy", alert("conditionAbsent", duration="120s")),
    (
        durations,
        "datastream.Stream",
        {"destinationConfig": {"bigqueryDestinationConfig": {"dataFreshness": "900s"}}},
    ),
    (
        durations,
        "pubsub.Subscription",
        {"retryPolicy": {"minimumBackoff": "0.5s"}, "expirationPolicy": {"ttl": ""}},
    ),
]


@pytest.mark.parametrize(("policy", "kind", "inputs", "words"), REFUSED)
def test_a_time_that_google_does_not_read(policy: Policy, kind: str, inputs: dict[str, Any], words: str) -> None:
    (message,) = said(policy, kind, inputs)
    assert words in message


@pytest.mark.parametrize(("policy", "kind", "inputs"), TAKEN)
def test_a_time_that_google_reads(policy: Policy, kind: str, inputs: dict[str, Any]) -> None:
    assert not said(policy, kind, inputs)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("every 24 hours", True),
        ("every 12 hours from 09:00 to 17:00", True),
        ("every 30 mins synchronized", True),
        ("every day 00:00", True),
        ("every monday 09:00", True),
        ("every mon,wed,fri of jan,jun 13:15", True),
        ("1st,3rd monday of month 15:30", True),
        ("second sunday of quarter 00:00", True),
        ("1,15 of month 09:00", True),
        ("Every Day 05:00", True),
        ("daily", False),
        ("every", False),
        ("every 0 hours", False),
        ("every 24 hrs", False),
        ("every someday 09:00", False),
        ("every day 24:00", False),
        ("every day 9 o'clock", False),
        ("0 5 * * *", False),
        ("monday 09:00", False),
    ],
)
def test_schedules_of_app_engine(text: str, is_one: bool) -> None:
    assert is_app_engine_schedule(text) is is_one
