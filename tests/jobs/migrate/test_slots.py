"""Slots and publications that nothing reads any more."""

import itertools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from omnipipe.laptop.services.artifacts.image import Image
from tests.jobs.migrate.database import OWNER, PASSWORDS, REPLICATION, Database

_NUMBERS = itertools.count()


def make_slot(database: Database, name: str, plugin: str = "pgoutput") -> None:
    database.rows("SELECT pg_create_logical_replication_slot(%s, %s)", parameters=(name, plugin))


def slots(database: Database) -> set[str]:
    return {row[0] for row in database.rows("SELECT slot_name FROM pg_replication_slots")}


def publications(database: Database) -> set[str]:
    return {row[0] for row in database.rows("SELECT pubname FROM pg_publication")}


@pytest.fixture
def orphan() -> str:
    """A name of ours that no stream has."""
    return f"omnipipe_orphan_{next(_NUMBERS)}"


@contextmanager
def reading(database: Database, slot: str) -> Iterator[None]:
    """Somebody who reads a slot."""
    reader = psycopg.connect(f"{database.dsn('cloudsqladmin')} replication=database", autocommit=True)
    try:
        options = "proto_version '1', publication_names 'omnipipe'"
        reader.pgconn.send_query(f'START_REPLICATION SLOT "{slot}" LOGICAL 0/0 ({options})'.encode())
        deadline = time.monotonic() + 10
        active = "SELECT active FROM pg_replication_slots WHERE slot_name = %s"
        while database.rows(active, parameters=(slot,)) != [(True,)]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield
    finally:
        reader.close()


def test_an_orphan_is_dropped_and_what_it_kept_is_told(database: Database, image: Image, orphan: str) -> None:
    database.migrate(image)
    make_slot(database, orphan)
    database.rows("CREATE TABLE filler AS SELECT repeat('x', 1000) FROM generate_series(1, 3000)")
    database.rows("DROP TABLE filler")
    code, output = database.migrate(image)
    assert code == 0, output
    (line,) = [json.loads(line) for line in output.splitlines() if orphan in line]
    assert line["severity"] == "WARNING"
    assert line["message"].startswith(f"dropped the slot {orphan}, which no stream names: it kept ")
    assert line["message"].endswith(" kB of the write-ahead log")
    assert {orphan, database.slot} & slots(database) == {database.slot}


def test_only_our_slots_of_this_database_with_our_plugin_are_orphans(
    database: Database, image: Image, orphan: str
) -> None:
    others = {f"{orphan}_decoding": "test_decoding", f"pg_{orphan}": "pgoutput", f"omnipipes_{orphan}": "pgoutput"}
    database.migrate(image)
    for name, plugin in others.items():
        make_slot(database, name, plugin)
    elsewhere = f"{orphan}_elsewhere"
    with psycopg.connect(database.server.admin_dsn("postgres"), autocommit=True) as admin:
        admin.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [elsewhere])
        admin.execute("SELECT pg_create_physical_replication_slot(%s)", [f"{orphan}_physical"])
        try:
            code, output = database.migrate(image)
            kept = {*others, elsewhere, f"{orphan}_physical", database.slot}
            assert code == 0, output
            assert slots(database) >= kept
            assert orphan not in output
        finally:
            for name in (elsewhere, f"{orphan}_physical"):
                admin.execute("SELECT pg_drop_replication_slot(%s)", [name])


def test_an_orphan_in_use_stays_with_its_publication_until_its_reader_goes(
    database: Database, image: Image, orphan: str
) -> None:
    database.migrate(image, PUBLICATION="omnipipe_old", SLOT=orphan)
    with reading(database, orphan):
        code, output = database.migrate(image)
        assert code == 0, output
        (line,) = [json.loads(line) for line in output.splitlines() if f"the slot {orphan}" in line]
        assert line["severity"] == "WARNING"
        assert "something reads it: stop that reader" in line["message"]
        assert slots(database) >= {orphan, database.slot}
        assert publications(database) == {"omnipipe_old", "omnipipe"}
    deadline = time.monotonic() + 20
    while orphan in slots(database):
        assert time.monotonic() < deadline
        assert database.migrate(image)[0] == 0
    assert publications(database) == {"omnipipe"}


def test_a_publication_of_somebody_else_stays(database: Database, image: Image) -> None:
    database.migrate(image)
    database.rows(f"SET ROLE {OWNER}; CREATE PUBLICATION reporting FOR TABLE trips")
    database.rows("CREATE PUBLICATION omnipipe_by_hand FOR TABLE trips")
    code, output = database.migrate(image)
    assert code == 0, output
    assert publications(database) == {"omnipipe", "reporting", "omnipipe_by_hand"}


def test_an_iam_user_without_any_role_sees_the_slots_and_what_they_keep(database: Database, image: Image) -> None:
    """The monitoring probe needs no pg_monitor, which cloudsqlsuperuser could not grant it: it has no ADMIN on it."""
    database.migrate(image)
    PASSWORDS["probe@omnipipe-test.iam"] = "p"
    database.server.ensure_user("probe@omnipipe-test.iam", "p", ())
    seen = database.rows(
        "SELECT active, wal_status, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) >= 0, confirmed_flush_lsn"
        " IS NOT NULL FROM pg_replication_slots WHERE slot_name = %s",
        "probe@omnipipe-test.iam",
        (database.slot,),
    )
    assert seen == [(False, "reserved", True, True)]
    assert database.rows(
        "SELECT admin_option FROM pg_auth_members WHERE roleid = 'pg_monitor'::regrole"
        " AND member = 'cloudsqlsuperuser'::regrole"
    ) == [(False,)]


def test_the_replication_user_drops_what_it_may(database: Database, image: Image, orphan: str) -> None:
    """Dropping takes REPLICATION, which the IAM user has not: the job does it as the replication user."""
    database.migrate(image)
    make_slot(database, orphan)
    assert database.rows("SELECT pg_drop_replication_slot(%s)", REPLICATION, (orphan,)) == [("",)]


def test_slots_are_made_and_dropped_as_the_replication_user_alone(
    database: Database, image: Image, orphan: str
) -> None:
    """On Cloud SQL administrators have no REPLICATION. Here they must, to make such users, so this test takes the
    functions away from them."""
    database.migrate(image)
    database.drop_slots()
    make_slot(database, orphan)
    database.rows(
        "REVOKE EXECUTE ON FUNCTION pg_create_logical_replication_slot, pg_drop_replication_slot FROM PUBLIC"
    )
    database.rows(
        "GRANT EXECUTE ON FUNCTION pg_create_logical_replication_slot, pg_drop_replication_slot TO datastream"
    )
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        database.rows("SET ROLE cloudsqlsuperuser; SELECT pg_create_logical_replication_slot('no', 'pgoutput')")

    code, output = database.migrate(image)

    assert code == 0, output
    assert {orphan, database.slot} & slots(database) == {database.slot}
