"""Raw beside its source, with a real PostgreSQL, a real stream and BigQuery.

What is right passes, also while it changes, and each thing that can go wrong between them is found and named.
"""

import threading
from datetime import UTC, datetime

import comparison  # pyright: ignore[reportMissingImports] - conftest.py says where
import pytest
from source import Source, SourceUnreadable  # pyright: ignore[reportMissingImports] - conftest.py says where

from omnipipe.laptop.home import PROJECT_ROOT
from omnipipe.runtime import cloud_sql
from seed import generator, load, traffic
from tests.laptop.services.datastream.conftest import Pipeline

KINDS = """
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE TABLE kinds (
    id bigint PRIMARY KEY, small smallint, exact numeric(9, 2), wide numeric(38, 2), loose numeric, approximate float8,
    yes boolean, words text, code char(6), short varchar(9), number uuid, mood mood, day date, moment timestamptz,
    local timestamp, clock time, bytes bytea, document jsonb, many int[]
);
INSERT INTO kinds VALUES
    (-7, -3, -0.50, 12345678901234567.89, 1.10, 0.1, true, 'größer', 'ab', 'x', gen_random_uuid(), 'sad', '1969-07-20',
     '2026-03-01 12:00:00.000001+02', '1999-12-31 23:59:59.5', '10:00', '\\xDEADBEEF', '{"a": 1}', '{1, 2}'),
    (0, 0, 0, 0, 0, 0, false, '', '', '', gen_random_uuid(), 'glad', '2026-01-01', 'epoch', 'epoch', '0:00', '', '{}',
     '{}'),
    (100000, 1, 100.00, 10, 10, 10, NULL, E'a\\x1fb', 'abcdef', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
     NULL);
INSERT INTO kinds (id) VALUES (250000)
"""
ROWS = "INSERT INTO t SELECT n, 'row ' || n, n / 10.0, now() FROM generate_series(1, 250000, 7) AS n"
TABLE = "CREATE TABLE t (id bigint PRIMARY KEY, name text, amount numeric(9, 2), at timestamptz)"


@pytest.fixture(autouse=True)
def login(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job's environment, with a login to the pipeline's database."""
    given = {
        "PGHOST": str(pipeline.postgres.socket_dir),
        "PGPORT": "5432",
        "PGDATABASE": pipeline.name,
        "PGUSER": "app",
        "SLOT": pipeline.name,
        "CAPTURED_WITHIN_S": "30",
        "WRITTEN_WITHIN_S": "1",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(cloud_sql, "login_token", lambda: "app")
    # What happened just before the snapshot is excused, and here everything happened just before it.
    monkeypatch.setattr(comparison, "_UNSURE_MS", 100)


@pytest.fixture
def captured(pipeline: Pipeline) -> Pipeline:
    """A table of 35,715 rows whose keys are spread over three of the widest ranges, captured."""
    pipeline.publish("t", TABLE, ROWS)
    pipeline.start()
    pipeline.catch_up()
    pipeline.execute("UPDATE t SET amount = amount + 1 WHERE id <= 700")
    pipeline.catch_up()
    return pipeline


def compare(pipeline: Pipeline, table: str = "t") -> comparison.Finding:
    with Source() as source:
        return comparison.compare(
            pipeline.emulator.client, source, f"public.{table}", f"{pipeline.name}.public_{table}"
        )


def test_every_type_is_the_same_on_both_sides(pipeline: Pipeline) -> None:
    pipeline.publish("kinds", KINDS)
    pipeline.start()
    pipeline.catch_up()
    pipeline.execute(
        "INSERT INTO kinds SELECT 300000, small, exact, wide, loose, approximate, yes, words, code, short, number, "
        "mood, day, moment, local, clock, bytes, document, many FROM kinds WHERE id = -7"
    )
    pipeline.catch_up()
    found = compare(pipeline, "kinds")
    assert (found.wrong, found.rows) == (0, 5), found.words
    assert "in 19 columns" in found.words


COMPARED = ("small", "exact", "wide", "loose", "yes", "words", "code", "short", "mood", "day", "moment", "local")


def test_a_difference_in_any_of_these_types_is_seen(pipeline: Pipeline) -> None:
    """A row a type, so that no difference hides behind another one's."""
    columns = f"{', '.join(COMPARED)}, approximate, number, clock, bytes, document, many"
    copies = [
        f"INSERT INTO kinds (id, {columns}) SELECT {n}, {columns} FROM kinds WHERE id = 0" for n in range(1, 13)
    ]
    pipeline.publish("kinds", KINDS, *copies)
    pipeline.start()
    pipeline.catch_up()
    for number, column in enumerate(COMPARED, start=1):
        pipeline.rows(f"UPDATE {{public_kinds}} SET {column} = NULL WHERE id = {number}")
    found = compare(pipeline, "kinds")
    assert found.wrong == len(COMPARED)
    assert f"different in {', '.join(sorted(COMPARED))}: 12 keys (1, 2, 3, 4, 5, …)" in found.words


def test_tables_without_rows_are_the_same(pipeline: Pipeline) -> None:
    pipeline.publish("t", TABLE)
    pipeline.start()
    pipeline.catch_up()
    assert (compare(pipeline).wrong, compare(pipeline).rows) == (0, 0)


def test_rows_that_were_captured_changed_and_deleted_are_the_same(captured: Pipeline) -> None:
    captured.execute("DELETE FROM t WHERE id > 249000", "UPDATE t SET id = id + 1000000 WHERE id < 70")
    captured.catch_up()
    found = compare(captured)
    assert found.wrong == 0, found.words


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("DELETE FROM {public_t} WHERE id = 1401", "missing in raw: 1 key (1401)"),
        ("DELETE FROM {public_t} WHERE id IN (1401, 200005)", "missing in raw: 2 keys (1401, 200005)"),
        ("UPDATE {public_t} SET amount = 3 WHERE id = 1401", "different in amount: 1 key (1401)"),
        ("UPDATE {public_t} SET name = 'x', amount = NULL WHERE id = 8", "different in amount, name: 1 key (8)"),
        # The newest version is lost, and the one before it is there.
        (
            "DELETE FROM {public_t} WHERE id = 8 AND datastream_metadata.change_type = 'UPDATE-INSERT'",
            "different in amount: 1 key (8)",
        ),
        (
            "UPDATE {public_t} SET id = 1402 WHERE id = 1401",
            "missing in raw: 1 key (1401); in raw, and no row of the source: 1 key (1402)",
        ),
        ("UPDATE {public_t} SET amount = 3 WHERE TRUE", ", …), at least"),
    ],
)
def test_what_raw_lost_or_changed_is_named(captured: Pipeline, damage: str, expected: str) -> None:
    captured.rows(damage)
    found = compare(captured)
    assert found.wrong
    assert expected in found.words
    assert "docs/runbooks/validation.md#raw-differs-from-its-source" in found.words


