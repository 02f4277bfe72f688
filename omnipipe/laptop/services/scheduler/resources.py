"""Cloud Scheduler: the resource. The clock that reads it is in ``clock``."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.kind import Autonamed, Kind, location

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource

SCHEDULE = "gcp:cloudscheduler/job:Job"


class Schedule(Autonamed):
    """A cron line in a time zone, with an HTTP target."""

    effect = "a clock on the same cron line"
    different = "only while the laptop cloud is up"

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        inputs = resource.inputs
        if not croniter.is_valid(inputs["schedule"]):
            raise LaptopError(f"the schedule {inputs['name']} has an impossible cron line: {inputs['schedule']!r}")
        try:
            ZoneInfo(inputs.get("timeZone", "Etc/UTC"))
        except (ZoneInfoNotFoundError, ValueError):
            raise LaptopError(
                f"the schedule {inputs['name']}: there is no time zone {inputs['timeZone']!r}"
            ) from None
        resource.id = f"projects/{cloud.project}/locations/{location(cloud, resource)}/jobs/{inputs['name']}"
        resource.outputs = {**inputs, "state": "PAUSED" if inputs.get("paused") else "ENABLED"}

    def calls_as(self, resource: Resource) -> str | None:
        target = resource.inputs.get("httpTarget", {})
        token = target.get("oidcToken") or target.get("oauthToken") or {}
        return token.get("serviceAccountEmail")


KINDS: dict[str, Kind] = {SCHEDULE: Schedule()}
