"""Settings are checked together, with every problem at once."""

import dataclasses

import pytest

from components.place import Place
from stacks.settings import Settings

GOOD = Settings(
    place=Place("some-project", "europe-west1"),
    bigquery_location="EU",
    database_tier="db-f1-micro",
    database_availability="ZONAL",
    protect_data=True,
    schedule="0 5 * * *",
    time_zone="Etc/UTC",
    schedule_paused=False,
    weather_api_url="https://api.open-meteo.com",
    webhook_url="https://hooks.example.com/x",
)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(
        ValueError, match=r"databaseAvailability is 'BOTH'.*schedule is 'daily'.*webhookUrl is 'hooks'"
    ):
        dataclasses.replace(GOOD, database_availability="BOTH", schedule="daily", webhook_url="hooks")