def test_rows_that_were_deleted_while_no_slot_kept_the_log_are_left_over_until_a_backfill(
    captured: Pipeline,
) -> None:
    captured.stop()
    captured.execute(
        f"SELECT pg_drop_replication_slot('{captured.name}')",
        "DELETE FROM t WHERE id IN (8, 15)",
        f"SELECT pg_create_logical_replication_slot('{captured.name}', 'pgoutput')",
    )
    captured.start()
    captured.wait_logged("following the slot", times=2)
    captured.catch_up()
    assert "in raw, and no row of the source: 2 keys (8, 15)" in compare(captured).words

    captured.stop()
    (captured.state_dir / "backfills.json").unlink()
    captured.start()
    captured.wait_logged("following the slot", times=3)
    captured.catch_up()
    found = compare(captured)
    assert found.wrong == 0, found.words


def test_a_column_that_the_source_has_no_more_is_named(captured: Pipeline) -> None:
    captured.execute("ALTER TABLE t DROP COLUMN amount")
    captured.catch_up()
    found = compare(captured)
    assert found.wrong == 1
    assert "the source has no column amount any more, and raw has" in found.words


def test_a_new_column_is_missed_when_it_has_values(captured: Pipeline) -> None:
    captured.execute("ALTER TABLE t ADD COLUMN note text")
    assert compare(captured).wrong == 0  # Datastream adds it with the first row that has it
    captured.execute("ALTER TABLE t ADD COLUMN kind text DEFAULT 'old'")
    assert "raw has no column kind, and the source has values in it" in compare(captured).words


def test_a_table_that_is_gone_or_has_another_kind_of_key_cannot_be_compared(captured: Pipeline) -> None:
    captured.execute("CREATE TABLE u (name text PRIMARY KEY)")
    with pytest.raises(SourceUnreadable, match=r"public\.u has the key \(name\)"):
        compare(captured, "u")
    with pytest.raises(SourceUnreadable, match=r"public\.v is not there any more"):
        compare(captured, "v")


def test_a_table_that_the_stream_has_not_made_is_missed(captured: Pipeline) -> None:
    captured.execute("CREATE TABLE u (id bigint PRIMARY KEY)")
    assert "the stream has not made it" in compare(captured, "u").words


def test_what_has_not_arrived_yet_is_waited_for(captured: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    captured.stop()
    captured.execute("UPDATE t SET amount = 0 WHERE id <= 70", "DELETE FROM t WHERE id = 1401")
    later = threading.Timer(3, captured.start)
    later.start()
    found = compare(captured)
    later.join()
    assert found.wrong == 0, found.words


def test_a_stream_that_stands_still_is_told(captured: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPTURED_WITHIN_S", "2")
    captured.stop()
    captured.execute("UPDATE t SET amount = 0 WHERE id = 8")
    found = compare(captured)
    assert "different in amount: 1 key (8)" in found.words
    assert "the stream has not read all that the source holds" in found.words


def test_traffic_gives_no_false_alarm(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "_UNSURE_MS", 1000)  # a tenth of what the job takes
    schema = (PROJECT_ROOT / "seed" / "schema.sql").read_text()
    pipeline.publish("customers, trips", schema)
    with pipeline.connect() as connection:
        dsn = f"{connection.info.dsn} password=app"
    load.load(dsn, generator.Plan(trips=5_000, end=datetime.now(UTC).date()))
    pipeline.start()
    pipeline.catch_up()
    done = threading.Thread(target=traffic.run, args=(dsn, 20.0, 150.0))
    done.start()
    repetitions = 0
    while done.is_alive():
        for table in ("trips", "customers"):
            found = compare(pipeline, table)
            assert found.wrong == 0, found.words
            repetitions += 1
    done.join()
    assert repetitions >= 6
