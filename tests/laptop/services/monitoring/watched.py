"""A laptop cloud with the policies that the component registers, over a service of each kind."""

from collections.abc import Mapping
from datetime import datetime

from components.monitoring import Monitoring, MonitoringArgs
from components.monitoring_alerts import Service
from components.place import Place
from components.platform import services
from components.platform.figures import FIGURES, HEARTBEAT, SILENCE
from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.deployment import Deployment
from omnipipe.laptop.logs import sources
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.datastream.resources import STREAM
from omnipipe.laptop.services.functions.resources import FUNCTION
from omnipipe.laptop.services.monitoring import alerts
from omnipipe.laptop.services.run.resources import JOB
from omnipipe.laptop.services.sql.resources import INSTANCE
from tests.components.mocks import Recorder, record
from tests.laptop.conftest import PROJECT

SERVICES = (
    Service(services.FUNCTION, "weather"),
    Service(services.JOB, "dbt"),
    Service(services.JOB, "probe"),
    Service(services.WORKFLOW, "daily"),
    Service(services.SCHEDULE, "daily"),
    Service(services.STREAM, "cdc"),
    Service(services.DATABASE, "oltp", f"{PROJECT}:oltp"),
)
RUNBOOKS = "https://example.com/docs/runbooks"


def monitoring(thresholds: Mapping[str, float] | None = None) -> Recorder:
    """What the component registers for the services."""
    args = MonitoringArgs(
        place=Place(PROJECT, "europe-west1"),
        physical_name="monitoring",
        services=SERVICES,
        figures=FIGURES,
        probe="probe",
        heartbeat=HEARTBEAT,
        silence=SILENCE,
        runbooks_url=RUNBOOKS,
        emails=("data@example.com",),
        thresholds=thresholds or {},
    )
    return record(lambda: Monitoring("monitoring", args))


def watch(cloud: Cloud, thresholds: Mapping[str, float] | None = None) -> None:
    """Have the services and their policies in a cloud, each through its own kind of resource."""
    for resource in (
        Resource(FUNCTION, "weather", {"name": "weather"}),
        Resource(JOB, "dbt", {"name": "dbt"}),
        Resource(JOB, "probe", {"name": "probe"}),
        Resource(STREAM, "cdc", {"streamId": "cdc", "location": "europe-west1"}),
        Resource(INSTANCE, "oltp", {}, {"name": "oltp"}),
    ):
        cloud.registry.put(resource)
    deployment = Deployment(cloud)
    for made in monitoring(thresholds).resources:
        deployment.register(made.type, made.name, made.inputs, made.protect)


def state(cloud: Cloud, title: str, now: datetime | None = None) -> str:
    """How the policy of a title stands."""
    found = {
        alert.state
        for alert in alerts.evaluate(cloud, sources(cloud), now)
        if alert.policy == f"monitoring: {title}"
    }
    assert len(found) == 1, title
    return found.pop()


def firing(cloud: Cloud, now: datetime | None = None) -> set[str]:
    """The titles of the policies that fire."""
    found = alerts.evaluate(cloud, sources(cloud), now)
    return {alert.policy.removeprefix("monitoring: ") for alert in found if alert.state == alerts.FIRING}
