"""When things happen, and how long they may take."""

import re
from collections.abc import Iterator

from components.schedule import is_cron, is_time_zone
from policy.forms import Form, broken, kinds, pattern
from policy.subject import Resource, resource_policy

_DURATION = pattern(r"\d+(\.\d{1,9})?s")
_SECONDS = "write seconds, such as 900s"
_WHOLE_MINUTES = "write whole minutes in seconds, such as 300s"
_API = "https://protobuf.dev/reference/protobuf/google.protobuf/#duration"
_CONDITION = "https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alertPolicies"

# The schedules of App Engine: https://cloud.google.com/appengine/docs/flexible/scheduling-jobs-with-cron-yaml
_DAY = r"(mon|tue|wed|thu|fri|sat|sun)[a-z]*|day"
_NTH = r"\d{1,2}(st|nd|rd|th)?|first|second|third|fourth|fifth"
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*|month|quarter"
_TIME = r"([01]?\d|2[0-3]):[0-5]\d"


def _list(item: str) -> str:
    return rf"({item})(,({item}))*"


_APP_ENGINE = re.compile(
    rf"every [1-9]\d* (minutes?|mins?|hours?|days)( synchronized| from {_TIME} to {_TIME})?"
    rf"|(every|{_list(_NTH)}) {_list(_DAY)}( of {_list(_MONTH)})?( {_TIME})?"
    rf"|{_list(_NTH)} of {_list(_MONTH)}( {_TIME})?"
)


def is_app_engine_schedule(text: str) -> bool:
    """Whether this is a schedule in App Engine's words: ``every 24 hours``, ``1st,3rd monday of month 15:30``."""
    return bool(_APP_ENGINE.fullmatch(text.strip().lower()))


@resource_policy(
    *("cloudscheduler.Job", "dataform.RepositoryWorkflowConfig", "dataform.RepositoryReleaseConfig"),
    source="https://cloud.google.com/scheduler/docs/configuring/cron-job-schedules",
)
def cron_lines(job: Resource) -> Iterator[str]:
    """A schedule is a cron line of five fields, each possible."""
    for line in (*job.at("schedule"), *job.at("cronSchedule")):
        if not is_cron(line) and not is_app_engine_schedule(line):
            yield f"the schedule is {line!r}: write a cron line of five fields, such as '0 5 * * *'"


@resource_policy(
    *("cloudscheduler.Job", "dataform.RepositoryWorkflowConfig", "dataform.RepositoryReleaseConfig"),
    source="https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs#Job.FIELDS.time_zone",
)
def time_zones(job: Resource) -> Iterator[str]:
    """A time zone is one of the tz database's."""
    for zone in job.at("timeZone"):
        if not is_time_zone(zone):
            yield f"timeZone is {zone!r}: write a name such as Europe/Berlin or Etc/UTC"


def _is_whole_minutes(text: str) -> bool:
    return _DURATION(text) and float(text[:-1]) % 60 == 0


def _is_absence(text: str) -> bool:
    """Silence is watched for two minutes at least, and for 23.5 hours at most."""
    return _is_whole_minutes(text) and 120 <= float(text[:-1]) <= 84600


_CONDITIONS = ("conditionThreshold", "conditionMonitoringQueryLanguage", "conditionPrometheusQueryLanguage")
_DURATIONS = (
    *(
        Form(
            "monitoring.AlertPolicy", f"conditions.{each}.duration", _is_whole_minutes, _WHOLE_MINUTES, _CONDITION
        )
        for each in _CONDITIONS
    ),
    Form(
        "monitoring.AlertPolicy",
        "conditions.conditionAbsent.duration",
        _is_absence,
        "write whole minutes in seconds, 120s to 84600s",
        _CONDITION,
    ),
    *(
        Form(
            "monitoring.AlertPolicy",
            f"conditions.{each}.alignmentPeriod",
            _is_whole_minutes,
            _WHOLE_MINUTES,
            _CONDITION,
        )
        for each in (
            "conditionThreshold.aggregations",
            "conditionThreshold.denominatorAggregations",
            "conditionAbsent.aggregations",
        )
    ),
    *(
        Form(kind, path, _DURATION, _SECONDS, _API)
        for kind, path in (
            ("monitoring.AlertPolicy", "alertStrategy.autoClose"),
            ("monitoring.AlertPolicy", "alertStrategy.notificationRateLimit.period"),
            ("datastream.Stream", "destinationConfig.bigqueryDestinationConfig.dataFreshness"),
            ("cloudscheduler.Job", "attemptDeadline"),
            ("cloudscheduler.Job", "retryConfig.maxRetryDuration"),
            ("cloudscheduler.Job", "retryConfig.minBackoffDuration"),
            ("cloudscheduler.Job", "retryConfig.maxBackoffDuration"),
            ("cloudrunv2.Job", "template.template.timeout"),
            ("cloudrunv2.Service", "template.timeout"),
            ("cloudtasks.Queue", "retryConfig.maxRetryDuration"),
            ("cloudtasks.Queue", "retryConfig.minBackoff"),
            ("cloudtasks.Queue", "retryConfig.maxBackoff"),
            ("kms.CryptoKey", "rotationPeriod"),
            ("kms.CryptoKey", "destroyScheduledDuration"),
            ("pubsub.Subscription", "expirationPolicy.ttl"),
            ("pubsub.Subscription", "messageRetentionDuration"),
            ("pubsub.Subscription", "retryPolicy.maximumBackoff"),
            ("pubsub.Subscription", "retryPolicy.minimumBackoff"),
            ("pubsub.Topic", "messageRetentionDuration"),
            ("secretmanager.Secret", "rotation.rotationPeriod"),
            ("secretmanager.Secret", "ttl"),
            ("secretmanager.Secret", "versionDestroyTtl"),
        )
    ),
)


@resource_policy(*kinds(*_DURATIONS), source=_API)
def durations(resource: Resource) -> Iterator[str]:
    """A duration is in seconds, with an s; of an alert in whole minutes."""
    yield from broken(resource, *_DURATIONS)
