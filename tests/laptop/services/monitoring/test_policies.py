"""Conditions as Cloud Monitoring evaluates them, and what is refused when the program is brought up."""

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.deployment import Deployment
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.logs import sources
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.monitoring import alerts
from omnipipe.laptop.services.monitoring.metrics import percentile
from omnipipe.laptop.services.monitoring.resources import METRIC, POLICY
from omnipipe.laptop.services.run.resources import JOB

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
COUNTER = {
    "name": "errors",
    "filter": 'resource.type="cloud_run_job" AND severity>=ERROR',
    "metricDescriptor": {"metricKind": "DELTA", "valueType": "INT64"},
}
DISTRIBUTION = {
    "name": "lag",
    "filter": 'resource.type="cloud_run_job" AND jsonPayload.lag:*',
    "valueExtractor": "EXTRACT(jsonPayload.lag)",
    "labelExtractors": {"slot": 'REGEXP_EXTRACT(jsonPayload.message, "slot (\\w+)")'},
    "metricDescriptor": {
        "metricKind": "DELTA",
        "valueType": "DISTRIBUTION",
        "labels": [{"key": "slot", "valueType": "STRING"}],
    },
    "bucketOptions": {"explicitBuckets": {"bounds": [0, 5, 10, 20]}},
}


def policy(metric: str, **changes: Any) -> dict[str, Any]:
    """A policy with one threshold condition."""
    aligner = "ALIGN_SUM" if metric == "errors" else "ALIGN_PERCENTILE_99"
    threshold = {
        "filter": f'metric.type="logging.googleapis.com/user/{metric}" AND resource.type="cloud_run_job"',
        "comparison": "COMPARISON_GT",
        "thresholdValue": 10,
        "duration": "0s",
        "aggregations": [{"alignmentPeriod": "600s", "perSeriesAligner": aligner}],
    }
    return {
        "displayName": "the policy",
        "combiner": "OR",
        "conditions": [{"conditionThreshold": {**threshold, **changes}}],
    }


@pytest.fixture
def write(cloud: Cloud) -> Callable[..., None]:
    """Write entries of a job, each some minutes ago."""
    cloud.registry.put(Resource(JOB, "job", {"name": "job"}))

    def written(*entries: tuple[float, dict[str, Any]]) -> None:
        with cloud.home.log_file("job").open("a") as file:
            for minutes, payload in entries:
                at = (NOW - timedelta(minutes=minutes)).isoformat()
                file.write(json.dumps({"timestamp": at, "severity": "ERROR", **payload}) + "\n")

    return written


def evaluate(cloud: Cloud, declared: dict[str, Any], *metrics: dict[str, Any]) -> list[alerts.Alert]:
    deployment = Deployment(cloud)
    for metric in metrics or (COUNTER, DISTRIBUTION):
        deployment.register(METRIC, metric["name"], metric, False)
    deployment.register(POLICY, "policy", declared, False)
    return alerts.evaluate(cloud, sources(cloud), NOW)


def lag(minutes: float, value: object, slot: str = "a") -> tuple[float, dict[str, Any]]:
    return minutes, {"lag": value, "message": f"the slot {slot} lags"}


def test_a_count_is_of_the_window_and_over_it(cloud: Cloud, write: Callable[..., None]) -> None:
    write(*((minutes, {}) for minutes in (11, *range(9, -1, -1))))
    (alert,) = evaluate(cloud, policy("errors"))
    assert alert.state == alerts.OK  # ten of them, which is not more than ten
    write((0, {}))
    (alert,) = evaluate(cloud, policy("errors"))
    assert (alert.state, alert.value) == (alerts.FIRING, 11)


def test_a_series_is_judged_by_itself_and_named(cloud: Cloud, write: Callable[..., None]) -> None:
    write(lag(8, 12, "a"), lag(8, 9.999, "b"), lag(4, 30, "a"), lag(3, 10, "c"), lag(2, "much", "d"))
    found = {alert.subject: alert for alert in evaluate(cloud, policy("lag"))}
    assert set(found) == {"a", "c"}  # c is at the threshold: a bound belongs to the bucket above it
    assert found["a"].value == 30
    assert found["a"].since == NOW - timedelta(minutes=8)
    assert found["c"].since == NOW - timedelta(minutes=3)


def test_services_of_one_metric_are_judged_apart_unless_they_are_added_up(
    cloud: Cloud, write: Callable[..., None]
) -> None:
    cloud.registry.put(Resource(JOB, "other", {"name": "other"}))
    write(*((minutes, {}) for minutes in range(9, 3, -1)))
    cloud.home.log_file("other").write_bytes(cloud.home.log_file("job").read_bytes())
    assert evaluate(cloud, policy("errors"))[0].state == alerts.OK  # six of each

    sums = {"alignmentPeriod": "600s", "perSeriesAligner": "ALIGN_SUM", "crossSeriesReducer": "REDUCE_SUM"}
    (alert,) = evaluate(cloud, policy("errors", aggregations=[sums]))
    assert (alert.state, alert.value) == (alerts.FIRING, 12)


def test_a_duration_asks_for_it_all_that_time(cloud: Cloud, write: Callable[..., None]) -> None:
    write(lag(4, 12))
    assert evaluate(cloud, policy("lag", duration="300s"))[0].state == alerts.OK
    write(lag(6, 12))
    assert evaluate(cloud, policy("lag", duration="300s"))[0].state == alerts.FIRING


