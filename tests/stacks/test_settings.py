"""Settings are read with their types and checked together, with every problem at once."""

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.runtime import mocks, set_all_config

from components.place import Place
from components.platform.args import PlatformArgs
from omnipipe.laptop.home import PROJECT_ROOT
from omnipipe.laptop.project import Project
from stacks.settings import Settings, setting_name

STACKS = ("dev", "prod")
GOOD = Settings(
    stack="prod",
    place=Place("some-project", "europe-west1"),
    owner="data-platform",
    bigquery_location="EU",
    database_tier="db-f1-micro",
    database_availability="ZONAL",
    protect_data=True,
    removal=False,
    customer_managed_keys=False,
    schedule="0 5 * * *",
    time_zone="Etc/UTC",
    schedule_paused=False,
    resting=False,
    weather_api_url="https://api.open-meteo.com",
    webhook_url="https://hooks.example.com/x",
    webhook_allow_private=False,
    webhook_keys=("1",),
    pii_readers=("group:analysts@example.com",),
    pii_masked_readers=(),
    alert_emails=("ops@example.com",),
    runbooks_url="https://example.com/runbooks",
    billing_account="012345-6789AB-CDEF01",
    monthly_budget=100,
    github_repository_id="123",
    github_owner_id="456",
    github_environment="prod",
    settles_within=120,
    simulated_business=False,
)


@pytest.fixture(autouse=True)
def _config() -> Iterator[None]:
    yield
    set_all_config({})


def load(stack: str, **changes: str | None) -> Settings:
    """The settings of a stack's files, with some values changed, or taken away by None."""
    config: dict[str, Any] = dict(Project.load(PROJECT_ROOT, stack).config)
    for key, value in changes.items():
        full = key.replace("__", ":") if "__" in key else f"omnipipe:{key}"
        config.pop(full, None)
        if value is not None:
            config[full] = value
    mocks.set_mocks(_NoResources(), project="omnipipe", stack=stack)
    set_all_config(config)
    return Settings.load()


class _NoResources(pulumi.runtime.Mocks):
    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        raise AssertionError("settings register nothing")

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError("settings ask nobody")


@pytest.mark.parametrize("stack", STACKS)
def test_the_files_of_a_stack_give_its_settings(stack: str) -> None:
    settings = load(stack)

    assert settings.place.project == f"omnipipe-{stack}"
    assert settings.protect_data is (stack == "prod")
    assert settings.pii_readers == ()
    assert isinstance(settings.monthly_budget, int)


def test_each_setting_is_declared_with_its_type_and_nothing_else_is() -> None:
    declared = yaml.safe_load((PROJECT_ROOT / "Pulumi.yaml").read_text())["config"]
    types: dict[Any, str] = {str: "string", bool: "boolean", int: "integer", tuple[str, ...]: "array"}
    fields = {
        setting_name(field.name): types[field.type]
        for field in dataclasses.fields(PlatformArgs)
        if field.name != "place"
    }

    assert {key: setting["type"] for key, setting in declared.items()} == fields


def test_what_is_missing_of_another_type_and_against_a_rule_is_told_at_once() -> None:
    with pytest.raises(ValueError, match="do not fit") as refused:
        load(
            "prod",
            owner=None,
            gcp__region="europe",
            protectData="false",
            monthlyBudget="much",
            piiReaders='"everybody"',
            schedule="daily",
        )
    for words in (
        "owner is not set",
        "region is 'europe'",
        "prod needs its data protected",
        "monthlyBudget is 'much': it takes a whole number",
        "piiReaders is '\"everybody\"': it takes a list",
        "schedule is 'daily'",
    ):
        assert words in str(refused.value)


def test_a_missing_project_is_told_with_the_command_that_sets_it() -> None:
    with pytest.raises(ValueError, match=r"gcp:project is not set: pulumi config set gcp:project") as refused:
        load("dev", gcp__project=None)
    assert "gcp:region" not in str(refused.value)  # which is


