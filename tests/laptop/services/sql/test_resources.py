"""Cloud SQL's flags, databases and users, on a real PostgreSQL of its own."""

from typing import Any

import psycopg
import pytest

from omnipipe.laptop import server
from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.deployment import Deployment
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.home import Home
from omnipipe.runtime.cloud_sql import LOGIN_SCOPE
from tests.laptop.conftest import PROJECT

pytestmark = pytest.mark.servers

ACCOUNT, GRANT = "gcp:serviceaccount/account:Account", "gcp:projects/iAMMember:IAMMember"
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


STOPPED: dict[str, Any] = {"settings": {"activationPolicy": "NEVER"}}


def test_a_stopped_instance_keeps_its_data_and_lets_nobody_in_until_it_is_started(cloud: Cloud) -> None:
    oltp = Oltp(cloud.home)
    with connect(oltp.up({}), FIRST) as connection:
        connection.execute("CREATE TABLE kept (n int)")

    stopped = oltp.up({}, **STOPPED)
    assert cloud.processes.running() == {}
    with pytest.raises(psycopg.OperationalError):
        connect(stopped, FIRST)
    with pytest.raises(LaptopError, match=r"sql\.User app: the instance oltp is stopped .* start it first"):
        oltp.up({}, password="second", **STOPPED)

    with connect(oltp.up({}, password="second"), "second") as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_nothing_can_be_made_in_an_instance_that_begins_stopped(cloud: Cloud) -> None:
    with pytest.raises(LaptopError, match=r"sql\.Database mobility: the instance oltp is stopped"):
        Oltp(cloud.home).up({}, **STOPPED)
    assert cloud.processes.running() == {}


def test_an_activation_policy_of_other_instances_is_refused(cloud: Cloud) -> None:
    with pytest.raises(LaptopError, match="activationPolicy is ON_DEMAND: choose ALWAYS or NEVER"):
        Oltp(cloud.home).up({}, settings={"activationPolicy": "ON_DEMAND"})


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        ({"wal_level": "logical"}, "no database flag 'wal_level'"),
        ({"cloudsql.logical_decodng": "on"}, "no database flag 'cloudsql.logical_decodng'"),
        ({"cloudsql.logical_decoding": "yes"}, "takes on or off, not 'yes'"),
        ({"cloudsql.iam_authentication": "yes"}, "takes on or off, not 'yes'"),
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


@pytest.mark.parametrize("mode", ["TRUSTED_CLIENT_CERTIFICATE_REQUIRED", "encrypted"])
def test_an_ssl_mode_that_a_unix_socket_cannot_have_is_refused_by_name(cloud: Cloud, mode: str) -> None:
    settings = {"ipConfiguration": {"sslMode": mode}}
    with pytest.raises(LaptopError, match=f"sql.DatabaseInstance oltp: sslMode is {mode}: .* or ENCRYPTED_ONLY"):
        Oltp(cloud.home).up({}, settings=settings)
    assert cloud.processes.running() == {}


def test_an_instance_that_is_protected_stays(cloud: Cloud) -> None:
    oltp = Oltp(cloud.home)
    oltp.up({}, deletionProtection=True)
    with pytest.raises(LaptopError, match="the database instance oltp is protected from deletion"):
        Deployment(Cloud(cloud.home, PROJECT, "europe-west1"), may_lose_data=True).take_down_unregistered()
    assert "postgres-oltp" in cloud.processes.running()

    with pytest.raises(LaptopError, match=r"sql\.DatabaseInstance oltp would be replaced, and its data lost"):
        oltp.up({}, name="other")

    oltp.up({}, deletionProtection=False)
    Deployment(Cloud(cloud.home, PROJECT, "europe-west1"), may_lose_data=True).take_down_unregistered()
    assert cloud.processes.running() == {}


def test_an_instance_and_a_database_go_by_googles_names_and_not_by_the_programs(cloud: Cloud) -> None:
    deployment = Deployment(cloud)
    inputs = {"name": "orders", "settings": {}, "deletionProtection": False}
    deployment.register(INSTANCE, "shop-oltp-instance", inputs, False)
    id_, _ = deployment.register(DATABASE, "shop-oltp-database", {"instance": "orders", "name": "mobility"}, False)

    assert list(cloud.processes.running()) == ["postgres-orders"]
    assert id_ == f"projects/{PROJECT}/instances/orders/databases/mobility"


def test_a_database_of_an_instance_that_is_not_registered_is_told(cloud: Cloud) -> None:
    with pytest.raises(LaptopError, match="'oltp-instance' is not a DatabaseInstance that the program registered"):
        Deployment(cloud).register(DATABASE, "mobility", {"instance": "oltp-instance", "name": "mobility"}, False)


EMAIL = f"migrate-job@{PROJECT}.iam.gserviceaccount.com"
LOGIN = f"migrate-job@{PROJECT}.iam"
IAM_ON = {"cloudsql.iam_authentication": "on"}
TOKEN = f"/metadata/{EMAIL}/computeMetadata/v1/instance/service-accounts/default/token"


