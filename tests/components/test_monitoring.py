"""Policies, metrics and the dashboard, in the form that Google takes, from one list."""

import json
import re
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from components.monitoring import Monitoring, MonitoringArgs
from components.monitoring_alerts import Service, ServiceKind
from components.place import Place
from components.platform import services
from components.platform.figures import FIGURES, HEARTBEAT, SILENCE
from components.platform.services import SERVICE_KINDS
from omnipipe.laptop.home import PROJECT_ROOT
from tests.components.mocks import Registration, record
from tests.laptop.services.monitoring.watched import RUNBOOKS, SERVICES, monitoring

MADE = monitoring()
POLICIES = MADE.of("monitoring.AlertPolicy")
ARGS = MonitoringArgs(
    place=Place("my-project", "europe-west1"),
    physical_name="monitoring",
    services=SERVICES,
    figures=FIGURES,
    probe="probe",
    heartbeat=HEARTBEAT,
    silence=SILENCE,
    runbooks_url=RUNBOOKS,
)


def condition(policy: Registration) -> dict[str, Any]:
    (found,) = policy.inputs["conditions"]
    return found.get("conditionThreshold") or found["conditionAbsent"]


def test_each_service_and_each_figure_has_one_policy_and_so_has_silence() -> None:
    titles = [f"Errors of the {service.kind.name} {service.name}" for service in SERVICES]
    titles += [figure.title for figure in FIGURES] + [SILENCE.title]
    assert sorted(policy.inputs["displayName"] for policy in POLICIES) == sorted(
        f"monitoring: {t}" for t in titles
    )


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_a_policy_comes_after_its_metric_and_names_it_and_its_resource(policy: Registration) -> None:
    (metric,) = policy.dependencies & {made.name for made in MADE.of("logging.Metric")}
    resource = re.search('resource.type="(.+?)"', MADE.named(metric).inputs["filter"])
    assert resource
    assert condition(policy)["filter"] == (
        f'metric.type="logging.googleapis.com/user/{metric}" AND resource.type="{resource[1]}"'
    )


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_durations_are_such_as_google_takes(policy: Registration) -> None:
    (aggregation,) = condition(policy)["aggregations"]
    for text, longest in ((condition(policy)["duration"], 84_600), (aggregation["alignmentPeriod"], 90_000)):
        assert re.fullmatch(r"\d+s", text)
        assert int(text[:-1]) % 60 == 0
        assert int(text[:-1]) <= longest
    assert int(aggregation["alignmentPeriod"][:-1]) >= (900 if "probe" in policy.name else 60)
    assert policy.inputs["alertStrategy"] == {"autoClose": "86400s"}


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_a_policy_tells_somebody_and_leads_to_its_part_of_a_runbook(policy: Registration) -> None:
    assert policy.inputs["notificationChannels"] == ["id/monitoring-email-1"]
    assert policy.inputs["severity"] in ("CRITICAL", "ERROR", "WARNING")
    content = policy.inputs["documentation"]["content"]
    link = re.search(rf"\({re.escape(RUNBOOKS)}/([a-z-]+\.md)#([a-z-]+)\)", content)
    assert link, content
    page = (PROJECT_ROOT / "docs" / "runbooks" / link[1]).read_text()
    headings = [line[3:].lower().replace(" ", "-") for line in page.splitlines() if line.startswith("## ")]
    assert link[2] in headings
    part = page.split("\n## ")[1 + headings.index(link[2])]
    for word in ("**What it means.**", "**What to", "**What not to do.**"):
        assert word in part.replace("\n", " "), word


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
@pytest.mark.parametrize("threshold", [None, 7.5])
def test_a_threshold_is_a_bound_of_the_buckets_with_a_finite_one_above(
    figure: Any, threshold: float | None
) -> None:
    changed = {figure.name: threshold} if threshold else {}
    made = monitoring(changed)
    wanted = threshold or figure.threshold
    bounds = made.named(f"monitoring-{figure.name.replace('_', '-')}").inputs["bucketOptions"]["explicitBuckets"]
    assert wanted in bounds["bounds"][1:-1]
    assert bounds["bounds"] == sorted(set(bounds["bounds"]))
    policy = made.named(f"monitoring-{figure.name.replace('_', '-')}-alert")
    assert condition(policy)["thresholdValue"] == wanted
    assert str(wanted) in made.of("monitoring.Dashboard")[0].inputs["dashboardJson"]


