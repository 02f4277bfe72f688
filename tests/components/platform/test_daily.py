"""The steps of a day: each with its own identity, told and allowed what it needs, called by the workflow alone."""

import base64
import json
import re
from functools import cache
from typing import Any, cast

import pytest
import yaml

from components import packaging
from components.code_store import CodeStore, CodeStoreArgs
from components.network import Network
from components.pii_policy import PiiPolicy, PiiPolicyArgs
from components.place import Place
from components.platform.args import PlatformArgs
from components.platform.capture import Capture, CaptureArgs
from components.platform.daily import daily_steps
from components.platform.pipeline import Pipeline, PipelineArgs, StepArgs
from components.platform.sources import ROOT, SOURCES
from components.platform.workflow_source import workflow_source
from components.quota_provider import quota_provider
from components.secrets import Secrets, SecretsArgs
from components.warehouse import Warehouse, WarehouseArgs
from omnipipe.contracts.pipelines import DAILY
from omnipipe.contracts.tables import DATASETS, DECLARED_TABLES
from tests.components.conftest import deploy_with
from tests.components.mocks import UNKNOWN, Recorder, record

SOURCE = workflow_source(DAILY)
PLACE = Place("shop-prod", "europe-west1")
FUNCTIONS = {step.service: step.folder for step in DAILY.steps if step.kind == "function"}
JOBS = {step.service: step.folder for step in DAILY.steps if step.kind == "job"}


@cache
def pipeline(*, preview: bool = False, private: bool = False) -> Recorder:
    settings = PlatformArgs(
        place=PLACE,
        owner="shop",
        bigquery_location="EU",
        database_tier="db-f1-micro",
        database_availability="ZONAL",
        protect_data=True,
        removal=False,
        customer_managed_keys=False,
        schedule="0 5 * * *",
        time_zone="Europe/Berlin",
        schedule_paused=True,
        resting=False,
        weather_api_url="https://weather.example.com",
        webhook_url="https://shop.example.com/hook",
        webhook_allow_private=private,
        webhook_keys=("1",),
        pii_readers=(),
        pii_masked_readers=(),
        alert_emails=(),
        runbooks_url="https://example.com/runbooks",
        billing_account="",
        monthly_budget=0,
        github_repository_id="",
        github_owner_id="",
        github_environment="",
        settles_within=120,
        simulated_business=False,
    )

    def program() -> None:
        tables = WarehouseArgs(place=PLACE, location="EU", protect=True, datasets=DATASETS, tables=DECLARED_TABLES)
        network, code = Network("network", PLACE), CodeStore("code", CodeStoreArgs(place=PLACE))
        secrets, warehouse = Secrets("secrets", SecretsArgs(place=PLACE)), Warehouse("warehouse", tables)
        capture = CaptureArgs(
            place=PLACE,
            network=network,
            secrets=secrets,
            code=code,
            warehouse=warehouse,
            tier="db-f1-micro",
            availability="ZONAL",
            protect=True,
            backups=True,
        )
        tags = PiiPolicyArgs(
            place=PLACE,
            physical_name="pii",
            provider=quota_provider("quota", PLACE),
            location="EU",
            protect=True,
        )
        pii = PiiPolicy("pii", tags)
        args = PipelineArgs(
            place=PLACE,
            declared=DAILY,
            code=code,
            warehouse=warehouse,
            pii=pii,
            bigquery_location="EU",
            time_zone="Europe/Berlin",
            paused=True,
            steps=daily_steps(
                settings, capture=Capture("capture", capture), network=network, pii=pii, secrets=secrets
            ),
        )
        Pipeline("daily", args)

    return record(program, preview=preview)


def environment(step: str) -> dict[str, Any]:
    """The variables of a step that are no secrets."""
    if step in FUNCTIONS:
        return pipeline().named(f"daily-{step}-function").inputs["serviceConfig"]["environmentVariables"]
    component = "capture" if step == "migrate" else "daily"
    (container,) = pipeline().named(f"{component}-{step}-job").inputs["template"]["template"]["containers"]
    return {entry["name"]: entry["value"] for entry in container["envs"] if "value" in entry}


