"""Something that happens at certain times."""

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pulumi
import pulumi_gcp as gcp
from croniter import croniter

from components.checks import require
from components.place import Place

# Numbers, names, lists, ranges and steps; croniter also knows L, W, # and ?, which are of other crons.
# https://cloud.google.com/scheduler/docs/configuring/cron-job-schedules
_CRON_FIELD = re.compile(r"([0-9*,/-]|[A-Za-z]{3})+")


@dataclass(frozen=True, kw_only=True)
class ScheduleArgs:
    """What a ``Schedule`` needs.

    ``physical_name`` is the scheduler job's; ``cron`` is a line of five fields in ``time_zone`` (a name such as
    Europe/Berlin); ``uri`` is an address of a Google API, to which ``body`` is posted as JSON by ``caller``, the e-mail
    address of an account whose right to do so is among ``depends_on``.

    Raises ValueError for an impossible cron line or time zone: Google refuses both only when they are deployed.
    """

    place: Place
    physical_name: str
    description: str
    cron: str
    time_zone: str
    paused: bool
    caller: pulumi.Input[str]
    uri: pulumi.Input[str]
    body: dict[str, Any]
    depends_on: Sequence[pulumi.Resource]

    def __post_init__(self) -> None:
        require(
            (
                is_cron(self.cron),
                f"the schedule is {self.cron!r}: write a cron line of five fields, such as '0 5 * * *'",
            ),
            (
                is_time_zone(self.time_zone),
                f"the time zone is {self.time_zone!r}: write a name such as Europe/Berlin or Etc/UTC",
            ),
        )


class Schedule(pulumi.ComponentResource):
    """A Cloud Scheduler job that calls a Google API with the token of a workload of its own.

    Creates the scheduler job; grants nothing.

    Example::

        from components.place import Place
        from components.schedule import Schedule, ScheduleArgs
        from components.workload import Workload, WorkloadArgs

        place = Place("my-project", "europe-west1")
        clock = Workload(
            "clock",
            WorkloadArgs(place=place, physical_name="nightly-clock", purpose="Starts the workflow nightly"),
        )
        Schedule(
            "nightly",
            ScheduleArgs(
                place=place,
                physical_name="nightly",
                description="Starts the workflow nightly.",
                cron="0 3 * * *",
                time_zone="Europe/Berlin",
                paused=False,
                caller=clock.email,
                uri="https://workflowexecutions.googleapis.com/v1/projects/my-project/locations/europe-west1/"
                "workflows/nightly/executions",
                body={"argument": "{}"},
                depends_on=[clock.grant_project("roles/workflows.invoker")],
            ),
        )
    """

    def __init__(self, name: str, args: ScheduleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:Schedule", name, {}, opts)
        gcp.cloudscheduler.Job(
            f"{name}-job",
            project=args.place.project,
            region=args.place.region,
            name=args.physical_name,
            description=args.description,
            schedule=args.cron,
            time_zone=args.time_zone,
            paused=args.paused,
            attempt_deadline="180s",
            retry_config={"retry_count": 3},
            http_target={
                "http_method": "POST",
                "uri": args.uri,
                "headers": {"Content-Type": "application/json"},
                "body": base64.b64encode(json.dumps(args.body).encode()).decode(),
                "oauth_token": {"service_account_email": args.caller},
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.depends_on)),
        )
        self.register_outputs({})


def is_cron(line: str) -> bool:
    """Whether Cloud Scheduler takes a line: five fields, each possible."""
    fields = line.split()
    return len(fields) == 5 and all(map(_CRON_FIELD.fullmatch, fields)) and croniter.is_valid(line)


def is_time_zone(name: str) -> bool:
    """Whether there is a time zone of a name."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return False
    return True