def test_less_than_and_several_conditions(cloud: Cloud, write: Callable[..., None]) -> None:
    write(lag(1, 3))
    declared = policy("lag", comparison="COMPARISON_LT", thresholdValue=5)
    declared["conditions"] += policy("errors")["conditions"]
    assert evaluate(cloud, declared)[0].state == alerts.FIRING


def test_without_data_nothing_is_claimed(cloud: Cloud, write: Callable[..., None]) -> None:
    (alert,) = evaluate(cloud, policy("lag"))
    assert (alert.state, alert.why) == (alerts.NO_DATA, "nothing was measured yet, or not for long")
    assert evaluate(cloud, policy("errors"))[0].state == alerts.OK


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        (
            policy("lag", filter='metric.type="run.googleapis.com/job/count" AND resource.type="cloud_run_job"')[
                "conditions"
            ][0],
            "run.googleapis.com/job/count is measured by Google's own services",
        ),
        ({"conditionMonitoringQueryLanguage": {"query": "fetch x"}}, "a condition of MQL"),
        ({"conditionMatchedLog": {"filter": "severity=ERROR"}}, "a condition of matching log entries"),
        (policy("lag", forecastOptions={"forecastHorizon": "3600s"})["conditions"][0], "a ratio or a forecast"),
    ],
)
def test_what_only_google_can_evaluate_is_named(cloud: Cloud, condition: dict[str, Any], why: str) -> None:
    (alert,) = evaluate(cloud, policy("lag") | {"conditions": [condition]})
    assert (alert.state, alert.why) == (alerts.NOT_HERE, why)


AGGREGATION = {"alignmentPeriod": "600s", "perSeriesAligner": "ALIGN_PERCENTILE_99"}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"duration": "5m"}, "duration is '5m': write a multiple of 60 seconds"),
        ({"duration": "90s"}, "duration is '90s'"),
        ({"comparison": "COMPARISON_GE"}, "Google takes COMPARISON_GT and COMPARISON_LT"),
        ({"filter": 'metric.type="logging.googleapis.com/user/lag"'}, "resource.type="),
        (
            {"filter": 'metric.type="logging.googleapis.com/user/gone" AND resource.type="cloud_run_job"'},
            "there is no metric gone: it must be registered before the policy",
        ),
        ({"aggregations": [AGGREGATION | {"alignmentPeriod": "30s"}]}, "write a multiple of 60 seconds"),
        ({"aggregations": [AGGREGATION | {"alignmentPeriod": "93600s"}]}, "give 60 s to 25 hours"),
        (
            {"aggregations": [AGGREGATION | {"perSeriesAligner": "ALIGN_MAX"}]},
            "the aligner ALIGN_MAX is not evalua",
        ),
        ({"aggregations": [AGGREGATION | {"crossSeriesReducer": "REDUCE_SUM"}]}, "the reducer REDUCE_SUM is not"),
        ({"aggregations": [AGGREGATION, AGGREGATION]}, "several aggregations"),
        ({"trigger": {"percent": 50}}, "a trigger by percent"),
    ],
)
def test_a_policy_that_cannot_be_evaluated_stops_up(cloud: Cloud, changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(LaptopError, match=problem):
        evaluate(cloud, policy("lag", **changes))


def test_absence_of_more_than_google_allows_stops_up(cloud: Cloud) -> None:
    condition = policy("lag", duration="86400s")["conditions"][0]["conditionThreshold"]
    declared = policy("lag") | {"conditions": [{"conditionAbsent": condition}]}
    with pytest.raises(LaptopError, match=r"absence is watched for 2 minutes to 23\.5 hours"):
        evaluate(cloud, declared)


def _changed(path: str, value: object) -> dict[str, Any]:
    metric = copy.deepcopy(DISTRIBUTION)
    *parents, last = path.split(".")
    inner: Any = metric
    for part in parents:
        inner = inner[part]
    inner[last] = value
    return metric


@pytest.mark.parametrize(
    ("metric", "problem"),
    [
        (_changed("filter", "severity>=WORSE"), "a severity is one of"),
        (_changed("valueExtractor", "jsonPayload.lag"), "extracts nothing: write EXTRACT"),
        (_changed("valueExtractor", ""), "extracts nothing"),
        (_changed("labelExtractors.slot", 'REGEXP_EXTRACT(jsonPayload.message, "slot")'), "must have one group"),
        (_changed("labelExtractors", {}), "labels and label extractors differ"),
        (_changed("metricDescriptor.valueType", "DOUBLE"), "not DELTA DOUBLE"),
        (_changed("metricDescriptor.valueType", "INT64"), "not DELTA INT64"),
        (_changed("bucketOptions", None), "needs explicit buckets"),
        (_changed("bucketOptions.explicitBuckets.bounds", [5, 0]), "bounds that increase"),
    ],
)
def test_a_metric_that_cannot_be_evaluated_stops_up(cloud: Cloud, metric: dict[str, Any], problem: str) -> None:
    with pytest.raises(LaptopError, match=f"logging.Metric lag: .*{problem}"):
        Deployment(cloud).register(METRIC, "lag", metric, False)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([7], 9.95), ([10], 19.9), ([9.99], 9.95), ([3, 12], 19.8), ([100], 20), ([-1], 0), ([7] * 4, 9.95)],
)
def test_a_percentile_is_interpolated_within_its_bucket(values: list[float], expected: float) -> None:
    assert percentile([0, 5, 10, 20], values, 99) == pytest.approx(expected)