def source_of_step(name: str) -> dict[str, Any]:
    """The one call of a step's sub-workflow in the source of the workflow."""
    (call,) = yaml.safe_load(SOURCE)[name]["steps"][0].values()
    return call["try"]


def test_the_workflow_gets_every_address_that_its_source_asks_for() -> None:
    given = pipeline().named("daily-run-workflow").inputs["userEnvVars"]

    assert given == {
        "BIGQUERY_LOCATION": "EU",
        "CAPTURE_JOB": "id/daily-capture-job",
        "WEATHER_FUNCTION_URL": "https://weather.example.run.app",
        "DBT_JOB": "id/daily-dbt-job",
        "VALIDATE_JOB": "id/daily-validate-job",
        "REVERSE_SYNC_FUNCTION_URL": "https://reverse-sync.example.run.app",
    }
    asked = set(re.findall(r'sys\.get_env\("(\w+)"\)', SOURCE))
    assert {name for name in asked if not name.startswith("GOOGLE_CLOUD_")} == set(given)


def test_the_workflow_waits_for_each_step_as_long_as_the_step_may_take() -> None:
    program = pipeline()

    for name in FUNCTIONS:
        longest = program.named(f"daily-{name}-function").inputs["serviceConfig"]["timeoutSeconds"]
        assert source_of_step("run_function")["args"]["timeout"] > longest
    for name in JOBS:
        template = program.named(f"daily-{name}-job").inputs["template"]["template"]
        longest = int(template["timeout"].removesuffix("s")) * (1 + template["maxRetries"])
        # Without the parameter a connector gives up after 1800 s, and the job runs on.
        assert source_of_step("run_job")["args"]["connector_params"]["timeout"] > longest


def test_each_step_is_told_what_its_code_asks_for() -> None:
    assert environment("weather") == {
        "BIGQUERY_LOCATION": "EU",
        "WEATHER_API_URL": "https://weather.example.com",
    }
    assert environment("reverse-sync") == {
        "BIGQUERY_LOCATION": "EU",
        "WEBHOOK_URL": "https://shop.example.com/hook",
        "WEBHOOK_ALLOW_PRIVATE": "false",
    }
    assert environment("dbt") == {
        "BIGQUERY_LOCATION": "EU",
        "GOOGLE_CLOUD_PROJECT": "shop-prod",
        "PII_POLICY_TAG_HIGH": "id/pii-high",
    }
    database = {
        "BIGQUERY_LOCATION": "EU",
        "GOOGLE_CLOUD_PROJECT": "shop-prod",
        "PGHOST": environment("migrate")["PGHOST"],
        "PGPORT": "5432",
        "PGDATABASE": "mobility",
        "SLOT": "omnipipe",
        "CAPTURED_WITHIN_S": "900",
    }
    assert environment("capture") == database | {
        "PGUSER": "capture-job@shop-prod.iam",
        "STREAM": "id/capture-cdc-stream",
    }
    assert environment("validate") == database | {
        "PGUSER": "validate-job@shop-prod.iam",
        "WRITTEN_WITHIN_S": "120",
    }

    asked = {
        name
        for file in (ROOT / "dbt").rglob("*.yml")
        if not {"target", "dbt_packages"} & set(file.parts)
        for name in re.findall(r"env_var\('(\w+)'\)", file.read_text())
    }
    assert asked <= set(environment("dbt"))


def test_what_fails_in_the_same_way_again_is_not_tried_again() -> None:
    jobs = {
        name: pipeline().named(f"daily-{name}-job").inputs["template"]["template"]["maxRetries"] for name in JOBS
    }
    assert jobs == {"capture": 0, "dbt": 0, "validate": 0}


def test_the_jobs_that_ask_the_database_are_in_its_network() -> None:
    inside = {
        name: "vpcAccess" in pipeline().named(f"daily-{name}-job").inputs["template"]["template"] for name in JOBS
    }
    assert inside == {"capture": True, "dbt": False, "validate": True}


