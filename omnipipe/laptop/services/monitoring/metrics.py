"""Log-based metrics: entries that match a filter, counted, or with a value of theirs in a distribution.

https://cloud.google.com/logging/docs/reference/v2/rest/v2/projects.metrics
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from typing import Any

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.services.monitoring.filters import Filter, field_path, lookup

_EXTRACT = re.compile(r"EXTRACT\(([^,()]+)\)")
_REGEXP_EXTRACT = re.compile(r'REGEXP_EXTRACT\(([^,()]+),\s*"(.*)"\)')

Extractor = Callable[[Mapping[str, Any]], str | float | None]


@dataclass
class Series:
    """The values of one metric with one set of labels, in the order of time."""

    metric: str
    metric_labels: dict[str, str]
    resource: dict[str, Any]
    times: list[datetime] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def between(self, after: datetime, until: datetime) -> list[float]:
        """The values of (after, until]."""
        return self.values[bisect_right(self.times, after) : bisect_right(self.times, until)]

    def add(self, time: datetime, value: float) -> None:
        """Add a value; mostly an older one than those that are there."""
        at = bisect_left(self.times, time)
        self.times.insert(at, time)
        self.values.insert(at, value)


class Metric:
    """A log-based metric of the program.

    ``bounds`` are those of a distribution's buckets, None for a counter. Raises LaptopError for a filter, an
    extractor or a kind of metric that is not evaluated here.
    """

    def __init__(self, inputs: Mapping[str, Any]) -> None:
        self.name: str = inputs["name"]
        self.filter = Filter(inputs["filter"])
        self._labels = {label: _extractor(text) for label, text in (inputs.get("labelExtractors") or {}).items()}
        descriptor = inputs["metricDescriptor"]
        kind = (descriptor["metricKind"], descriptor["valueType"])
        declared = {label["key"] for label in descriptor.get("labels") or []}
        if declared != set(self._labels):
            raise LaptopError(f"labels and label extractors differ: {sorted(declared ^ set(self._labels))}")
        self.bounds: list[float] | None = None
        self._value: Extractor = lambda entry: 1.0
        if kind == ("DELTA", "DISTRIBUTION"):
            self._value = _extractor(inputs.get("valueExtractor") or "")
            buckets = (inputs.get("bucketOptions") or {}).get("explicitBuckets")
            if not buckets or sorted(set(buckets["bounds"])) != list(buckets["bounds"]):
                raise LaptopError("a distribution needs explicit buckets, with bounds that increase")
            self.bounds = list(buckets["bounds"])
        elif kind != ("DELTA", "INT64") or inputs.get("valueExtractor"):
            raise LaptopError(f"a log-based metric is a counter or a distribution of DELTA, not {' '.join(kind)}")

    def collect(self, entry: Mapping[str, Any], series: dict[Any, Series]) -> None:
        """Add what an entry says, if it matches, to the series of its labels."""
        if not self.filter.matches(entry):
            return
        try:
            value = float(self._value(entry))  # pyright: ignore[reportArgumentType] - None is refused as below
        except (TypeError, ValueError):
            return  # as on Google: an entry without a number is no value of a distribution
        labels = {
            label: str(found) for label, extract in self._labels.items() if (found := extract(entry)) is not None
        }
        resource = entry["resource"]
        key = (self.name, *sorted(labels.items()), *sorted(resource["labels"].items()))
        if key not in series:
            series[key] = Series(self.name, labels, resource)
        series[key].add(entry["timestamp"], value)


def percentile(bounds: list[float], values: list[float], percent: float) -> float:
    """A percentile of a distribution as Cloud Monitoring tells it: interpolated within its bucket.

    Bucket i holds what is at least its lower bound and below its upper one. The outermost buckets have one bound.
    """
    counts = [0] * (len(bounds) + 1)
    for value in values:
        counts[bisect_right(bounds, value)] += 1
    rank = len(values) * percent / 100
    upto = list(accumulate(counts))
    bucket = bisect_left(upto, rank)
    if bucket == 0:
        return bounds[0]
    if bucket == len(bounds):
        return bounds[-1]
    lower, upper = bounds[bucket - 1], bounds[bucket]
    return lower + (upper - lower) * (rank - upto[bucket - 1]) / counts[bucket]


def _extractor(text: str) -> Extractor:
    """What ``EXTRACT(field)`` or ``REGEXP_EXTRACT(field, "regex")`` takes from an entry."""
    if found := _EXTRACT.fullmatch(text.strip()):
        path = field_path(found[1])
        return lambda entry: lookup(entry, path)
    if found := _REGEXP_EXTRACT.fullmatch(text.strip()):
        path, pattern = field_path(found[1]), re.compile(found[2])
        if pattern.groups != 1:
            raise LaptopError(f"the expression of {text} must have one group in parentheses")

        def extract(entry: Mapping[str, Any]) -> str | None:
            match = pattern.search(str(lookup(entry, path) or ""))
            return match[1] if match else None

        return extract
    raise LaptopError(f'{text!r} extracts nothing: write EXTRACT(field) or REGEXP_EXTRACT(field, "…(…)…")')
