"""Who owns the tables, and how a database changes hands."""

import re
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from omnipipe.laptop.home import PROJECT_ROOT
from omnipipe.laptop.services.artifacts.image import Image
from tests.jobs.migrate.database import APP, MIGRATOR, OWNER, PASSWORDS, REPLICATION, Database

OWNERS = """
    SELECT DISTINCT pg_get_userbyid(owner) FROM (
        SELECT relowner FROM pg_class WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT proowner FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT pubowner FROM pg_publication
    ) AS owned (owner)
"""


def test_all_belongs_to_a_role_that_nobody_logs_in_as(database: Database, image: Image) -> None:
    assert database.migrate(image)[0] == 0
    assert database.rows(OWNERS) == [(OWNER,)]
    assert database.rows("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", parameters=(OWNER,)) == [(False,)]


def test_the_logins_are_members_of_nothing_and_become_nobody(database: Database, image: Image) -> None:
    database.migrate(image)
    members = "SELECT pg_get_userbyid(roleid) FROM pg_auth_members WHERE pg_get_userbyid(member) = %s"
    attributes = "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles WHERE rolname = %s"
    for user in (APP, REPLICATION):
        assert database.rows(members, parameters=(user,)) == []
        assert database.rows(attributes, parameters=(user,)) == [(False, False, False, False)]
        for role in (OWNER, "cloudsqlsuperuser"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                database.rows(f"SET ROLE {role}", user)
    for statement in (
        "DROP TABLE trips",
        "ALTER TABLE trips ADD COLUMN x int",
        "TRUNCATE trips",
        "CREATE TABLE x ()",
        "CREATE ROLE somebody",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            database.rows(statement, APP)


def test_another_identity_goes_on_where_an_earlier_one_was(database: Database, image: Image) -> None:
    assert database.migrate(image)[0] == 0
    successor = "migrate-two@omnipipe-test.iam"
    database.server.ensure_iam_user(successor, ["cloudsqlsuperuser"])
    database.server.drop_user(MIGRATOR)  # it owned nothing and was granted nothing
    database.identities.user = successor
    schema = Path(f"{image.root}{image.workdir}", "schema.sql")
    original = schema.read_text()
    schema.write_text(original + "ALTER TABLE public.trips ADD COLUMN IF NOT EXISTS surge numeric(4, 2);")
    try:
        code, output = database.migrate(image, PGUSER=successor)
    finally:
        schema.write_text(original)
    assert code == 0, output
    assert database.rows("SELECT COUNT(surge) FROM trips", REPLICATION) == [(0,)]


def test_a_user_without_the_administrators_role_is_told(database: Database, image: Image) -> None:
    database.server.ensure_iam_user(MIGRATOR, [])
    code, output = database.migrate(image)
    assert code == 1
    assert 'database_roles=[\\"cloudsqlsuperuser\\"]' in output
    assert "may not act as cloudsqlsuperuser" in output


@pytest.fixture
def earlier_administrator(database: Database) -> str:
    """A database as the layout before this one left it: everything belongs to an administrator with a password."""
    name = f"admin_{database.name}"
    PASSWORDS[name] = "admin's"
    database.server.ensure_user(name, PASSWORDS[name])
    schema = (PROJECT_ROOT / "seed" / "schema.sql").read_bytes()
    with psycopg.connect(database.dsn(name), autocommit=True) as connection:
        connection.execute("SET createrole_self_grant = ''")
        connection.execute(schema)
        connection.execute("CREATE PUBLICATION omnipipe FOR TABLE customers, trips")
    return name


def test_a_database_of_an_earlier_administrator_is_handed_over_by_what_the_error_says(
    database: Database, image: Image, earlier_administrator: str
) -> None:
    replication = f"replication_{database.name}"
    with psycopg.connect(database.dsn("cloudsqladmin"), autocommit=True) as admin:
        names = {"role": sql.Identifier(replication), "creator": sql.Identifier(earlier_administrator)}
        # As CREATE ROLE leaves it: who makes a role may administer it, and nobody else may.
        admin.execute(sql.SQL("CREATE ROLE {role} REPLICATION").format(**names))
        admin.execute(sql.SQL("GRANT {role} TO {creator} WITH ADMIN OPTION").format(**names))

    code, output = database.migrate(image, REPLICATION_USER=replication)
    assert code == 1
    assert f"customers, trips of the schema public belong to {earlier_administrator}, not to {OWNER}" in output
    assert database.rows(OWNERS) == [(earlier_administrator,)]

    found = re.search(r"then migrate again: (.*;)\"", output.splitlines()[-1])
    assert found
    statements = found[1].replace('\\"', '"')
    with psycopg.connect(database.dsn(earlier_administrator), autocommit=True) as connection:
        connection.execute(statements.encode())

    for _ in range(2):
        code, output = database.migrate(image, REPLICATION_USER=replication)
        assert code == 0, output
    assert database.rows(OWNERS) == [(OWNER,)]
    database.rows("INSERT INTO customers (full_name, email, city) VALUES ('A B', 'a@example.com', 'Berlin')", APP)


def test_a_table_that_somebody_made_beside_is_told(database: Database, image: Image) -> None:
    assert database.migrate(image)[0] == 0
    database.rows(f"CREATE TABLE public.scratch (id int PRIMARY KEY); ALTER TABLE scratch OWNER TO {APP}")
    code, output = database.migrate(image)
    assert code == 1
    assert f"scratch of the schema public belong to {APP}" in output
    assert "WITH ADMIN OPTION" not in output  # the replication user is ours already
