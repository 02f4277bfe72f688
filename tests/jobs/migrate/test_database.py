"""The job's login as an IAM user, with an access token for its password."""

from datetime import UTC, datetime, timedelta

import pytest

from omnipipe.laptop.services.artifacts.image import Image
from tests.jobs.migrate.database import MIGRATOR, PASSWORDS, REPLICATION, Database
from tests.jobs.unencrypted import server_without_tls

REFUSED = f'authentication failed for user \\"{MIGRATOR}\\"'


def test_it_logs_in_with_a_token_and_nothing_else_is_a_password(database: Database, image: Image) -> None:
    code, output = database.migrate(image, PGPASSWORD="something else")
    assert code == 0, output
    (attributes,) = database.rows(
        "SELECT rolcreaterole, rolcreatedb, rolreplication, rolsuper, rolvaliduntil < now() + interval '61 minutes'"
        " FROM pg_roles WHERE rolname = %s",
        parameters=(MIGRATOR,),
    )
    assert attributes == (False, False, False, False, True)


def test_a_login_that_is_refused_says_what_it_takes(database: Database, impatient: Image) -> None:
    database.identities.admits = False
    code, output = database.migrate(impatient)
    assert code == 1
    assert REFUSED in output
    for need in (
        "an IAM user of the instance",
        "roles/cloudsql.instanceUser",
        "cloudsql.iam_authentication=on",
        "without .gserviceaccount.com",
    ):
        assert need in output


def test_an_expired_token_is_refused(database: Database, impatient: Image) -> None:
    assert database.migrate(impatient)[0] == 0
    database.identities.admits = False  # the token that it gets once more is in force until now
    database.server.let_in(MIGRATOR, database.identities.token, datetime.now(UTC) - timedelta(seconds=1))
    code, output = database.migrate(impatient)
    assert code == 1
    assert REFUSED in output


@pytest.mark.parametrize("name", [f"{MIGRATOR}.gserviceaccount.com", "another-job@omnipipe-test.iam"])
def test_a_name_that_is_no_iam_user_of_the_instance_is_refused(
    database: Database, impatient: Image, name: str
) -> None:
    code, output = database.migrate(impatient, PGUSER=name)
    assert code == 1
    assert f"PGUSER is {name}" in output


def test_a_refused_password_is_not_about_iam(database: Database, impatient: Image) -> None:
    assert database.migrate(impatient)[0] == 0
    database.rows("ALTER ROLE datastream VALID UNTIL '2000-01-01'")
    code, output = database.migrate(impatient)
    database.rows("ALTER ROLE datastream VALID UNTIL 'infinity'")
    assert code == 1
    assert REPLICATION in output
    assert "PGUSER" not in output
    assert PASSWORDS[REPLICATION] not in output


def test_without_a_metadata_server_it_says_that_there_is_no_token(database: Database, impatient: Image) -> None:
    nowhere = "127.0.0.1:9"
    code, output = database.migrate(
        impatient, GCE_METADATA_HOST=nowhere, GCE_METADATA_IP=nowhere, GCE_METADATA_TIMEOUT="1"
    )
    assert code == 1
    assert "Google gives no access token to log in with" in output


def test_a_server_without_tls_hears_neither_a_name_nor_a_token(database: Database, impatient: Image) -> None:
    with server_without_tls() as server:
        code, output = database.migrate(impatient, PGHOST="127.0.0.1", PGPORT=str(server.port), PGSSLMODE="prefer")
    assert code == 1
    assert "server does not support SSL, but SSL was required" in output
    assert server.asked
    assert server.heard == b""
