"""The laptop's Cloud SQL: its cluster, its roles, and its way back after a crash."""

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.services.sql import postgres as module
from omnipipe.laptop.services.sql.postgres import Postgres, process_user, psql_path
from tests.laptop.conftest import FLAGS, short_temporary_directory, start_postgres, stop_postgres


def connect(server: Postgres, user: str, password: str, database: str = "mobility") -> psycopg.Connection:
    return psycopg.connect(
        make_conninfo(host=str(server.socket_dir), user=user, password=password, dbname=database), autocommit=True
    )


@pytest.fixture
def own(tmp_path: Path):
    """A server of the test's own, not started."""
    with short_temporary_directory() as base:
        server = Postgres(tmp_path / "data", base / "pg", tmp_path / "log")
        server.initialise()
        yield server


def test_a_declared_user_is_no_superuser_but_can_do_what_migrate_needs(postgres: Postgres):
    postgres.ensure_user("migrator", "first")
    postgres.ensure_user("migrator", "second")  # the password of the one that is there
    postgres.ensure_database("mobility")
    postgres.ensure_database("mobility")
    with connect(postgres, "migrator", "second") as connection:
        row = connection.execute(
            "SELECT rolsuper, pg_has_role('cloudsqlsuperuser', 'member') FROM pg_roles"
            " WHERE rolname = current_user"
        ).fetchone()
        assert row == (False, True)
        connection.execute("CREATE TABLE public.things (id int PRIMARY KEY)")
        connection.execute("CREATE PUBLICATION things FOR TABLE public.things")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT pg_create_logical_replication_slot('things', 'pgoutput')")
        connection.execute("SET ROLE cloudsqlsuperuser")
        connection.execute("CREATE ROLE replicator LOGIN REPLICATION PASSWORD 'r'")
        connection.execute("RESET ROLE")
        connection.execute("GRANT SELECT ON public.things TO replicator")
        with connect(postgres, "replicator", "r") as replicator:
            replicator.execute("SELECT pg_create_logical_replication_slot('things', 'pgoutput')")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                replicator.execute("CREATE TABLE public.mine (id int)")
            replicator.execute("SELECT pg_drop_replication_slot('things')")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("COPY public.things FROM PROGRAM 'true'")


def test_a_password_is_checked(postgres: Postgres):
    postgres.ensure_user("somebody", "right")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(postgres, "somebody", "wrong", "postgres")
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        connect(postgres, "somebody", "", "postgres")
    postgres.drop_user("somebody")
    with pytest.raises(psycopg.OperationalError):
        connect(postgres, "somebody", "right", "postgres")


def attributes(server: Postgres, user: str) -> tuple:
    """CREATEROLE, CREATEDB and REPLICATION, and the roles that it is a member of."""
    with psycopg.connect(server.admin_dsn("postgres")) as connection:
        row = connection.execute(
            "SELECT rolcreaterole, rolcreatedb, rolreplication, ARRAY("
            " SELECT pg_get_userbyid(roleid) FROM pg_auth_members WHERE member = pg_roles.oid ORDER BY 1)"
            " FROM pg_roles WHERE rolname = %s",
            [user],
        ).fetchone()
    assert row is not None
    return row


def test_users_have_the_attributes_and_roles_that_cloud_sql_gives(postgres: Postgres):
    postgres.ensure_user("with-password", "p")
    postgres.ensure_iam_user("bare@p.iam", [])
    postgres.ensure_iam_user("administrator@p.iam", ["cloudsqlsuperuser"])
    assert attributes(postgres, "with-password") == (True, True, False, ["cloudsqlsuperuser"])
    assert attributes(postgres, "bare@p.iam") == (False, False, False, ["cloudsqliamserviceaccount"])
    both = ["cloudsqliamserviceaccount", "cloudsqlsuperuser"]
    assert attributes(postgres, "administrator@p.iam") == (False, False, False, both)
    postgres.ensure_iam_user("administrator@p.iam", ["pg_monitor"])
    assert attributes(postgres, "administrator@p.iam")[3] == ["cloudsqliamserviceaccount", "pg_monitor"]
    with pytest.raises(LaptopError, match='role "no_such_role" does not exist'):
        postgres.ensure_iam_user("bare@p.iam", ["no_such_role"])


def test_an_iam_user_logs_in_with_its_token_until_it_ends_and_with_nothing_else(postgres: Postgres):
    name, hour = "worker@p.iam", timedelta(hours=1)
    postgres.ensure_user(name, "from before")
    postgres.ensure_iam_user(name, [])
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(postgres, name, "from before", "postgres")
    postgres.let_in(name, "token", datetime.now(UTC) + hour)
    connect(postgres, name, "token", "postgres").close()
    postgres.ensure_iam_user(name, [])  # the next `up` shuts nobody out
    connect(postgres, name, "token", "postgres").close()
    postgres.let_in(name, "next", datetime.now(UTC) + hour)
    for refused in ("token", "from before"):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(postgres, name, refused, "postgres")
    postgres.let_in(name, "next", datetime.now(UTC) - hour)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(postgres, name, "next", "postgres")
    postgres.let_in(name, "next", datetime.now(UTC) + hour)
    postgres.shut_out(name)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(postgres, name, "next", "postgres")