@pytest.mark.parametrize("private", [False, True])
def test_reverse_sync_is_told_whether_its_receiver_may_be_in_a_private_network(private: bool) -> None:
    service = pipeline(private=private).named("daily-reverse-sync-function").inputs["serviceConfig"]
    assert service["environmentVariables"]["WEBHOOK_ALLOW_PRIVATE"] == str(private).lower()


@pytest.mark.parametrize(("name", "folder"), FUNCTIONS.items())
def test_a_function_is_built_from_its_folder_and_its_entry_point_is_there(name: str, folder: str) -> None:
    program = pipeline()

    package = packaging.package_function(ROOT / "functions" / folder, SOURCES)
    assert program.named(f"daily-{name}-source").inputs["name"].endswith(f"{name}-{package.digest}.zip")
    entry_point = program.named(f"daily-{name}-function").inputs["buildConfig"]["entryPoint"]
    assert f"\ndef {entry_point}(" in (ROOT / "functions" / folder / "main.py").read_text()


@pytest.mark.parametrize(("name", "folder"), JOBS.items())
def test_a_job_is_built_from_its_folder(name: str, folder: str) -> None:
    dockerfile = pipeline().named(f"daily-{name}-image").inputs["dockerfile"]["location"]

    assert dockerfile == packaging.from_the_program(ROOT / "jobs" / folder / "Dockerfile")


def test_the_signing_key_is_read_by_reverse_sync_alone() -> None:
    program = pipeline()

    service = program.named("daily-reverse-sync-function").inputs["serviceConfig"]
    assert service["secretEnvironmentVariables"] == [
        {"key": "WEBHOOK_SECRET", "projectId": "shop-prod", "secret": "webhook-secret", "version": "1"}
    ]
    (access,) = (
        each for each in program.of("secretmanager.SecretIamMember") if each.inputs["secretId"] == "webhook-secret"
    )
    assert access.inputs["member"] == "serviceAccount:reverse-sync-function@shop-prod.iam.gserviceaccount.com"
    # The stream's connection is given the password of its user.
    told = ("secretmanager.SecretVersion", "datastream.ConnectionProfile")
    assert "generated" not in str([r.inputs for r in program.resources if r.kind not in told])


def test_the_workflow_alone_calls_the_steps_and_names_the_day_to_the_jobs() -> None:
    program = pipeline()
    caller = {"serviceAccount:daily-workflow@shop-prod.iam.gserviceaccount.com"}

    functions, jobs = program.of("cloudrunv2.ServiceIamMember"), program.of("cloudrunv2.JobIamMember")
    assert {grant.inputs["name"] for grant in functions} == set(FUNCTIONS)
    assert {grant.inputs["name"] for grant in jobs} == set(JOBS)
    assert {grant.inputs["member"] for grant in functions + jobs} == caller
    assert {grant.inputs["role"] for grant in jobs} == {"roles/run.jobsExecutorWithOverrides"}


def grants(step: str) -> dict[str, set[str]]:
    """What a step's identity may do with data: role -> datasets and tables."""
    found: dict[str, set[str]] = {}
    for grant in pipeline().of("bigquery.DatasetIamMember") + pipeline().of("bigquery.IamMember"):
        if grant.inputs["member"].startswith(f"serviceAccount:{step}@"):
            target = ".".join(grant.inputs[key] for key in ("datasetId", "tableId") if key in grant.inputs)
            found.setdefault(grant.inputs["role"].removeprefix("roles/bigquery."), set()).add(target)
    return found


STEPS = [f"{step.service}-{step.kind}" for step in DAILY.steps]


@pytest.mark.parametrize("step", STEPS)
def test_each_step_writes_its_own_row_and_nothing_else_of_the_runs(step: str) -> None:
    written = grants(step)["dataEditor"]

    assert "ops.step_runs" in written
    # Who could write the whole dataset could also write that a run has succeeded.
    runs = {"ops.pipeline_runs", "ops.pipeline_leases"}
    assert not written & {"ops", *runs}
    assert grants("daily-workflow") == {"dataEditor": runs}