def test_a_switch_that_is_neither_on_nor_off_is_told() -> None:
    with pytest.raises(ValueError, match="protectData is 'maybe': it takes true or false"):
        load("dev", protectData="maybe")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bigquery_location": "US"}, "bigqueryLocation US and the region europe-west1 disagree"),
        ({"bigquery_location": "europe-west3"}, "bigqueryLocation europe-west3 and the region"),
        ({"database_tier": "db-n1-standard-1"}, "databaseTier is 'db-n1-standard-1'"),
        ({"database_tier": "db-custom-3-11520"}, "databaseTier"),
        ({"database_tier": "db-custom-2-7000"}, "databaseTier"),
        ({"database_tier": "db-custom-1-2048"}, "databaseTier"),
        ({"database_tier": "db-custom-8-7168"}, "databaseTier"),  # 922 for each CPU is more
        ({"database_tier": "db-custom-1-6912"}, "databaseTier"),
        ({"database_tier": "db-custom-98-131072"}, "databaseTier"),
        ({"database_availability": "BOTH"}, "choose ZONAL or REGIONAL"),
        (
            {"stack": "dev", "database_availability": "REGIONAL", "protect_data": False},
            "databaseAvailability is REGIONAL, which Cloud SQL takes only with backups",
        ),
        ({"protect_data": False}, "prod needs its data protected"),
        ({"resting": True}, "resting is true: a stack that protects its data serves somebody"),
        ({"schedule": "0 25 * * *"}, "schedule is"),
        ({"schedule": "0 5 * * * *"}, "schedule is"),
        ({"time_zone": "Berlin"}, "timeZone is 'Berlin'"),
        ({"weather_api_url": "api.open-meteo.com"}, "weatherApiUrl is"),
        ({"webhook_url": "hooks"}, "webhookUrl is 'hooks'"),
        ({"webhook_url": "https:/hooks.example.com"}, "webhookUrl is 'https:/hooks.example.com'"),
        ({"webhook_url": "//hooks.example.com"}, "webhookUrl is '//hooks.example.com'"),
        ({"webhook_url": "ftp://hooks.example.com"}, "webhookUrl is 'ftp://hooks.example.com'"),
        ({"runbooks_url": ""}, "runbooksUrl is ''"),
        ({"pii_readers": ("analysts@example.com",)}, "piiReaders is"),
        ({"pii_masked_readers": ("all",)}, "piiMaskedReaders is"),
        ({"simulated_business": True}, "simulatedBusiness would write invented customers into prod's database"),
        ({"webhook_keys": ()}, "webhookKeys is (): name at least one key"),
        ({"webhook_keys": ("a", "a")}, "webhookKeys is ('a', 'a')"),
        ({"webhook_keys": ("Key 1",)}, "webhookKeys is ('Key 1',)"),
        ({"alert_emails": ("ops",)}, "alertEmails is"),
        ({"alert_emails": ()}, "prod needs somebody who hears its alerts"),
        ({"billing_account": "mine"}, "billingAccount is 'mine'"),
        ({"monthly_budget": 0}, "monthlyBudget is 0"),
        ({"owner": "Data Platform"}, "owner is 'Data Platform', and becomes a label: take lower-case letters"),
        ({"stack": "Dev"}, "the stack's name is 'Dev', and becomes a label"),
        ({"github_repository_id": "me/omnipipe"}, "githubRepositoryId 'me/omnipipe'"),
        ({"github_owner_id": ""}, "githubRepositoryId '123' and githubOwnerId ''"),
        ({"github_environment": "the prod"}, "githubEnvironment is 'the prod'"),
        ({"github_environment": ""}, "prod is deployed only by runs that GitHub let into an environment"),
    ],
)
def test_a_rule_says_what_to_do(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        dataclasses.replace(GOOD, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"bigquery_location": "europe-west1"},
        {"bigquery_location": "US", "place": Place("some-project", "us-central1")},
        {"database_tier": "db-custom-4-26624"},
        {"database_tier": "db-custom-1-3840"},
        {"database_tier": "db-custom-1-6656"},
        {"database_tier": "db-custom-8-7424"},
        {"database_tier": "db-custom-96-131072"},
        {"stack": "dev", "protect_data": False, "alert_emails": ()},
        {"billing_account": "", "monthly_budget": 0},
        {"webhook_keys": ("2026-12", "1")},
        {"webhook_url": ""},
        {"stack": "dev", "simulated_business": True},
        {"github_repository_id": "", "github_owner_id": ""},
        {"github_repository_id": "", "github_owner_id": "", "github_environment": ""},
        {"stack": "dev", "github_environment": ""},
    ],
)
def test_what_fits_is_taken(changes: dict[str, Any]) -> None:
    dataclasses.replace(GOOD, **changes)
