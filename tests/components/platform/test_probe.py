"""The probe's job, its schedule, and what it may see."""

import base64

import pytest

from components.code_store import CodeStore, CodeStoreArgs
from components.monitoring import MonitoringArgs
from components.network import Network
from components.oltp_database import OltpDatabase, OltpDatabaseArgs
from components.place import Place
from components.platform.probe import INTERVAL_S, Probe, ProbeArgs
from components.warehouse import Warehouse, WarehouseArgs
from omnipipe.contracts.tables import DATASETS, DECLARED_TABLES
from tests.components.mocks import Recorder, record

PLACE = Place("shop-prod", "europe-west1")


def program(*, paused: bool = False, delivers: bool = True) -> None:
    network = Network("network", PLACE)
    tables = WarehouseArgs(place=PLACE, location="EU", protect=False, datasets=DATASETS, tables=DECLARED_TABLES)
    database = OltpDatabase(
        "oltp",
        OltpDatabaseArgs(
            place=PLACE,
            network_id=network.network_id,
            subnet_id=network.subnet_id,
            tier="db-f1-micro",
            availability="ZONAL",
            protect=False,
            backups=False,
            database="mobility",
        ),
    )
    args = ProbeArgs(
        place=PLACE,
        code=CodeStore("code", CodeStoreArgs(place=PLACE)),
        network=network,
        warehouse=Warehouse("warehouse", tables),
        database=database,
        bigquery_location="EU",
        pipeline="daily",
        delivers=delivers,
        paused=paused,
    )
    Probe("probe", args)


@pytest.fixture(scope="module")
def made() -> Recorder:
    return record(program)


def test_it_sees_the_metadata_of_raw_and_no_row_of_it(made: Recorder) -> None:
    grants = {
        (grant.inputs["datasetId"], grant.inputs.get("tableId"), grant.inputs["role"])
        for kind in ("bigquery.DatasetIamMember", "bigquery.IamMember")
        for grant in made.of(kind)
    }
    viewer = "roles/bigquery.dataViewer"
    assert grants == {
        ("raw", None, "roles/bigquery.metadataViewer"),
        ("analysis", None, viewer),
        *(
            ("ops", table, viewer)
            for table in (
                "pipeline_runs",
                "validation_results",
                "dead_letters",
                "reverse_sync_state",
                "reverse_sync_deliveries",
            )
        ),
    }


def test_its_password_is_a_token_so_it_has_no_secret(made: Recorder) -> None:
    (container,) = made.named("probe-measure-job").inputs["template"]["template"]["containers"]
    variables = {entry["name"]: entry["value"] for entry in container["envs"]}
    assert variables == {
        "GOOGLE_CLOUD_PROJECT": "shop-prod",
        "BIGQUERY_LOCATION": "EU",
        "PIPELINE": "daily",
        "DELIVERS": "true",
        "PGHOST": "10.20.0.5",
        "PGPORT": "5432",
        "PGDATABASE": "mobility",
        "PGUSER": "probe-job@shop-prod.iam",
    }
    assert not made.of("secretmanager.SecretIamMember")
    (user,) = made.of("sql.User")
    assert (user.inputs["name"], user.inputs["type"]) == ("probe-job@shop-prod.iam", "CLOUD_IAM_SERVICE_ACCOUNT")
    assert "databaseRoles" not in user.inputs
    assert user.name in made.named("probe-measure-job").dependencies


def test_without_a_destination_no_backlog_is_measured() -> None:
    made = record(lambda: program(delivers=False))
    (container,) = made.named("probe-measure-job").inputs["template"]["template"]["containers"]
    assert {"name": "DELIVERS", "value": "false"} in container["envs"]


def test_the_schedule_starts_it_through_cloud_runs_api_as_often_as_silence_is_counted(made: Recorder) -> None:
    schedule = made.named("probe-schedule-job").inputs
    assert schedule["schedule"] == "*/15 * * * *"
    assert MonitoringArgs.probe_interval_s == INTERVAL_S == 15 * 60
    target = schedule["httpTarget"]
    assert target["uri"] == "https://run.googleapis.com/v2/id/probe-measure-job:run"
    assert base64.b64decode(target["body"]) == b"{}"
    assert target["oauthToken"]["serviceAccountEmail"].startswith("probe-schedule@")
    (runner,) = made.of("cloudrunv2.JobIamMember")
    assert (runner.inputs["role"], runner.inputs["member"].split("@")[0]) == (
        "roles/run.jobsExecutor",
        "serviceAccount:probe-schedule",
    )


def test_it_pauses_with_the_pipeline() -> None:
    assert record(lambda: program(paused=True)).named("probe-schedule-job").inputs["paused"] is True
