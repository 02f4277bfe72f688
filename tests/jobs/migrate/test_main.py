"""The migrate job, run as Cloud Run runs it, against a real PostgreSQL with Cloud SQL's kind of users."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from omnipipe.laptop.services.artifacts.image import Image
from omnipipe.laptop.services.sql.postgres import Postgres
from tests.jobs.migrate.database import (
    APP,
    HEART,
    MIGRATOR,
    OWNER,
    PASSWORDS,
    PUBLICATION,
    READER,
    REPLICATION,
    Database,
    Identities,
)
from tests.laptop.conftest import short_temporary_directory, start_postgres, stop_postgres


def state(database: Database) -> dict[str, list[tuple]]:
    """What the job is to bring about."""
    return {
        "tables": database.rows(
            "SELECT table_name, column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
        ),
        "published": database.rows("SELECT pubname, schemaname, tablename FROM pg_publication_tables ORDER BY 3"),
        "slots": database.rows(
            "SELECT slot_name, plugin FROM pg_replication_slots WHERE database = current_database()"
        ),
        "grants": database.rows(
            "SELECT grantee, table_name, privilege_type FROM information_schema.role_table_grants"
            " WHERE table_schema = 'public' AND grantee = ANY(%s) ORDER BY 1, 2, 3",
            parameters=([APP, REPLICATION, HEART, READER],),
        ),
        "role": database.rows(
            "SELECT rolcanlogin, rolreplication, rolsuper, rolcreaterole FROM pg_roles WHERE rolname = %s",
            parameters=(REPLICATION,),
        ),
    }


def test_an_empty_database_is_brought_to_its_state_and_stays_so(database: Database, image: Image) -> None:
    code, output = database.migrate(image)
    assert code == 0, output
    reached = state(database)
    assert reached["published"] == [(PUBLICATION, "public", table) for table in CAPTURED]
    assert reached["slots"] == [(database.slot, "pgoutput")]
    assert reached["role"] == [(True, True, False, False)]
    assert reached["grants"] == [
        *((HEART, "heartbeat", right) for right in ("INSERT", "SELECT", "UPDATE")),
        *((REPLICATION, table, "SELECT") for table in CAPTURED),
        *((APP, table, right) for table in ("customers", "trips") for right in RIGHTS),
        *((READER, table, "SELECT") for table in CAPTURED),
    ]
    assert ("trips", "fare", "numeric") in reached["tables"]
    code, output = database.migrate(image)
    assert code == 0, output
    assert state(database) == reached


CAPTURED = ("customers", "heartbeat", "trips")
RIGHTS = ("DELETE", "INSERT", "SELECT", "UPDATE")


def test_its_log_is_json_and_holds_no_password_or_token(database: Database, image: Image) -> None:
    _, output = database.migrate(image)
    lines = [json.loads(line) for line in output.splitlines()]
    assert {line["service"] for line in lines} == {"migrate"}
    server_log = database.server.log_file.read_text()
    for password in (*PASSWORDS.values(), database.identities.token):
        assert password
        assert password not in output
        assert password not in server_log


def test_the_users_can_do_their_work_and_no_more(database: Database, image: Image) -> None:
    database.migrate(image)
    insert = "INSERT INTO customers (full_name, email, city) VALUES ('A B', 'a@example.com', 'Berlin')"
    database.rows(insert, APP)
    database.rows("UPDATE customers SET city = 'Vienna'", APP)
    database.rows("SELECT setval(pg_get_serial_sequence('customers', 'customer_id'), 10)", APP)
    assert database.rows("SELECT full_name, city FROM customers", REPLICATION) == [("A B", "Vienna")]
    changes = "SELECT COUNT(*) > 0 FROM pg_logical_slot_peek_binary_changes(%s, NULL, NULL, VARIADIC %s)"
    options = ["proto_version", "1", "publication_names", PUBLICATION]
    assert database.rows(changes, REPLICATION, (database.slot, options)) == [(True,)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        database.rows("DELETE FROM customers", REPLICATION)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        database.rows("TRUNCATE customers CASCADE", APP)


def test_two_steps_of_the_day_log_in_one_writes_the_heartbeat_and_one_reads(
    database: Database, image: Image
) -> None:
    database.migrate(image)

    def as_user(user: str, statement: str) -> None:
        with psycopg.connect(database.dsn("cloudsqladmin"), autocommit=True) as connection:
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(user)))
            connection.execute(statement.encode())

    beat = "INSERT INTO heartbeat VALUES ('a', 'r', now()) ON CONFLICT (writer) DO UPDATE SET run_id = excluded.run_id"
    as_user(HEART, beat)
    as_user(HEART, beat)
    as_user(READER, "SELECT * FROM heartbeat, customers, trips")
    refused = [
        (HEART, "SELECT * FROM customers"),
        (HEART, "DELETE FROM heartbeat"),
        (READER, beat),
        (READER, "UPDATE trips SET fare = 0"),
        (APP, beat),
    ]
    for user, statement in refused:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            as_user(user, statement)


def test_updated_at_is_kept_by_the_database_also_for_moved_trips(database: Database, image: Image) -> None:
    database.migrate(image)
    old = "'2026-01-01T00:00:00Z'"
    database.rows(
        f"INSERT INTO customers VALUES (1, 'A B', 'a@example.com', NULL, 'Berlin', false, {old}, {old});"
        f"INSERT INTO trips VALUES (1, 1, 'Berlin', 'bike', 'requested', {old}, NULL, NULL, NULL, NULL, {old})",
        APP,
    )
    database.rows("UPDATE customers SET customer_id = 7", APP)
    assert database.rows("SELECT customer_id, updated_at > now() - interval '1 minute' FROM trips") == [(7, True)]
    assert database.rows("SELECT updated_at > now() - interval '1 minute' FROM customers") == [(True,)]


def test_a_schema_that_grows_is_taken_along(database: Database, image: Image, tmp_path: Path) -> None:
    database.migrate(image)
    database.rows("INSERT INTO customers (full_name, email, city) VALUES ('A B', 'a@example.com', 'Berlin')", APP)
    schema = Path(f"{image.root}{image.workdir}", "schema.sql")
    grown = (
        schema.read_text()
        + """
        CREATE TABLE IF NOT EXISTS public.vehicles (vehicle_id bigint PRIMARY KEY);
        ALTER TABLE public.trips ADD COLUMN IF NOT EXISTS surge numeric(4, 2);
        """
    )
    original = schema.read_text()
    schema.write_text(grown)
    try:
        for _ in range(2):
            assert database.migrate(image)[0] == 0
    finally:
        schema.write_text(original)
    reached = state(database)
    assert [row[2] for row in reached["published"]] == ["customers", "heartbeat", "trips", "vehicles"]
    assert ("trips", "surge", "numeric") in reached["tables"]
    assert database.rows("SELECT COUNT(*) FROM vehicles", REPLICATION) == [(0,)]
    assert database.rows("SELECT COUNT(*) FROM customers") == [(1,)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("ADD CONSTRAINT one_each UNIQUE (city)", "UniqueViolation (23505): table customers, constraint one_each"),
        ("ALTER COLUMN full_name TYPE int USING full_name::int", "InvalidTextRepresentation (22P02)"),
        ("ADD COLUMN email text", 'column "email" of relation "customers" already exists'),
    ],
)
def test_data_that_a_change_of_the_schema_does_not_take_is_not_quoted(
    database: Database, image: Image, change: str, words: str
) -> None:
    database.migrate(image)
    insert = "INSERT INTO customers (full_name, email, city) VALUES"
    database.rows(f"{insert} ('Ada', 'a@example.com', 'Hogwarts'), ('Bob', 'b@example.com', 'Hogwarts')", APP)
    schema = Path(f"{image.root}{image.workdir}", "schema.sql")
    original = schema.read_text()
    schema.write_text(f"{original}; ALTER TABLE public.customers {change}")
    try:
        code, output = database.migrate(image)
    finally:
        schema.write_text(original)
    assert code == 1
    assert words in json.loads(output.splitlines()[-1])["message"]
    for value in ("Ada", "Hogwarts", "example.com"):
        assert value not in output


def test_a_table_without_a_key_is_refused_and_nothing_changes(database: Database, image: Image) -> None:
    database.migrate(image)
    database.drop_slots()
    database.rows(f"SET ROLE {OWNER}; CREATE TABLE public.notes (text text)")
    before = state(database)
    code, output = database.migrate(image)
    assert code == 1
    assert "public.notes has no primary key" in output
    assert state(database) == before
    assert before["slots"] == []


@pytest.mark.parametrize(("user", "variable"), [(APP, "APP_PASSWORD"), (REPLICATION, "REPLICATION_PASSWORD")])
def test_a_new_password_counts(database: Database, image: Image, user: str, variable: str) -> None:
    database.migrate(image)
    assert database.migrate(image, **{variable: "changed"})[0] == 0
    with pytest.raises(psycopg.OperationalError):
        database.rows("SELECT 1", user)
    assert database.migrate(image)[0] == 0  # as the other tests know it


def test_killed_anywhere_it_can_be_run_again(database: Database, image: Image) -> None:
    found = set()
    for delay_ms in range(0, 400, 25):
        process = database.start_migrate(image)
        time.sleep(delay_ms / 1000)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=20)
        found.add(made(database))
    assert database.migrate(image)[0] == 0
    assert found <= {(0, 0), made(database)}  # the tables and the publication are one transaction
    assert made(database) == (3, 3)
    assert len(state(database)["slots"]) == 1


def made(database: Database) -> tuple[int, int]:
    """How many tables there are, and how many are published."""
    now = state(database)
    return len({row[0] for row in now["tables"]}), len(now["published"])


def test_the_second_of_two_waits_until_the_first_has_ended(database: Database, image: Image) -> None:
    """Without that, both would look for what is missing, and both would make it."""
    assert database.migrate(image)[0] == 0

    def waiting() -> list[tuple]:
        return database.rows(
            "SELECT locktype FROM pg_locks WHERE NOT granted AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1"
        )

    def until(locks: list[tuple], process: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + 30
        while waiting() != locks:
            assert process.poll() is None, f"it ended, and did not wait: {process.communicate()[0]}"
            assert time.monotonic() < deadline, waiting()
            time.sleep(0.02)

    with psycopg.connect(database.dsn("cloudsqladmin")) as writer:
        writer.execute("LOCK TABLE customers")  # so that the first one stands still, in the middle of its work
        first = database.start_migrate(image)
        until([("relation",)], first)
        second = database.start_migrate(image)
        until([("advisory",), ("relation",)], second)
    for process in (first, second):
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
    assert len(state(database)["slots"]) == 1


def test_names_are_quoted(database: Database, image: Image) -> None:
    hostile = 'pub"; DROP TABLE customers; --'
    assert database.migrate(image, PUBLICATION=hostile)[0] == 0
    assert {row[0] for row in state(database)["published"]} == {hostile}


def test_a_slot_of_another_kind_is_named(database: Database, image: Image) -> None:
    database.migrate(image)
    database.drop_slots()
    with psycopg.connect(database.server.admin_dsn(database.name), autocommit=True) as admin:
        admin.execute("SELECT pg_create_logical_replication_slot(%s, 'test_decoding')", [database.slot])
    code, output = database.migrate(image)
    assert code == 1
    assert f"there is another slot {database.slot}, with the plugin test_decoding" in output


@pytest.mark.parametrize(
    "name",
    ["PGUSER", "APP_USER", "APP_PASSWORD", "REPLICATION_USER", "REPLICATION_PASSWORD", "PUBLICATION", "SLOT"],
)
def test_a_missing_variable_is_named(database: Database, image: Image, name: str) -> None:
    code, output = database.migrate(image, **{name: ""})
    assert code == 1
    assert f"{name} is not set" in output


def test_a_login_that_somebody_else_made_is_told(database: Database, image: Image) -> None:
    others = f"app_{database.name}"
    database.server.ensure_user(others, "theirs")  # as Cloud SQL's API makes it
    code, output = database.migrate(image, APP_USER=others)
    assert code == 1
    assert f"the role {others} is somebody else's, such as a user that Cloud SQL's API made" in output
    assert state(database)["tables"] == []


@pytest.fixture
def plain_server(tmp_path: Path) -> Iterator[Postgres]:
    """A server without the flag for logical decoding, not started."""
    with short_temporary_directory() as base:
        server = Postgres(tmp_path / "data", base / "pg", tmp_path / "log")
        server.initialise()
        yield server


@pytest.mark.servers
def test_it_waits_for_a_server_and_asks_for_logical_decoding(
    plain_server: Postgres, image: Image, tmp_path: Path
) -> None:
    identities = Identities(plain_server, tmp_path)
    waiting = Database(plain_server, "mobility", "slot", identities).start_migrate(image)
    time.sleep(1)
    assert waiting.poll() is None
    process = start_postgres(plain_server, {"wal_level": "replica"})
    try:
        plain_server.prepare()
        plain_server.ensure_database("mobility")
        plain_server.ensure_iam_user(MIGRATOR, ["cloudsqlsuperuser"])
        output, _ = waiting.communicate(timeout=60)
        assert waiting.returncode == 1
        assert "no connection yet" in output
        assert "wal_level is replica" in output
        assert "cloudsql.logical_decoding=on" in output
    finally:
        stop_postgres(process)
        identities.close()