def test_the_vault_and_the_salts_in_it_are_for_dbt_alone() -> None:
    assert "vault" in grants("dbt-job")["dataEditor"]
    for who in {*STEPS, "daily-workflow"} - {"dbt-job"}:
        assert not [target for targets in grants(who).values() for target in targets if target.startswith("vault")]


def test_nobody_but_dbt_writes_what_dbt_makes_and_the_sources_tables_are_written_by_no_step() -> None:
    written = {step: grants(step)["dataEditor"] for step in STEPS}

    assert {"staging", "prod", "analysis"} <= written["dbt-job"]
    assert grants("dbt-job")["dataViewer"] == {"raw"}
    for step in set(STEPS) - {"dbt-job"}:
        assert not {target.partition(".")[0] for target in written[step]} & {"staging", "prod", "analysis"}
    assert {target for targets in written.values() for target in targets if target.startswith("raw")} == {
        "raw.weather"
    }


def test_who_needs_them_reads_tagged_columns_and_dbt_alone_tags_them() -> None:
    program = pipeline()

    readers = program.of("datacatalog.PolicyTagIamMember")
    assert {(g.inputs["policyTag"], g.inputs["member"].split("@")[0]) for g in readers} == {
        ("id/pii-high", "serviceAccount:dbt-job"),
        ("id/pii-high", "serviceAccount:validate-job"),
    }
    (tagger,) = (
        g for g in program.of("projects.IAMMember") if g.inputs["role"] == "projects/shop-prod/roles/pii_tagger"
    )
    assert tagger.inputs["member"].startswith("serviceAccount:dbt-job@")


def test_it_starts_when_it_is_declared_to_where_the_stack_does_not_say_otherwise() -> None:
    clock = pipeline().named("daily-run-schedule-job").inputs

    assert (clock["schedule"], clock["timeZone"], clock["paused"]) == ("0 5 * * *", "Europe/Berlin", True)


def test_the_clock_says_who_it_is_in_words_that_the_source_reads() -> None:
    body = json.loads(base64.b64decode(pipeline().named("daily-run-schedule-job").inputs["httpTarget"]["body"]))

    argument = json.loads(body["argument"])
    assert argument == {"started_by": "schedule"}
    assert argument.keys() <= set(re.findall(r"input\.(\w+)", SOURCE))


def test_the_workflow_is_exposed_and_what_is_not_known_in_a_preview_is_unknown() -> None:
    assert pipeline().exposed["daily"]["workflow"] == "id/daily-run-workflow"

    preview = pipeline(preview=True)
    assert len(preview.resources) == len(pipeline().resources)
    told = preview.named("daily-run-workflow").inputs["userEnvVars"]
    assert {name for name, value in told.items() if value == UNKNOWN} == told.keys() - {"BIGQUERY_LOCATION"}
    assert preview.named("daily-run-workflow").property_dependencies["userEnvVars"] == {
        "daily-capture-job",
        "daily-weather-function",
        "daily-dbt-job",
        "daily-validate-job",
        "daily-reverse-sync-function",
    }


def test_what_is_told_to_a_step_that_is_not_declared_or_cannot_take_it_is_refused() -> None:
    def program() -> None:
        unused = cast(Any, None)
        PipelineArgs(
            place=PLACE,
            declared=DAILY,
            code=unused,
            warehouse=unused,
            pii=unused,
            bigquery_location="EU",
            time_zone="Etc/UTC",
            paused=True,
            steps={"wether": StepArgs(), "weather": StepArgs(network=Network("network", PLACE))},
        )

    with pytest.raises(
        ValueError, match="daily declares no step 'wether'; weather is a function: only a job takes"
    ):
        record(program)


def test_a_stack_may_have_a_schedule_of_its_own() -> None:
    program = deploy_with("dev", {"omnipipe:schedule": "30 4 * * MON"})
    assert program.named("omnipipe-daily-run-schedule-job").inputs["schedule"] == "30 4 * * MON"
