"""Every alert policy of the program, evaluated now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from omnipipe.laptop.services.monitoring.entries import Source
from omnipipe.laptop.services.monitoring.metrics import Metric, Series
from omnipipe.laptop.services.monitoring.policies import Condition, NotHere, Policy
from omnipipe.laptop.services.monitoring.resources import POLICY, metrics

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud

OK, FIRING, NO_DATA, NOT_HERE = "ok", "FIRING", "no data", "not evaluated here"


@dataclass(frozen=True)
class Alert:
    """A policy, and how it stands; ``why`` says what is missing where it cannot be told."""

    policy: str
    severity: str
    state: str
    subject: str = ""
    value: float | None = None
    since: datetime | None = None
    why: str = ""


def evaluate(cloud: Cloud, logs: Iterable[Source], now: datetime | None = None) -> list[Alert]:
    """How each alert policy stands at ``now`` by what is in these logs, in the order of their names.

    A policy that fires for several series has a line for each.
    """
    now = now or datetime.now(UTC)
    known = metrics(cloud)
    policies = [Policy(resource.inputs, known) for resource in cloud.registry.of_type(POLICY)]
    policies.sort(key=lambda policy: policy.name)
    lookback: dict[str, timedelta] = {}
    for policy in policies:
        for condition in policy.conditions:
            if isinstance(condition, Condition):
                name = condition.metric.name
                lookback[name] = max(condition.lookback, lookback.get(name, timedelta()))
    wanted = [known[name] for name in lookback]
    series: dict[Any, Series] = {}
    for source in logs:
        _collect(source, wanted, lookback, now, series)
    return [alert for policy in policies for alert in _judge(policy, list(series.values()), now)]


def _collect(
    source: Source, wanted: list[Metric], lookback: dict[str, timedelta], now: datetime, series: dict[Any, Series]
) -> None:
    resource = source.resource
    here = [metric for metric in wanted if resource is None or metric.filter.may_match(resource)]
    if not here:
        return
    since = now - max(lookback[metric.name] for metric in here)
    for entry in source.entries(since):
        if entry["timestamp"] <= now:
            for metric in here:
                metric.collect(entry, series)


def _judge(policy: Policy, series: list[Series], now: datetime) -> list[Alert]:
    if not policy.enabled:
        return [Alert(policy.name, policy.severity, NOT_HERE, why="it is switched off")]
    firing, seen, reasons = [], False, []
    for condition in policy.conditions:
        if isinstance(condition, NotHere):
            reasons.append(condition.why)
            continue
        violations, had_data = condition.violations(series, now)
        # Of errors, no entry is good news; of a figure, it is none.
        seen = seen or had_data or condition.metric.bounds is None
        firing += [
            Alert(policy.name, policy.severity, FIRING, each.subject, each.value, each.since)
            for each in violations
        ]
    if firing:
        return firing
    if reasons:
        return [Alert(policy.name, policy.severity, NOT_HERE, why="; ".join(reasons))]
    why = "" if seen else "nothing was measured yet, or not for long"
    return [Alert(policy.name, policy.severity, OK if seen else NO_DATA, why=why)]
