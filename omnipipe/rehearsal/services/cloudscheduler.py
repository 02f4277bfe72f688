"""Cloud Scheduler. https://cloud.google.com/scheduler/docs/reference/rest"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter

from omnipipe.rehearsal import identities, standard
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused
from omnipipe.rehearsal.service import Service
from omnipipe.rehearsal.store import Record

service = Service(
    "cloudscheduler",
    missing={"": "Job not found."},
    duplicate={"": "Job {name} already exists."},
    defaults={"jobs": {"timeZone": "Etc/UTC"}},
)

# https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs#RetryConfig. Filled into what was
# sent: the provider's own tests on Google have jobs without it, which then differ in nothing.
_RETRY = {
    "maxRetryDuration": "0s",
    "minBackoffDuration": "5s",
    "maxBackoffDuration": "3600s",
    "maxDoublings": 5,
}


@service.checks("jobs")
def check(call: Call, body: dict[str, Any]) -> None:
    """A cron line and a zone that exist; a target; an account that does."""
    schedule, zone = body.get("schedule", ""), body.get("timeZone") or "Etc/UTC"
    if not croniter.is_valid(schedule) and not schedule.startswith("every "):
        raise Refused(400, f"Schedule or time zone is invalid: {schedule!r}")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Refused(400, f"Schedule or time zone is invalid: {zone!r}") from error
    targets = [key for key in ("httpTarget", "pubsubTarget", "appEngineHttpTarget") if body.get(key)]
    if len(targets) != 1:
        raise Refused(400, "A job must have exactly one target.")
    http = body.get("httpTarget") or {}
    for kind in ("oauthToken", "oidcToken"):
        email = (http.get(kind) or {}).get("serviceAccountEmail", "")
        if email and not identities.exists(call, email):
            # https://cloud.google.com/scheduler/docs/http-target-auth
            message = (
                'The principal (user or service account) lacks IAM permission "iam.serviceAccounts.actAs" for the '
                f'resource "{email}" (or the resource may not exist).'
            )
            raise Refused(403, message)


@service.follows("jobs")
def job(call: Call, record: Record) -> None:
    """Enabled from the start; what it calls is POST, and its token's scope or audience is told."""
    body = record.body
    body.setdefault("state", "ENABLED")
    if "retryConfig" in body:
        body["retryConfig"] = _RETRY | body["retryConfig"]
    body["userUpdateTime"] = call.plane.clock.timestamp()
    if croniter.is_valid(body["schedule"]):
        now = datetime.now(ZoneInfo(body["timeZone"]))
        following = croniter(body["schedule"], now).get_next(datetime)
        body["scheduleTime"] = following.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ")
    http = body.get("httpTarget")
    if http:
        body.setdefault("attemptDeadline", "180s")
        http.setdefault("httpMethod", "POST")
        http.setdefault("headers", {}).setdefault("User-Agent", "Google-Cloud-Scheduler")
        if token := http.get("oauthToken"):
            token.setdefault("scope", "https://www.googleapis.com/auth/cloud-platform")
        if token := http.get("oidcToken"):
            token.setdefault("audience", http["uri"])


@service.answers("jobs.pause", "jobs.resume", "jobs.run")
def switch(call: Call) -> dict[str, Any]:
    """Pause, resume, or run at once."""
    record = call.record()
    if call.method.verb != "run":
        record.body["state"] = {"pause": "PAUSED", "resume": "ENABLED"}[call.method.verb]
    return standard.shown(call, record)
