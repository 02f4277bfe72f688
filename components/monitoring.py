"""Who hears of what: log-based metrics, alert policies on them, and a dashboard."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_gcp as gcp

from components.checks import is_email, require
from components.dashboard import dashboard
from components.monitoring_alerts import Alert, Figure, Service
from components.place import Place
from components.settling import patient

_URL = re.compile(r"https?://[^\s/]+\S*[^\s/]")
_ERROR_WINDOW_S = 3600
_SILENT_AFTER = 4  # measurements that did not come
# https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alertPolicies
_LONGEST_ABSENCE_S = int(23.5 * 3600)
_ONE_DAY = "86400s"


@dataclass(frozen=True, kw_only=True)
class MonitoringArgs:
    """What a ``Monitoring`` needs.

    ``physical_name`` is the dashboard's, and what the names of metrics and policies begin with.
    ``services`` are watched for errors. ``probe`` is the name of the job that logs the ``figures``, each
    ``probe_interval_s`` seconds; it ends with the figure ``heartbeat``, whatever it could measure, and ``silence`` is
    what to say when that does not come. ``emails`` hear of every alert; with none, incidents are seen in the console
    only. ``thresholds`` (figure -> value) replace those of the figures. ``runbooks_url`` is where the runbooks can be
    read. ``silenced`` switches every alert off.

    Raises ValueError with all problems at once.
    """

    place: Place
    physical_name: str
    services: Sequence[Service]
    figures: Sequence[Figure]
    probe: str
    heartbeat: str
    silence: Alert
    runbooks_url: str
    probe_interval_s: int = 900
    emails: Sequence[str] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    silenced: bool = False

    def __post_init__(self) -> None:
        known = {figure.name for figure in self.figures}
        named = [_slug(service) for service in self.services]
        require(
            (bool(self.services), "no service is given: list those whose errors are to be heard of"),
            (len(set(named)) == len(named), "a service is given twice: each has one metric"),
            (
                self.probe_interval_s % 60 == 0
                and 60 <= self.probe_interval_s <= _LONGEST_ABSENCE_S // _SILENT_AFTER,
                f"probe_interval_s is {self.probe_interval_s}: give whole minutes, up to "
                f"{_LONGEST_ABSENCE_S // _SILENT_AFTER} s (silence can be watched for 23.5 hours at most)",
            ),
            (
                bool(_URL.fullmatch(self.runbooks_url)),
                f"runbooks_url is {self.runbooks_url!r}: no slash at its end",
            ),
            *(
                (is_email(email), f"{email!r} is no e-mail address: write it as name@example.com")
                for email in self.emails
            ),
            *(
                (
                    name in known and value > 0,
                    f"the threshold of {name} is {value}: give more than 0, for one of {', '.join(sorted(known))}",
                )
                for name, value in self.thresholds.items()
            ),
        )

    def threshold(self, figure: Figure) -> float:
        """Where a figure fires."""
        return self.thresholds.get(figure.name, figure.threshold)


class Monitoring(pulumi.ComponentResource):
    """Alerts for errors of each service and for each figure of the probe, and for the probe's own silence.

    Creates a notification channel an e-mail address; for each service a counter metric of its errors and a policy
    that fires at the first one; for each figure a distribution metric and a policy that fires at its threshold and
    above; a policy for a probe that is silent; a dashboard. Grants nothing.

    A policy on a distribution compares a percentile, which Google interpolates between the bounds of the buckets. Each
    threshold is such a bound, so the 99th percentile lies above it when, and only when, one of the few values of
    the window is at the threshold or above.

    Exposes ``channels``, the ids of the notification channels.

    Example::

        from components.monitoring import Monitoring, MonitoringArgs
        from components.monitoring_alerts import Alert, Figure, Service, ServiceKind
        from components.place import Place

        function = ServiceKind(
            name="function",
            title="Errors of a function",
            severity="ERROR",
            runbook="services.md",
            advice="See its log.",
            resource_type="cloud_run_revision",
            label="service_name",
        )
        waiting = Figure(
            name="orders_waiting",
            title="Orders wait",
            unit="1",
            threshold=100,
            severity="WARNING",
            runbook="orders.md",
            advice="See whether the warehouse answers.",
        )
        silence = Alert(
            title="The probe is silent", severity="CRITICAL", runbook="probe.md", advice="See its last executions."
        )

        Monitoring(
            "monitoring",
            MonitoringArgs(
                place=Place("my-project", "europe-west1"),
                physical_name="monitoring",
                services=(Service(function, "orders"),),
                figures=(waiting,),
                probe="probe",
                heartbeat="probe_seconds",
                silence=silence,
                runbooks_url="https://example.com/runbooks",
                emails=("data@example.com",),
                thresholds={"orders_waiting": 250},
            ),
        )
    """

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:Monitoring", name, {}, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        self._patient = patient(name, "Cannot find metric")
        self.channels = [
            gcp.monitoring.NotificationChannel(
                f"{name}-email-{number}",
                project=args.place.project,
                display_name=f"{args.physical_name}: {email}",
                type="email",
                labels={"email_address": email},
                opts=self._child,
            ).id
            for number, email in enumerate(args.emails, 1)
        ]
        for service in args.services:
            self._watch_errors(service)
        for figure in args.figures:
            self._watch_figure(figure)
        self._watch_silence()
        gcp.monitoring.Dashboard(
            f"{name}-dashboard",
            project=args.place.project,
            dashboard_json=dashboard(
                args.physical_name,
                errors={
                    f"{service.kind.name} {service.name}": (self._metric_name(service), service.kind.resource_type)
                    for service in args.services
                },
                figures=[
                    (figure.title, self._metric_name(figure.name), figure.unit, args.threshold(figure))
                    for figure in args.figures
                ],
            ),
            opts=self._child,
        )
        self.register_outputs({"channels": self.channels})

    def _metric_name(self, of: Service | str) -> str:
        return f"{self._args.physical_name}-{_slug(of)}"

    def _watch_errors(self, service: Service) -> None:
        kind, name = service.kind, self._metric_name(service)
        metric = gcp.logging.Metric(
            f"{self._name}-{_slug(service)}",
            project=self._args.place.project,
            name=name,
            description=f"Error entries of the {kind.name} {service.name}.",
            filter=pulumi.Output.concat(
                f'resource.type="{kind.resource_type}" AND resource.labels.{kind.label}="',
                service.id or service.name,
                f'" AND {kind.errors}',
            ),
            metric_descriptor={"metric_kind": "DELTA", "value_type": "INT64", "unit": "1"},
            opts=self._child,
        )
        self._policy(
            _slug(service),
            kind,
            f"Errors of the {kind.name} {service.name}",
            metric,
            {
                "display_name": "an error in the last hour",
                "condition_threshold": {
                    "filter": _series(name, kind.resource_type),
                    "comparison": "COMPARISON_GT",
                    "threshold_value": 0,
                    "duration": "0s",
                    "aggregations": [
                        {
                            "alignment_period": f"{_ERROR_WINDOW_S}s",
                            "per_series_aligner": "ALIGN_SUM",
                            "cross_series_reducer": "REDUCE_SUM",
                        }
                    ],
                    "trigger": {"count": 1},
                },
            },
        )

    def _watch_figure(self, figure: Figure) -> None:
        threshold = self._args.threshold(figure)
        metric = self._figure_metric(figure.name, figure.unit, threshold)
        self._policy(
            _slug(figure.name),
            figure,
            figure.title,
            metric,
            {
                "display_name": f"{figure.name} is {threshold:g} or more",
                "condition_threshold": {
                    "filter": _series(self._metric_name(figure.name), "cloud_run_job"),
                    "comparison": "COMPARISON_GT",
                    "threshold_value": threshold,
                    "duration": "0s",
                    "aggregations": [
                        {
                            # Two measurements: with one alone, a late probe would leave a gap.
                            "alignment_period": f"{2 * self._args.probe_interval_s}s",
                            "per_series_aligner": "ALIGN_PERCENTILE_99",
                        }
                    ],
                    "trigger": {"count": 1},
                },
            },
        )

    def _watch_silence(self) -> None:
        heartbeat, silence = self._args.heartbeat, self._args.silence
        metric = self._figure_metric(heartbeat, "s", 60)
        self._policy(
            "silence",
            silence,
            silence.title,
            metric,
            {
                "display_name": f"no figure for {_SILENT_AFTER} measurements",
                "condition_absent": {
                    "filter": _series(self._metric_name(heartbeat), "cloud_run_job"),
                    "duration": f"{_SILENT_AFTER * self._args.probe_interval_s}s",
                    "aggregations": [
                        {
                            "alignment_period": f"{self._args.probe_interval_s}s",
                            "per_series_aligner": "ALIGN_PERCENTILE_99",
                        }
                    ],
                    "trigger": {"count": 1},
                },
            },
        )

    def _figure_metric(self, figure: str, unit: str, threshold: float) -> gcp.logging.Metric:
        return gcp.logging.Metric(
            f"{self._name}-{_slug(figure)}",
            project=self._args.place.project,
            name=self._metric_name(figure),
            description=f"The figure {figure}, as the job {self._args.probe} logs it.",
            filter=f'resource.type="cloud_run_job" AND resource.labels.job_name="{self._args.probe}" '
            f'AND jsonPayload.figure="{figure}"',
            value_extractor="EXTRACT(jsonPayload.value)",
            label_extractors={"subject": "EXTRACT(jsonPayload.subject)"},
            metric_descriptor={
                "metric_kind": "DELTA",
                "value_type": "DISTRIBUTION",
                "unit": unit,
                "labels": [{"key": "subject", "value_type": "STRING", "description": "What was measured."}],
            },
            bucket_options={"explicit_buckets": {"bounds": _bounds(threshold)}},
            opts=self._child,
        )

    def _policy(
        self,
        what: str,
        alert: Alert,
        title: str,
        metric: gcp.logging.Metric,
        condition: gcp.monitoring.AlertPolicyConditionArgsDict,
    ) -> None:
        link = f"{self._args.runbooks_url}/{alert.runbook}#{alert.anchor}"
        gcp.monitoring.AlertPolicy(
            f"{self._name}-{what}-alert",
            project=self._args.place.project,
            display_name=f"{self._args.physical_name}: {title}",
            combiner="OR",
            enabled=not self._args.silenced,
            conditions=[condition],
            severity=alert.severity,
            notification_channels=list(self.channels),
            alert_strategy={"auto_close": _ONE_DAY},
            documentation={
                "subject": pulumi.Output.concat(self._args.place.project, ": ", title),
                "content": f"{alert.advice}\n\nRunbook: [{alert.title}]({link})",
                "mime_type": "text/markdown",
            },
            user_labels={"runbook": alert.runbook.removesuffix(".md")},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[metric], hooks=self._patient),
        )


def _slug(of: Service | str) -> str:
    """A service's errors, or a figure, as part of a name."""
    return (of if isinstance(of, str) else f"errors-{of.kind.name}-{of.name}").replace("_", "-")


def _series(metric: str, resource_type: str) -> str:
    return f'metric.type="logging.googleapis.com/user/{metric}" AND resource.type="{resource_type}"'


def _bounds(threshold: float) -> list[float]:
    """Bounds of a distribution's buckets, finer around ``threshold``, which is one of them."""
    return [0, *(threshold * 2.0**power for power in range(-4, 11))]