def test_a_user_who_owns_something_is_not_dropped(postgres: Postgres):
    postgres.ensure_user("owner", "p")
    postgres.ensure_database("owned")
    with connect(postgres, "owner", "p", "owned") as connection:
        connection.execute("CREATE TABLE public.t (id int)")
    with pytest.raises(LaptopError, match="cannot be dropped because some objects depend on it"):
        postgres.drop_user("owner")
    postgres.drop_database("owned")
    postgres.drop_user("owner")
    postgres.drop_user("owner")


def test_names_and_flags_of_the_platform_are_refused(postgres: Postgres):
    with pytest.raises(LaptopError, match="belongs to the platform"):
        postgres.ensure_user("cloudsqladmin", "p")
    with pytest.raises(LaptopError, match="more than 63 bytes"):
        postgres.ensure_iam_user(f"{'a' * 30}@{'p' * 30}.iam", [])
    with pytest.raises(LaptopError, match="port cannot be set"):
        postgres.argv({"port": "1"})


def test_nothing_listens_on_tcp_and_the_flags_are_in_force(postgres: Postgres):
    with psycopg.connect(postgres.admin_dsn("postgres")) as connection:
        names = ["listen_addresses", "wal_level", "fsync", "TimeZone", "server_encoding"]
        values = connection.execute(
            "SELECT array_agg(current_setting(n)) FROM unnest(%s::text[]) n", [names]
        ).fetchone()
    assert values == (["", "logical", "on", "UTC", "UTF8"],)


def test_the_packages_psql_runs(postgres: Postgres):
    done = subprocess.run(
        [psql_path(), postgres.admin_dsn("postgres"), "-Atc", "SELECT 6 * 7"], capture_output=True, text=True
    )
    assert done.stdout == "42\n", done.stderr


@pytest.mark.servers
def test_a_killed_server_comes_back_with_what_was_committed(own: Postgres):
    process = start_postgres(own)
    with psycopg.connect(own.admin_dsn("postgres"), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS id")
        process.kill()
        process.wait()
        assert (own.data_dir / "postmaster.pid").exists()
        again = start_postgres(own)  # at once: its orphans are still there
    with psycopg.connect(own.admin_dsn("postgres")) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)
    assert own.running_pid() == again.pid
    second = subprocess.run(own.argv(FLAGS), capture_output=True, text=True)
    assert second.returncode == 1
    assert second.stderr.startswith(f"PostgreSQL is already running on {own.data_dir} as process {again.pid}")
    stop_postgres(again)
    assert own.running_pid() is None


@pytest.mark.servers
def test_a_process_number_that_was_given_to_another_program_does_not_stop_the_start(own: Postgres):
    user = process_user()
    sleeper = subprocess.Popen(["sleep", "60"], user=user[0] if user else None)
    try:
        (own.data_dir / "postmaster.pid").write_text(f"{sleeper.pid}\n{own.data_dir}\n")
        stop_postgres(start_postgres(own))
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_torn_initdb_is_done_again_and_a_whole_one_is_kept(own: Postgres, tmp_path: Path):
    with short_temporary_directory() as base:
        torn = Postgres(tmp_path / "torn", base / "pg", tmp_path / "torn.log")
        aside = tmp_path / ".torn.new"
        aside.mkdir()
        (aside / "PG_VERSION").write_text("18\n")
        torn.initialise()
        assert not aside.exists()
        identity = (torn.data_dir / "global" / "pg_control").read_bytes()
        torn.initialise()
        assert (torn.data_dir / "global" / "pg_control").read_bytes() == identity


@pytest.mark.parametrize(
    ("content", "message"),
    [({"notes.txt": "mine"}, "holds no PostgreSQL data"), ({"PG_VERSION": "15\n"}, "made by PostgreSQL 15")],
)
def test_a_folder_that_is_something_else_is_refused(tmp_path: Path, content: dict[str, str], message: str):
    data = tmp_path / "data"
    data.mkdir()
    for name, text in content.items():
        (data / name).write_text(text)
    if user := process_user():
        os.chown(data, *user)
    with short_temporary_directory() as base, pytest.raises(LaptopError, match=message):
        Postgres(data, base / "pg", tmp_path / "log").initialise()


def test_data_of_another_user_is_refused(own: Postgres, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "process_user", lambda: (4_000_000, 4_000_000))
    with pytest.raises(LaptopError, match="belongs to user id"):
        own._check_data()


def test_the_path_of_the_socket_is_short(tmp_path: Path):
    with pytest.raises(LaptopError, match="use a shorter folder"):
        Postgres(tmp_path, tmp_path / ("x" * 90), tmp_path)


@pytest.mark.servers
def test_everything_may_be_below_a_private_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tmp_path.chmod(0o700)
    # As in a clone below /root: the programs are out of reach of another user as well.
    monkeypatch.setattr(module, "_reachable", lambda path, user: user is None)
    with short_temporary_directory() as base:
        server = Postgres(tmp_path / "data", base / "pg", tmp_path / "log")
        server.initialise()
        monkeypatch.undo()
        process = start_postgres(server)
        user = process_user()
        assert psutil.Process(process.pid).uids().real == (user[0] if user else os.getuid())
        process.kill()
        process.wait()
        stop_postgres(start_postgres(server))