@pytest.mark.parametrize("kind", SERVICE_KINDS, ids=lambda kind: kind.name)
def test_a_kind_of_service_is_watched_by_its_label(kind: ServiceKind) -> None:
    assert kind in {service.kind for service in SERVICES}
    for service in (service for service in SERVICES if service.kind == kind):
        metric = MADE.named(f"monitoring-errors-{kind.name}-{service.name}").inputs
        assert f'resource.labels.{kind.label}="{service.id or service.name}"' in metric["filter"]
        assert metric["metricDescriptor"]["valueType"] == "INT64"


def test_the_dashboard_shows_every_metric_of_a_policy() -> None:
    (dashboard,) = MADE.of("monitoring.Dashboard")
    layout = json.loads(dashboard.inputs["dashboardJson"])["mosaicLayout"]
    for policy in POLICIES:
        name = condition(policy)["filter"].split('"')[1]
        assert name in dashboard.inputs["dashboardJson"] or SILENCE.title in policy.inputs["displayName"]
    places = [(tile.get("xPos", 0), tile.get("yPos", 0)) for tile in layout["tiles"]]
    assert len(set(places)) == len(places)
    assert all(
        x + tile["width"] <= layout["columns"] for (x, _), tile in zip(places, layout["tiles"], strict=True)
    )


def test_the_dashboard_holds_nothing_that_the_api_would_not_give_back() -> None:
    """https://protobuf.dev/programming-guides/json: a field that is zero or empty is left out of an answer."""

    def dropped(value: Any, path: str) -> list[str]:
        if not value:
            return [path]
        pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        return [found for key, item in pairs for found in dropped(item, f"{path}.{key}")]

    (dashboard,) = MADE.of("monitoring.Dashboard")
    assert dropped(json.loads(dashboard.inputs["dashboardJson"]), "dashboard") == []


def test_what_is_watched_is_what_is_handed_over_and_nothing_else() -> None:
    (figure,) = (figure for figure in FIGURES if figure.name == "dead_letters")
    args = replace(
        ARGS, services=SERVICES[:1], figures=(figure,), heartbeat="beat", silence=replace(SILENCE, title="Hush")
    )
    made = record(lambda: Monitoring("watch", args))
    assert {policy.inputs["displayName"] for policy in made.of("monitoring.AlertPolicy")} == {
        "monitoring: Errors of the function weather",
        "monitoring: Dead letters",
        "monitoring: Hush",
    }
    assert made.named("watch-beat").inputs["filter"].endswith('jsonPayload.figure="beat"')


def test_without_addresses_nobody_is_told_and_the_policies_stand() -> None:
    made = record(lambda: Monitoring("watch", ARGS))
    assert not made.of("monitoring.NotificationChannel")
    assert len(made.of("monitoring.AlertPolicy")) == len(POLICIES)
    assert made.exposed["watch"] == {"channels": []}


def test_a_database_may_be_unknown_before_it_is_made() -> None:
    def program() -> None:
        database = pulumi.Output.from_input("ignored").apply(lambda _: "my-project:oltp-1a2b")
        Monitoring("watch", replace(ARGS, services=(Service(services.DATABASE, "oltp", database),)))

    metric = record(program).named("watch-errors-database-oltp")
    assert 'database_id="my-project:oltp-1a2b"' in metric.inputs["filter"]


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"services": ()}, "no service is given"),
        ({"services": (SERVICES[0], SERVICES[0])}, "a service is given twice"),
        ({"probe_interval_s": 90}, "probe_interval_s is 90: give whole minutes"),
        ({"probe_interval_s": 6 * 3600}, "silence can be watched for 23.5 hours at most"),
        ({"emails": ("data",)}, "'data' is no e-mail address"),
        ({"thresholds": {"unheard_of": 1}}, "the threshold of unheard_of is 1: give more than 0, for one of"),
        ({"thresholds": {"dead_letters": 0}}, "the threshold of dead_letters is 0: give more than 0"),
        ({"runbooks_url": "https://example.com/"}, "no slash at its end"),
    ],
)
def test_wrong_arguments_are_told_with_what_to_do(changed: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        replace(ARGS, **changed)


def test_a_service_that_cannot_be_watched_is_told() -> None:
    with pytest.raises(ValueError, match="a job is called 'Daily Job': its metric's name takes"):
        Service(services.JOB, "Daily Job")


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_a_policy_that_came_before_its_metric_is_tried_again(policy: Registration) -> None:
    assert policy.on_error == ("monitoring-patience",)
