"""What the program asks for, in each stack."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pulumi
import pytest

from components.platform import platform
from components.platform.sources import ROOT
from omnipipe.contracts.tables import DATASETS, DECLARED_TABLES
from tests.components.conftest import Recorder, deploy_with

Deploy = Callable[[str], Recorder]
STACKS = ("dev", "prod")


@pytest.mark.parametrize("stack", STACKS)
def test_every_declared_table_and_dataset_is_there_and_datastreams_are_not(deploy: Deploy, stack: str) -> None:
    program = deploy(stack)

    assert {table.inputs["datasetId"] for table in program.of("bigquery.Dataset")} == set(DATASETS)
    tables = {f"{t.inputs['datasetId']}.{t.inputs['tableId']}" for t in program.of("bigquery.Table")}
    assert tables == {table.id for table in DECLARED_TABLES}
    assert "raw.public_trips" not in tables


@pytest.mark.parametrize("stack", [*STACKS, "everything"])
def test_a_table_says_itself_what_it_would_take_from_its_dataset(deploy: Deploy, stack: str) -> None:
    """Google gives a new table its dataset's defaults, and the provider replaces a table that said nothing of them."""
    program = deploy(stack)
    datasets = {dataset.inputs["datasetId"]: dataset.inputs for dataset in program.of("bigquery.Dataset")}
    for table in program.of("bigquery.Table"):
        defaults = {key for key in datasets[table.inputs["datasetId"]] if key.startswith("default")}
        assert defaults <= {"defaultEncryptionConfiguration"}, "say here where a table says the same"
        assert table.inputs.get("encryptionConfiguration") == datasets[table.inputs["datasetId"]].get(
            "defaultEncryptionConfiguration"
        )
    encrypted = [table for table in program.of("bigquery.Table") if "encryptionConfiguration" in table.inputs]
    assert len(encrypted) == (len(DECLARED_TABLES) if stack == "everything" else 0)


@pytest.mark.parametrize("stack", STACKS)
def test_each_workload_has_an_identity_of_its_own(deploy: Deploy, stack: str) -> None:
    program = deploy(stack)
    identities = [
        f.inputs["serviceConfig"]["serviceAccountEmail"] for f in program.of("cloudfunctionsv2.Function")
    ]
    identities += [job.inputs["template"]["template"]["serviceAccount"] for job in program.of("cloudrunv2.Job")]
    identities += [w.inputs["serviceAccount"] for w in program.of("workflows.Workflow")]
    identities += [
        s.inputs["httpTarget"]["oauthToken"]["serviceAccountEmail"] for s in program.of("cloudscheduler.Job")
    ]

    assert len(identities) == len(set(identities)) == (11 if stack == "dev" else 10)


@pytest.mark.parametrize("stack", STACKS)
def test_the_stream_comes_after_migrate_and_reads_what_migrate_makes(deploy: Deploy, stack: str) -> None:
    program = deploy(stack)
    order = [resource.name for resource in program.resources]
    assert (
        order.index("omnipipe-capture-migrate-job")
        < order.index("omnipipe-capture-cdc-source")
        < order.index("omnipipe-capture-cdc-stream")
    )
    assert order.index("omnipipe-capture-oltp-endpoint") < order.index("omnipipe-capture-migrate-job")

    migrate = program.named("omnipipe-capture-migrate-job").inputs
    variables = {e["name"]: e.get("value") for e in migrate["template"]["template"]["containers"][0]["envs"]}
    source = program.named("omnipipe-capture-cdc-stream").inputs["sourceConfig"]["postgresqlSourceConfig"]
    profile = program.named("omnipipe-capture-cdc-source").inputs["postgresqlProfile"]
    assert migrate["runExecutionToken"]
    assert (source["publication"], source["replicationSlot"]) == (variables["PUBLICATION"], variables["SLOT"])
    assert (profile["hostname"], profile["username"]) == (variables["PGHOST"], variables["REPLICATION_USER"])


