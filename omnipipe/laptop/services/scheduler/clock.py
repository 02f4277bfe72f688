"""Cloud Scheduler's clock: at each job's cron line it calls the job's HTTP target."""

from __future__ import annotations

import base64
import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import requests
from croniter import croniter

from omnipipe.laptop import platform_log
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.iam.tokens import CLOUD_PLATFORM
from omnipipe.laptop.kind import location
from omnipipe.laptop.services.scheduler.resources import SCHEDULE

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource

log = logging.getLogger("scheduler")


def due(job: Resource, since: datetime, until: datetime) -> bool:
    """Whether a job's cron line names a moment in (since, until], in its own time zone."""
    if job.inputs.get("paused"):
        return False
    zone = ZoneInfo(job.inputs.get("timeZone") or "Etc/UTC")
    upcoming = croniter(job.inputs["schedule"], since.astimezone(zone)).get_next(datetime)
    return upcoming <= until


def call(cloud: Cloud, endpoints: Mapping[str, str], job: Resource) -> str | None:
    """Call a job's target, with its headers, body and its service account's token; returns why that failed, or None.

    ``endpoints`` says for Google's hosts who answers for them here.
    """
    target = job.inputs["httpTarget"]
    parts = urlsplit(target["uri"])
    url = endpoints.get(parts.netloc, f"{parts.scheme}://{parts.netloc}") + parts.path
    url += f"?{parts.query}" if parts.query else ""
    headers = dict(target.get("headers") or {})
    # An access token is for Google's APIs, an identity token for one address:
    # https://cloud.google.com/scheduler/docs/http-target-auth
    if token := target.get("oauthToken"):
        access = cloud.tokens.issue(token["serviceAccountEmail"], token.get("scope") or CLOUD_PLATFORM)
        headers["Authorization"] = f"Bearer {access}"
    elif token := target.get("oidcToken"):
        identity = cloud.tokens.issue(token["serviceAccountEmail"], token.get("audience") or target["uri"])
        headers["Authorization"] = f"Bearer {identity}"
    body = base64.b64decode(target.get("body") or "")
    try:
        answer = requests.request(target.get("httpMethod", "POST"), url, headers=headers, data=body, timeout=180)
        failure = None if answer.ok else f"HTTP status {answer.status_code}"
    except requests.RequestException as error:
        failure = f"no answer: {error}"
    log.log(
        logging.ERROR if failure else logging.INFO,
        "%s: %s: %s",
        job.inputs["name"],
        target["uri"],
        failure or "ok",
    )
    _log_attempt(cloud, job, failure)
    return failure


def _log_attempt(cloud: Cloud, job: Resource, failure: str | None) -> None:
    """Log what Cloud Scheduler logs of an attempt."""
    platform_log.write(
        cloud.home,
        "cloud_scheduler_job",
        {
            "project_id": cloud.project,
            "location": location(cloud, job),
            "job_id": job.inputs["name"],
        },
        "ERROR" if failure else "INFO",
        {
            "@type": "type.googleapis.com/google.cloud.scheduler.logging.AttemptFinished",
            "jobName": job.id,
            "targetType": "HTTP",
            "url": job.inputs["httpTarget"]["uri"],
            "debugInfo": failure or "",
        },
    )


def run(cloud: Cloud, endpoints: Callable[[], Mapping[str, str]], stop: threading.Event) -> None:
    """Look at the clock each second until ``stop``. What was missed while nothing ran is not made up for."""
    last = datetime.fromtimestamp(time.time(), ZoneInfo("UTC"))
    while not stop.wait(1):
        now = datetime.fromtimestamp(time.time(), ZoneInfo("UTC"))
        try:
            cloud.registry.refresh()
        except (LaptopError, OSError) as error:  # the clock goes on with what it knows
            log.error("the schedules cannot be read: %s", error)
        for job in cloud.registry.of_type(SCHEDULE):
            if due(job, last, now):
                threading.Thread(target=call, args=(cloud, endpoints(), job), daemon=True).start()
        last = now
