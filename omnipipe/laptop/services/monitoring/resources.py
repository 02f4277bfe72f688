"""Cloud Logging's metrics and Cloud Monitoring's policies: checked at `up`, evaluated by `omnipipe status`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.kind import Kind, Recorded
from omnipipe.laptop.services.monitoring.metrics import Metric
from omnipipe.laptop.services.monitoring.policies import Policy

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource


METRIC = "gcp:logging/metric:Metric"
POLICY = "gcp:monitoring/alertPolicy:AlertPolicy"


class LogMetric(Kind):
    """A log-based metric."""

    effect = "evaluated on the logs of this machine"

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        Metric(resource.inputs)
        resource.id = resource.inputs["name"]
        resource.outputs = dict(resource.inputs)


class AlertPolicy(Kind):
    """An alert policy."""

    effect = "evaluated by `omnipipe status`"
    different = "nobody is notified"

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        Policy(resource.inputs, metrics(cloud))
        resource.id = f"projects/{cloud.project}/alertPolicies/{resource.name}"
        resource.outputs = {**resource.inputs, "name": resource.id}


class Dashboard(Recorded):
    """A dashboard: its JSON is read, and that is all."""

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        try:
            json.loads(resource.inputs["dashboardJson"])
        except ValueError as error:
            raise LaptopError(f"dashboard_json is no JSON: {error}") from error
        super().apply(cloud, resource, previous)


def metrics(cloud: Cloud) -> dict[str, Metric]:
    """The log-based metrics that the program registered, by name."""
    return {resource.inputs["name"]: Metric(resource.inputs) for resource in cloud.registry.of_type(METRIC)}


KINDS: dict[str, Kind] = {
    METRIC: LogMetric(),
    POLICY: AlertPolicy(),
    "gcp:monitoring/dashboard:Dashboard": Dashboard("projects/{project}/dashboards/{name}"),
    "gcp:monitoring/notificationChannel:NotificationChannel": Recorded(
        "projects/{project}/notificationChannels/{name}"
    ),
}
