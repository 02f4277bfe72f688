"""Alert policies: conditions on the series of log-based metrics, as Cloud Monitoring evaluates them.

https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alertPolicies. A threshold condition aligns the
values of a window that ends now, may add up series, and compares; an absence condition holds when a series that had
values has none for its duration.
"""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.services.monitoring.filters import Filter, field_path, lookup
from omnipipe.laptop.services.monitoring.metrics import Metric, Series, percentile

_USER_METRICS = "logging.googleapis.com/user/"
_PERCENTILES = {"ALIGN_PERCENTILE_99": 99, "ALIGN_PERCENTILE_95": 95, "ALIGN_PERCENTILE_50": 50}
_COMPARISONS = {"COMPARISON_GT": operator.gt, "COMPARISON_LT": operator.lt}  # the API takes no other
_REDUCERS = ("REDUCE_NONE", "REDUCE_SUM")
# How far back a series is known to have had values, for one that is absent.
_MEMORY = timedelta(hours=24)
_LONGEST_ABSENCE = timedelta(hours=23.5)
_LONGEST_PERIOD = timedelta(hours=25)
_OTHERS = {
    "conditionMonitoringQueryLanguage": "MQL",
    "conditionPrometheusQueryLanguage": "PromQL",
    "conditionSql": "SQL",
    "conditionMatchedLog": "matching log entries",
}


@dataclass(frozen=True)
class Violation:
    """A series that a condition fires for: which, its value, and since when, as far as the window reaches back."""

    subject: str
    value: float | None
    since: datetime


@dataclass(frozen=True)
class NotHere:
    """A condition that only Google can evaluate, and why."""

    why: str


class Condition:
    """A condition on a log-based metric. ``lookback`` is how far back it needs entries.

    Raises LaptopError for what Google would refuse, or what this evaluator does not know.
    """

    def __init__(self, declared: Mapping[str, Any], metric: Metric) -> None:
        self._absent = "conditionAbsent" in declared
        spec = declared["conditionAbsent" if self._absent else "conditionThreshold"]
        self.metric = metric
        self._filter = Filter(spec["filter"])
        (aggregation, *more) = spec.get("aggregations") or [{}]
        if more:
            raise LaptopError("several aggregations are not evaluated here: use one")
        self._period = _duration(aggregation.get("alignmentPeriod"), "alignment_period")
        if not timedelta(minutes=1) <= self._period <= _LONGEST_PERIOD:
            raise LaptopError(f"alignment_period is {self._period}: give 60 s to 25 hours")
        self._align = _aligner(aggregation.get("perSeriesAligner"), metric)
        self._reducer = aggregation.get("crossSeriesReducer") or "REDUCE_NONE"
        if self._reducer not in _REDUCERS or (self._reducer == "REDUCE_SUM" and metric.bounds is not None):
            raise LaptopError(f"the reducer {self._reducer} is not evaluated here for {metric.name}")
        self._group_by = [field_path(name) for name in aggregation.get("groupByFields") or []]
        self._duration = _duration(spec.get("duration"), "duration")
        self._count = int((spec.get("trigger") or {}).get("count") or 1)
        if (spec.get("trigger") or {}).get("percent"):
            raise LaptopError("a trigger by percent is not evaluated here: give a count")
        if self._absent:
            if not timedelta(minutes=2) <= self._duration <= _LONGEST_ABSENCE:
                raise LaptopError(f"absence is watched for 2 minutes to 23.5 hours, not for {self._duration}")
            self.lookback = _MEMORY
            return
        if spec["comparison"] not in _COMPARISONS:
            raise LaptopError(f"{spec['comparison']} is not evaluated: Google takes {' and '.join(_COMPARISONS)}")
        self._compare, self._threshold = _COMPARISONS[spec["comparison"]], float(spec.get("thresholdValue") or 0)
        self.lookback = self._period + self._duration

    def violations(self, series: Iterable[Series], now: datetime) -> tuple[list[Violation], bool]:
        """The series that fire now, and whether there was any data."""
        groups = self._groups(series)
        judge = self._absence if self._absent else self._violation
        found = [violation for subject, members in groups if (violation := judge(subject, members, now))]
        seen = any(one.between(now - self.lookback, now) for _, members in groups for one in members)
        return (found if len(found) >= self._count else []), seen

    def _groups(self, series: Iterable[Series]) -> list[tuple[str, list[Series]]]:
        """What is judged together, and what it is called: each series by itself, or those that are added up."""
        alone: list[tuple[str, list[Series]]] = []
        summed: dict[tuple[str, ...], list[Series]] = defaultdict(list)
        for one in series:
            labels = {
                "metric": {"type": f"{_USER_METRICS}{one.metric}", "labels": one.metric_labels},
                "resource": one.resource,
            }
            if one.metric != self.metric.name or not self._filter.matches(labels):
                continue
            if self._reducer == "REDUCE_NONE":
                alone.append((", ".join(one.metric_labels.values()), [one]))
            else:
                summed[tuple(str(lookup(labels, _plural(path))) for path in self._group_by)].append(one)
        return alone or [(", ".join(group), members) for group, members in summed.items()]

    def _value(self, members: list[Series], at: datetime) -> float | None:
        aligned = [self._align(values) for one in members if (values := one.between(at - self._period, at))]
        return sum(aligned) if aligned else None

    def _violation(self, subject: str, members: list[Series], now: datetime) -> Violation | None:
        value = self._value(members, now)
        if value is None or not self._compare(value, self._threshold):
            return None
        since = now
        for time in sorted({time for one in members for time in one.times}, reverse=True):
            if since - time >= self._period:  # there was a time without data between the two
                break
            at = self._value(members, time)
            if at is None or not self._compare(at, self._threshold):
                break
            since = time
        if self.metric.bounds is not None:  # a percentile lies anywhere in its bucket: tell what was measured last
            value = max((one.times[-1], one.values[-1]) for one in members)[1]
        return Violation(subject, value, since) if now - since >= self._duration else None

    def _absence(self, subject: str, members: list[Series], now: datetime) -> Violation | None:
        newest = max(one.times[-1] for one in members)
        return Violation(subject, None, newest) if now - newest >= self._duration else None