@pytest.mark.parametrize("stack", STACKS)
def test_what_depends_on_the_database_follows_a_new_instance(deploy: Deploy, stack: str) -> None:
    program = deploy(stack)

    instance = program.named("omnipipe-capture-oltp-instance").outputs["name"]
    assert program.named("omnipipe-capture-cdc-stream").replacement_trigger == f"omnipipe-{stack}:{instance}"
    assert program.named("omnipipe-capture-oltp-endpoint").replace_on_changes == ("target",)
    assert (
        "omnipipe-capture-oltp-instance"
        in program.named("omnipipe-capture-migrate-job").property_dependencies["runExecutionToken"]
    )


def test_prod_keeps_its_data_and_dev_may_go(deploy: Deploy) -> None:
    def protected(stack: str) -> set[bool]:
        program = deploy(stack)
        return {
            r.inputs["deletionProtection"]
            for r in program.of("sql.DatabaseInstance") + program.of("bigquery.Table")
        }

    assert protected("prod") == {True}
    assert protected("dev") == {False}
    settings = deploy("prod").named("omnipipe-capture-oltp-instance").inputs["settings"]
    assert settings["backupConfiguration"] == {"enabled": True, "pointInTimeRecoveryEnabled": True}


@pytest.mark.parametrize("stack", STACKS)
def test_the_database_has_no_public_address_and_decodes_its_log(deploy: Deploy, stack: str) -> None:
    settings = deploy(stack).named("omnipipe-capture-oltp-instance").inputs["settings"]

    assert settings["ipConfiguration"]["ipv4Enabled"] is False
    assert {"name": "cloudsql.logical_decoding", "value": "on"} in settings["databaseFlags"]


@pytest.mark.parametrize("stack", STACKS)
def test_the_stream_talks_to_this_database_encrypted(deploy: Deploy, stack: str) -> None:
    program = deploy(stack)
    settings = program.named("omnipipe-capture-oltp-instance").inputs["settings"]
    source = program.named("omnipipe-capture-cdc-source")

    assert settings["ipConfiguration"]["sslMode"] == "ENCRYPTED_ONLY"
    assert source.inputs["postgresqlProfile"]["sslConfig"] == {
        "serverVerification": {"caCertificate": "certificates/omnipipe-capture-oltp-instance"}
    }
    assert "omnipipe-capture-oltp-instance" in source.property_dependencies["postgresqlProfile"]


@pytest.mark.parametrize("stack", STACKS)
def test_no_secret_stands_in_an_environment_in_clear(deploy: Deploy, stack: str) -> None:
    program = deploy(stack)
    for job in program.of("cloudrunv2.Job"):
        for entry in job.inputs["template"]["template"]["containers"][0]["envs"]:
            assert "generated" not in str(entry.get("value"))
    for function in program.of("cloudfunctionsv2.Function"):
        assert "generated" not in str(function.inputs["serviceConfig"]["environmentVariables"])


@pytest.mark.parametrize("stack", STACKS)
def test_jobs_run_images_by_digest(deploy: Deploy, stack: str) -> None:
    for job in deploy(stack).of("cloudrunv2.Job"):
        assert "@sha256:" in job.inputs["template"]["template"]["containers"][0]["image"]


def test_checks_that_are_wrong_end_the_program_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In words, one mistake a line: as `pulumi up` and `omnipipe up` print them."""
    folder = ROOT / "jobs" / "dvt" / "checks"
    declared = tmp_path / "jobs" / "dvt" / "checks"
    shutil.copytree(folder, declared)
    text = (declared / "kpis.yml").read_text()
    (declared / "kpis.yml").write_text(
        text.replace("column: revenue", "column: the revenue").replace("warn", "warm")
    )
    monkeypatch.setattr(platform, "ROOT", tmp_path)
    monkeypatch.setattr(platform, "CHECKS", declared)

    with pytest.raises(pulumi.RunError) as refused:
        deploy_with("dev", {})

    first, *others = str(refused.value).splitlines()
    assert first == "the checks in jobs/dvt/checks do not fit:"
    (line,) = (number for number, text in enumerate(text.splitlines(), 1) if "id: kpis_revenue" in text)
    assert f"kpis.yml:{line}: check kpis_revenue: column is 'the revenue': write a column's name" in others[2]
    assert len(others) == 3
