"""Cloud SQL's flags, databases and users, on a real PostgreSQL of its own."""

from typing import Any

import psycopg
import pytest

from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.deployment import Deployment
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.home import Home
from tests.laptop.conftest import PROJECT

INSTANCE, DATABASE, USER = (
    "gcp:sql/databaseInstance:DatabaseInstance",
    "gcp:sql/database:Database",
    "gcp:sql/user:User",
)
FIRST = "first"


class Oltp:
    """An instance with a database and a login, registered anew at each `up`."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def up(self, flags: dict[str, str], password: str = FIRST, **inputs: Any) -> dict[str, Any]:
        """Register all three; the instance's outputs."""
        cloud = Cloud(self._home, PROJECT, "europe-west1")
        settings = {"databaseFlags": [{"name": name, "value": value} for name, value in flags.items()]}
        given = {"settings": settings, "deletionProtection": False} | inputs
        deployment = Deployment(cloud)
        _, outputs = deployment.register(INSTANCE, "oltp", given, False)
        deployment.register(DATABASE, "mobility", {"instance": outputs["name"], "name": "mobility"}, False)
        user = {"instance": outputs["name"], "name": "app", "password": password}
        deployment.register(USER, "app", user, False)
        return outputs


def connect(outputs: dict[str, Any], password: str) -> psycopg.Connection:
    host = outputs["pscServiceAttachmentLink"]
    return psycopg.connect(host=host, dbname="mobility", user="app", password=password, autocommit=True)


def setting(connection: psycopg.Connection, name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return row[0]


def test_an_instance_follows_its_flags_and_keeps_its_data(cloud: Cloud) -> None:
    oltp = Oltp(cloud.home)
    first = oltp.up({})
    with connect(first, FIRST) as connection:
        assert setting(connection, "wal_level") == "replica"  # as on Cloud SQL, until it is asked for
        assert setting(connection, "is_superuser") == "off"
        connection.execute("CREATE TABLE kept (n int)")

    second = oltp.up({"cloudsql.logical_decoding": "on", "max_connections": "42"}, password="second")
    with connect(second, "second") as connection:
        assert (setting(connection, "wal_level"), setting(connection, "max_connections")) == ("logical", "42")
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(second, FIRST)

    pid = cloud.processes.running()["postgres-oltp"].pid
    oltp.up({"cloudsql.logical_decoding": "on", "max_connections": "42"}, password="second")
    assert cloud.processes.running()["postgres-oltp"].pid == pid


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        ({"wal_level": "logical"}, "no database flag 'wal_level'"),
        ({"cloudsql.logical_decodng": "on"}, "no database flag 'cloudsql.logical_decodng'"),
        ({"cloudsql.logical_decoding": "yes"}, "takes on or off, not 'yes'"),
    ],
)
def test_a_flag_that_cloud_sql_does_not_have_is_refused(
    cloud: Cloud, flags: dict[str, str], complaint: str
) -> None:
    with pytest.raises(LaptopError, match=f"sql.DatabaseInstance oltp: .*{complaint}"):
        Oltp(cloud.home).up(flags)
    assert cloud.processes.running() == {}


def test_a_flag_that_postgres_does_not_have_is_told_in_its_words(cloud: Cloud) -> None:
    with pytest.raises(LaptopError, match="max_conections"):
        Oltp(cloud.home).up({"max_conections": "42"})


def test_an_instance_that_is_protected_stays(cloud: Cloud) -> None:
    oltp = Oltp(cloud.home)
    oltp.up({}, deletionProtection=True)
    with pytest.raises(LaptopError, match="the database instance oltp is protected from deletion"):
        Deployment(Cloud(cloud.home, PROJECT, "europe-west1")).take_down_unregistered()
    assert "postgres-oltp" in cloud.processes.running()

    with pytest.raises(LaptopError, match="the instance oltp cannot become other with its data"):
        oltp.up({}, name="other")

    oltp.up({}, deletionProtection=False)
    Deployment(Cloud(cloud.home, PROJECT, "europe-west1")).take_down_unregistered()
    assert cloud.processes.running() == {}


def test_a_database_of_an_instance_that_is_not_registered_is_told(cloud: Cloud) -> None:
    with pytest.raises(LaptopError, match="'oltp-instance' is not a DatabaseInstance that the program registered"):
        Deployment(cloud).register(DATABASE, "mobility", {"instance": "oltp-instance", "name": "mobility"}, False)
