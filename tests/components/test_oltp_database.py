"""The operational database: private, without an administrator's password, kept or not as a stack says."""

import dataclasses

import pulumi
import pytest

from components.network import Network
from components.oltp_database import OltpDatabase, OltpDatabaseArgs
from components.place import Place
from components.workload import Workload, WorkloadArgs
from tests.components.mocks import Recorder, record

PLACE = Place("shop-prod", "europe-west1")


def database(*, preview: bool = False, **changes: object) -> Recorder:
    """A database with an administrator and somebody who only looks."""

    def program() -> None:
        network = Network("network", PLACE)
        args = OltpDatabaseArgs(
            place=PLACE,
            network_id=network.network_id,
            subnet_id=network.subnet_id,
            tier="db-f1-micro",
            availability="ZONAL",
            protect=False,
            backups=False,
            database="shop",
        )
        made = OltpDatabase("shop", dataclasses.replace(args, **changes))
        made.let_in(
            Workload("migrate-job", WorkloadArgs(place=PLACE, physical_name="migrate-job", purpose="Migrates")),
            administrator=True,
        )
        made.let_in(Workload("probe-job", WorkloadArgs(place=PLACE, physical_name="probe-job", purpose="Looks")))
        pulumi.export("certificate", made.ca_certificate)

    return record(program, preview=preview)


def test_it_is_private_and_takes_iam_users_and_logical_decoding() -> None:
    settings = database().named("shop-instance").inputs["settings"]

    assert settings["ipConfiguration"]["ipv4Enabled"] is False
    assert settings["ipConfiguration"]["pscConfigs"] == [
        {"pscEnabled": True, "allowedConsumerProjects": ["shop-prod"]}
    ]
    flags = {flag["name"]: flag["value"] for flag in settings["databaseFlags"]}
    assert flags == {"cloudsql.logical_decoding": "on", "cloudsql.iam_authentication": "on"}


def test_connections_are_encrypted_and_its_certificate_is_told() -> None:
    program = database()

    assert program.named("shop-instance").inputs["settings"]["ipConfiguration"]["sslMode"] == "ENCRYPTED_ONLY"
    assert program.exports["certificate"] == "certificates/shop-instance"


def test_the_instance_has_no_name_of_its_own_because_a_deleted_one_is_taken_for_a_week() -> None:
    assert "name" not in database().named("shop-instance").inputs


@pytest.mark.parametrize(("protect", "backups"), [(False, False), (True, True), (False, True)])
def test_data_is_kept_where_the_stack_says_and_has_backups_until_it_goes(protect: bool, backups: bool) -> None:
    made = database(protect=protect, backups=backups).named("shop-instance")
    settings = made.inputs["settings"]

    assert made.protect is made.inputs["deletionProtection"] is settings["deletionProtectionEnabled"] is protect
    kept = settings["backupConfiguration"]
    assert kept["enabled"] is kept["pointInTimeRecoveryEnabled"] is backups


@pytest.mark.parametrize(("stopped", "policy"), [(False, "ALWAYS"), (True, "NEVER")])
def test_it_runs_unless_it_is_to_be_stopped(stopped: bool, policy: str) -> None:
    assert database(stopped=stopped).named("shop-instance").inputs["settings"]["activationPolicy"] == policy


def test_a_workload_logs_in_as_an_iam_user_without_a_password() -> None:
    program = database()
    (migrate, probe) = (program.named(f"shop-{who}-job").inputs for who in ("migrate", "probe"))

    assert migrate == {
        "project": "shop-prod",
        "instance": "shop-instance",
        "type": "CLOUD_IAM_SERVICE_ACCOUNT",
        "name": "migrate-job@shop-prod.iam",
        "databaseRoles": ["cloudsqlsuperuser"],
        "deletionPolicy": "ABANDON",
    }
    assert "databaseRoles" not in probe


def test_no_user_has_a_password_because_the_api_would_make_it_an_administrator() -> None:
    users = database().of("sql.User")

    assert {user.inputs["type"] for user in users} == {"CLOUD_IAM_SERVICE_ACCOUNT"}
    assert not any("password" in user.inputs for user in users)


def test_a_workload_may_log_in_to_this_instance_and_no_other() -> None:
    grants = [grant.inputs for grant in database().of("projects.IAMMember")]

    assert {grant["role"] for grant in grants} == {"roles/cloudsql.instanceUser"}
    assert {grant["member"] for grant in grants} == {
        f"serviceAccount:{who}-job@shop-prod.iam.gserviceaccount.com" for who in ("migrate", "probe")
    }
    # Known before the instance is there, so that the grant counts when it is.
    for grant in grants:
        prefix = "projects/shop-prod/instances/shop-instance"
        assert grant["condition"]["expression"] == f'resource.name.startsWith("{prefix}")'


def test_a_key_of_ones_own_encrypts_it() -> None:
    assert "encryptionKeyName" not in database().named("shop-instance").inputs
    assert database(kms_key="keys/k").named("shop-instance").inputs["encryptionKeyName"] == "keys/k"


def test_a_preview_knows_no_address_yet() -> None:
    assert database(preview=True).named("shop-migrate-job")


def test_an_availability_that_cloud_sql_does_not_have_is_told() -> None:
    with pytest.raises(ValueError, match="availability is 'BOTH': choose ZONAL or REGIONAL"):
        database(availability="BOTH")


def test_a_standby_takes_backups() -> None:
    with pytest.raises(ValueError, match=r"availability is REGIONAL, .* only with backups .* set backups"):
        database(availability="REGIONAL", backups=False)
    backups = database(availability="REGIONAL", backups=True).named("shop-instance").inputs["settings"]
    assert backups["backupConfiguration"]["pointInTimeRecoveryEnabled"] is True


def test_logins_and_the_database_go_with_the_instance() -> None:
    program = database()

    inside = [*program.of("sql.Database"), *program.of("sql.User")]
    assert {resource.inputs["deletionPolicy"] for resource in inside} == {"ABANDON"}


def test_another_instance_gets_another_endpoint_at_the_same_address() -> None:
    endpoint = database().named("shop-endpoint")

    assert endpoint.replace_on_changes == ("target",)
    assert endpoint.delete_before_replace
