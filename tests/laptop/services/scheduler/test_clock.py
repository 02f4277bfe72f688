"""The clock: when a job is due, and what it calls."""

import base64
import json
import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from flask import Flask, request

from omnipipe.laptop.cloud import GOOGLE, Cloud
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.scheduler import clock as scheduler
from omnipipe.laptop.services.scheduler.resources import SCHEDULE
from tests.laptop.conftest import PROJECT, serving

ACCOUNT = f"daily-schedule@{PROJECT}.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
EXECUTIONS = f"/v1/projects/{PROJECT}/locations/europe-west1/workflows/daily/executions"


def job(schedule: str = "0 5 * * *", **inputs: Any) -> Resource:
    return Resource(SCHEDULE, "daily-schedule", {"name": "daily", "schedule": schedule, **inputs})


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "until", "is_due"),
    [
        ("2026-06-01T04:59:59", "2026-06-01T05:00:00", True),  # at the moment itself
        ("2026-06-01T05:00:00", "2026-06-01T05:00:01", False),  # and not a second time
        ("2026-06-01T04:59:58", "2026-06-01T04:59:59", False),
        ("2026-06-01T04:59:59.900", "2026-06-01T05:00:00.950", True),  # the clock is not looked at on the dot
        ("2026-06-01T05:00:00.950", "2026-06-01T05:00:01.990", False),
        ("2026-06-01T04:00:00", "2026-06-01T06:00:00", True),
    ],
)
def test_a_job_is_due_once_at_each_of_its_moments(since: str, until: str, is_due: bool) -> None:
    assert scheduler.due(job(), utc(since), utc(until)) is is_due


def moments(schedule: Resource, first: str, days: int) -> list[str]:
    """When a job is due, as a clock that looks each minute sees it."""
    found, at, end = [], utc(first), utc(first) + timedelta(days=days)
    while at < end:
        if scheduler.due(schedule, at - timedelta(minutes=1), at):
            found.append(at.strftime("%m-%d %H:%M"))
        at += timedelta(minutes=1)
    return found


@pytest.mark.parametrize(
    ("zone", "first", "expected"),
    [
        ("Etc/UTC", "2026-03-28", ["03-28 05:00", "03-29 05:00", "03-30 05:00"]),
        # The clocks of Berlin go forward on 29 March 2026 and back on 25 October.
        ("Europe/Berlin", "2026-03-28", ["03-28 04:00", "03-29 03:00", "03-30 03:00"]),
        ("Europe/Berlin", "2026-10-24", ["10-24 03:00", "10-25 04:00", "10-26 04:00"]),
        ("Asia/Kathmandu", "2026-03-28", ["03-28 23:15", "03-29 23:15", "03-30 23:15"]),
    ],
)
def test_a_cron_line_is_read_in_its_own_time_zone(zone: str, first: str, expected: list[str]) -> None:
    assert moments(job(timeZone=zone), first, 3) == expected


def test_a_paused_job_is_never_due() -> None:
    assert not scheduler.due(job("* * * * *", paused=True), utc("2026-06-01"), utc("2026-06-02"))


class Received:
    """A service that keeps the requests it gets."""

    def __init__(self, status: int = 200) -> None:
        self.requests: list[dict[str, Any]] = []
        self.app = Flask("received")

        @self.app.route("/", defaults={"path": ""}, methods=["GET", "POST"])
        @self.app.route("/<path:path>", methods=["GET", "POST"])
        def take(path: str) -> tuple[str, int]:
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            self.requests.append(
                {
                    "method": request.method,
                    "url": request.full_path.rstrip("?"),
                    "type": request.headers.get("Content-Type"),
                    "body": request.get_data(as_text=True),
                    "token": jwt.decode(token, options={"verify_signature": False}) if token else None,
                }
            )
            return "", status


def endpoints(cloud: Cloud) -> dict[str, str]:
    return {"workflowexecutions.googleapis.com": cloud.google}


def workflow_target() -> dict[str, Any]:
    body = json.dumps({"argument": "{}"}).encode()
    return {
        "httpMethod": "POST",
        "uri": f"https://workflowexecutions.googleapis.com{EXECUTIONS}",
        "headers": {"Content-Type": "application/json"},
        "body": base64.b64encode(body).decode(),
        "oauthToken": {"serviceAccountEmail": ACCOUNT, "scope": SCOPE},
    }


def test_googles_host_is_answered_here_and_the_call_says_who_asks(cloud: Cloud) -> None:
    google = Received()
    with serving(google.app, cloud.ports.of(GOOGLE)):
        scheduler.call(cloud, endpoints(cloud), job(httpTarget=workflow_target()))

    (got,) = google.requests
    assert (got["method"], got["url"], got["type"]) == ("POST", EXECUTIONS, "application/json")
    assert json.loads(got["body"]) == {"argument": "{}"}
    assert (got["token"]["sub"], got["token"]["aud"]) == (ACCOUNT, SCOPE)


def test_another_address_is_called_as_it_is_written(cloud: Cloud) -> None:
    service = Received()
    with serving(service.app) as url:
        oidc = {"serviceAccountEmail": ACCOUNT}
        target = {"uri": f"{url}/hook?day=today", "httpMethod": "GET", "oidcToken": oidc}
        scheduler.call(cloud, endpoints(cloud), job(httpTarget=target))

    (got,) = service.requests
    assert (got["method"], got["url"]) == ("GET", "/hook?day=today")
    assert got["token"]["aud"] == f"{url}/hook?day=today"


def test_a_target_that_does_not_answer_is_told_in_the_log(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        scheduler.call(cloud, endpoints(cloud), job(httpTarget=workflow_target()))

    assert [record.levelname for record in caplog.records if record.name == "scheduler"] == ["ERROR"]
    assert "daily: https://workflowexecutions.googleapis.com" in caplog.text


def test_the_clock_calls_what_is_due(cloud: Cloud) -> None:
    google, stop = Received(), threading.Event()
    with serving(google.app, cloud.ports.of(GOOGLE)):
        # A job that is registered while the clock runs; croniter's sixth field is the second.
        clock = threading.Thread(target=scheduler.run, args=(cloud, lambda: endpoints(cloud), stop))
        clock.start()
        cloud.registry.put(job("* * * * * *", httpTarget=workflow_target()))
        deadline = time.monotonic() + 10
        while len(google.requests) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        stop.set()
        clock.join(5)

    assert len(google.requests) >= 2
    assert not clock.is_alive()
