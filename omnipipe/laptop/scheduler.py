"""Cloud Scheduler's clock: at each job's cron line it calls the job's HTTP target."""

from __future__ import annotations

import base64
import logging
import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import requests
from croniter import croniter

from omnipipe.laptop.monitoring import platform_log
from omnipipe.laptop.services.scheduler import SCHEDULE

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.iam.tokens import Tokens
    from omnipipe.laptop.registry import Resource

log = logging.getLogger("scheduler")


def due(job: Resource, since: datetime, until: datetime) -> bool:
    """Whether a job's cron line names a moment in (since, until], in its own time zone."""
    if job.inputs.get("paused"):
        return False
    zone = ZoneInfo(job.inputs.get("timeZone") or "Etc/UTC")
    upcoming = croniter(job.inputs["schedule"], since.astimezone(zone)).get_next(datetime)
    return upcoming <= until


def call(cloud: Cloud, tokens: Tokens, job: Resource) -> None:
    """Call a job's target, with its headers, body and its service account's token."""
    target = job.inputs["httpTarget"]
    parts = urlsplit(target["uri"])
    url = cloud.endpoints().get(parts.netloc, f"{parts.scheme}://{parts.netloc}") + parts.path
    url += f"?{parts.query}" if parts.query else ""
    headers = dict(target.get("headers") or {})
    token = target.get("oauthToken") or target.get("oidcToken")
    if token:
        audience = token.get("audience") or token.get("scope") or target["uri"]
        headers["Authorization"] = f"Bearer {tokens.issue(token['serviceAccountEmail'], audience)}"
    body = base64.b64decode(target.get("body") or "")
    try:
        answer = requests.request(target.get("httpMethod", "POST"), url, headers=headers, data=body, timeout=180)
        log.info("%s: %s answered %s", job.inputs["name"], target["uri"], answer.status_code)
        _log_attempt(cloud, job, answer.status_code)
    except requests.RequestException as error:
        log.error("%s: %s did not answer: %s", job.inputs["name"], target["uri"], error)
        _log_attempt(cloud, job, None)


def _log_attempt(cloud: Cloud, job: Resource, status: int | None) -> None:
    """Log what Cloud Scheduler logs of an attempt, with the HTTP status, or None when nobody answered."""
    succeeded = status is not None and status < 300
    platform_log.write(
        cloud.home,
        "cloud_scheduler_job",
        {"project_id": cloud.project, "location": cloud.region, "job_id": job.inputs["name"]},
        "INFO" if succeeded else "ERROR",
        {
            "@type": "type.googleapis.com/google.cloud.scheduler.logging.AttemptFinished",
            "jobName": job.id,
            "targetType": "HTTP",
            "url": job.inputs["httpTarget"]["uri"],
            "debugInfo": "" if succeeded else f"HTTP status {status}" if status else "no answer",
        },
    )


def run(cloud: Cloud, tokens: Tokens, stop: threading.Event) -> None:
    """Look at the clock each second until ``stop``. What was missed while nothing ran is not made up for."""
    last = datetime.fromtimestamp(time.time(), ZoneInfo("UTC"))
    while not stop.wait(1):
        now = datetime.fromtimestamp(time.time(), ZoneInfo("UTC"))
        cloud.registry.refresh()
        for job in cloud.registry.of_type(SCHEDULE):
            if due(job, last, now):
                threading.Thread(target=call, args=(cloud, tokens, job), daemon=True).start()
        last = now