class Login:
    """An instance that a service account may log in to, if all is as it should be."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.deployment = Deployment(cloud)
        self.deployment.register(ACCOUNT, "migrate-job", {"accountId": "migrate-job"}, False)

    def instance(self, flags: dict[str, str] = IAM_ON) -> None:
        """Make the instance."""
        settings = {"databaseFlags": [{"name": name, "value": value} for name, value in flags.items()]}
        inputs = {"settings": settings, "deletionProtection": False}
        _, outputs = self.deployment.register(INSTANCE, "oltp", inputs, False)
        self.host = outputs["pscServiceAttachmentLink"]

    def user(self, name: str = LOGIN, **inputs: Any) -> None:
        """Make it an IAM user."""
        given = {"instance": "oltp", "name": name, "type": "CLOUD_IAM_SERVICE_ACCOUNT"} | inputs
        self.deployment.register(USER, "migrate", given, False)

    def grant(
        self, named: str = f"projects/{PROJECT}/instances/oltp", role: str = "cloudsql.instanceUser"
    ) -> None:
        """Let it log in."""
        condition = {"title": "t", "expression": f'resource.name.startsWith("{named}")'}
        grant = {"project": PROJECT, "role": f"roles/{role}", "member": f"serviceAccount:{EMAIL}"}
        self.deployment.register(GRANT, "login", grant | {"condition": condition}, False)

    def whole(self) -> None:
        """All of it."""
        self.instance()
        self.user()
        self.grant()

    def token(self, scopes: str = LOGIN_SCOPE) -> str:
        """A token, from the metadata server."""
        client = server.application(self.cloud, server.apis(self.cloud)).test_client()
        return client.get(TOKEN, query_string={"scopes": scopes}).get_json()["access_token"]

    def connect(self, token: str) -> str:
        """Who the token logs in as."""
        address = {"host": self.host, "dbname": "postgres", "user": LOGIN, "sslmode": "require"}
        with psycopg.connect(**address, password=token) as connection:
            return connection.execute("SELECT current_user").fetchall()[0][0]

    def refused(self, token: str) -> str:
        """What the instance's log says of a login that is refused."""
        with pytest.raises(psycopg.OperationalError, match=f'authentication failed for user "{LOGIN}"'):
            self.connect(token)
        return self.cloud.home.log_file("postgres-oltp").read_text()


@pytest.fixture
def login(cloud: Cloud) -> Login:
    return Login(cloud)


def test_a_service_account_logs_in_with_its_token(login: Login) -> None:
    login.whole()
    assert login.connect(login.token()) == LOGIN


def test_a_token_for_other_things_is_no_password_and_takes_none_away(login: Login) -> None:
    login.whole()
    token = login.token()
    other = login.token("https://www.googleapis.com/auth/cloud-platform")
    assert other != token
    login.refused(other)
    assert login.connect(token) == LOGIN


@pytest.mark.parametrize(
    "grant",
    [
        {"role": "cloudsql.client"},
        {"named": f"projects/{PROJECT}/instances/another"},
    ],
)
def test_without_the_right_to_log_in_it_is_refused_with_cloud_sqls_words(
    login: Login, grant: dict[str, str]
) -> None:
    login.instance()
    login.user()
    login.grant(**grant)
    log = login.refused(login.token())
    assert f'FATAL:  Cloud SQL IAM service account authentication failed for user "{LOGIN}"' in log
    assert "The caller does not have permission: cloudsql.instances.login" in log


def test_a_right_that_is_taken_away_ends_what_an_earlier_token_could(login: Login) -> None:
    login.whole()
    token = login.token()
    assert login.connect(token) == LOGIN
    login.grant(named="projects/another")
    login.token()
    login.refused(token)


def test_without_the_flag_it_is_refused(login: Login) -> None:
    login.instance({})
    login.user()
    login.grant()
    assert "database flag cloudsql.iam_authentication=on" in login.refused(login.token())


def test_without_a_user_of_the_instance_it_is_refused(login: Login) -> None:
    login.instance()
    login.grant()
    login.refused(login.token())


@pytest.mark.parametrize(
    ("inputs", "complaint"),
    [
        ({"name": EMAIL}, f"without .gserviceaccount.com: {LOGIN}"),
        ({"password": "p"}, "logs in with access tokens: give it no password"),
        ({"databaseRoles": ["cloudsqlsuperusers"]}, 'role "cloudsqlsuperusers" does not exist'),
        ({"type": "CLOUD_IAM_GROUP"}, "knows no database users of type CLOUD_IAM_GROUP"),
    ],
)
def test_a_user_that_cloud_sql_would_not_take_is_refused(
    login: Login, inputs: dict[str, Any], complaint: str
) -> None:
    login.instance()
    with pytest.raises(LaptopError, match=complaint):
        login.user(**inputs)


def test_a_token_is_given_out_while_the_instance_is_down(login: Login, caplog: pytest.LogCaptureFixture) -> None:
    login.whole()
    login.cloud.processes.stop(["postgres-oltp"])
    assert login.token()
    assert f"the instance oltp does not answer: {LOGIN} cannot log in yet" in caplog.text
