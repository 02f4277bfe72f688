"""The settings of a stack: what dev and prod may differ in. Pulumi.yaml describes each and has the defaults."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import pulumi

from components.place import Place
from components.platform import PlatformArgs


@dataclass(frozen=True, kw_only=True)
class Settings(PlatformArgs):
    """What the platform takes, as Pulumi.STACK.yaml says."""

    def __post_init__(self) -> None:
        problems = []
        if self.database_availability not in ("ZONAL", "REGIONAL"):
            problems.append(f"databaseAvailability is {self.database_availability!r}: choose ZONAL or REGIONAL")
        if len(self.schedule.split()) != 5:
            problems.append(
                f"schedule is {self.schedule!r}: write a cron line of five fields, such as '0 5 * * *'"
            )
        for key, url in (("weatherApiUrl", self.weather_api_url), ("webhookUrl", self.webhook_url)):
            if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
                problems.append(f"{key} is {url!r}: write a whole address, such as https://example.com/hook")
        if problems:
            raise ValueError("the stack's settings do not fit: " + "; ".join(problems))

    @staticmethod
    def load() -> "Settings":
        """Read the settings of the stack that is being deployed.

        Raises ValueError with all problems at once, and pulumi.ConfigMissingError for a missing key.
        """
        gcp, own = pulumi.Config("gcp"), pulumi.Config("omnipipe")
        return Settings(
            place=Place(gcp.require("project"), gcp.require("region")),
            bigquery_location=own.require("bigqueryLocation"),
            database_tier=own.require("databaseTier"),
            database_availability=own.require("databaseAvailability"),
            protect_data=own.require_bool("protectData"),
            schedule=own.require("schedule"),
            time_zone=own.require("timeZone"),
            schedule_paused=own.require_bool("schedulePaused"),
            weather_api_url=own.require("weatherApiUrl"),
            webhook_url=own.require("webhookUrl"),
        )