class Policy:
    """An alert policy: it fires when one of its conditions does. Raises LaptopError as ``Condition``."""

    def __init__(self, inputs: Mapping[str, Any], metrics: Mapping[str, Metric]) -> None:
        self.name: str = inputs["displayName"]
        self.severity: str = inputs.get("severity") or ""
        self.enabled: bool = inputs.get("enabled") is not False
        if inputs["combiner"] != "OR" and len(inputs["conditions"]) > 1:
            raise LaptopError(f"{self.name}: the combiner {inputs['combiner']} is not evaluated here: use OR")
        try:
            self.conditions = [_condition(declared, metrics) for declared in inputs["conditions"]]
        except LaptopError as error:
            raise LaptopError(f"{self.name}: {error}") from error


def _condition(declared: Mapping[str, Any], metrics: Mapping[str, Metric]) -> Condition | NotHere:
    for kind, language in _OTHERS.items():
        if kind in declared:
            return NotHere(f"a condition of {language}")
    spec = declared.get("conditionThreshold") or declared.get("conditionAbsent")
    if spec is None:
        raise LaptopError("a condition has neither a threshold nor an absence")
    if spec.get("denominatorFilter") or spec.get("forecastOptions"):
        return NotHere("a ratio or a forecast")
    Filter(spec["filter"])
    type_ = _metric_type(spec["filter"])
    if not type_.startswith(_USER_METRICS):
        return NotHere(f"{type_} is measured by Google's own services")
    name = type_.removeprefix(_USER_METRICS)
    if name not in metrics:
        raise LaptopError(f"there is no metric {name}: it must be registered before the policy (depends_on)")
    return Condition(declared, metrics[name])


def _metric_type(text: str) -> str:
    """The metric that a series filter names, as Google asks of each."""
    _, _, rest = text.partition('metric.type="')
    name, quote, _ = rest.partition('"')
    if not quote or "resource.type=" not in text:
        raise LaptopError(f'a condition needs metric.type="…" AND resource.type="…", not: {text}')
    return name


def _aligner(name: str | None, metric: Metric) -> Callable[[list[float]], float]:
    if metric.bounds is None and name == "ALIGN_SUM":
        return sum
    if metric.bounds is not None and name in _PERCENTILES:
        bounds, percent = metric.bounds, _PERCENTILES[name]
        return lambda values: percentile(bounds, values, percent)
    kind = "a counter" if metric.bounds is None else "a distribution"
    raise LaptopError(f"the aligner {name} is not evaluated here for {kind} such as {metric.name}")


def _duration(text: str | None, what: str) -> timedelta:
    """A duration as the API takes it here: whole minutes, in seconds."""
    seconds = (text or "").removesuffix("s")
    if not seconds.isdigit() or text == seconds or int(seconds) % 60:
        raise LaptopError(f"{what} is {text!r}: write a multiple of 60 seconds, such as 300s")
    return timedelta(seconds=int(seconds))


def _plural(path: tuple[str, ...]) -> tuple[str, ...]:
    """``metric.label.x`` is another way to write ``metric.labels.x``."""
    return (path[0], "labels", *path[2:]) if path[1:2] == ("label",) else path
