"""What happens at one certain moment: brought about on purpose, in a worker of this process, and never by chance.

The worker that dies there is followed by one that runs as ever: the rows in BigQuery must be exactly the changes.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from omnipipe.laptop.services.datastream import backfill, config, worker
from omnipipe.laptop.services.datastream.status import parse_lsn
from omnipipe.laptop.services.datastream.worker import Worker
from tests.laptop.services.datastream.conftest import Pipeline


class Killed(BaseException):
    """The worker dies here, and as after a kill says nothing of it."""


def run_until_killed(pipeline: Pipeline, prepare: Callable[[Worker], None]) -> None:
    """Run a worker here, with what ``prepare`` puts in its way."""
    dying = Worker(config.read(pipeline.write_config()), threading.Event())
    prepare(dying)
    with pytest.raises(Killed):
        dying.run()


def killed_after_load(number: int) -> Callable[[Worker], None]:
    """A worker that dies as soon as so many loads are in BigQuery."""

    def prepare(dying: Worker) -> None:
        load, left = dying._destination.load, [number]

        def counted(*arguments: Any) -> None:
            load(*arguments)
            left[0] -= 1
            if not left[0]:
                raise Killed

        dying._destination.load = counted  # type: ignore[method-assign]  # the moment after it

    return prepare


def wal_position(pipeline: Pipeline) -> str:
    with pipeline.connect() as connection:
        return connection.execute("SELECT pg_current_wal_lsn()::text").fetchall()[0][0]


def confirmed(pipeline: Pipeline) -> int:
    with pipeline.connect() as connection:
        query = "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = %s"
        return parse_lsn(connection.execute(query, [pipeline.name]).fetchall()[0][0])


def test_no_position_within_a_transaction_is_confirmed(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_BATCH_ROWS", 1)  # each row is written before the next is read
    pipeline.publish("t", "CREATE TABLE t (id int PRIMARY KEY)")
    pipeline.execute("INSERT INTO t SELECT generate_series(1, 5)")
    pipeline.stream.pop("backfillAll")
    pipeline.stream["backfillNone"] = {}
    end = parse_lsn(wal_position(pipeline))

    def prepare(dying: Worker) -> None:
        stream = dying._source.stream

        @contextmanager
        def told_of_the_end() -> Iterator[Any]:
            """The server says how far its log is after each row, as it may while a transaction is being sent."""
            with stream() as real:
                available, rows = real.available, [0]

                def messages() -> Iterator[bytes | int]:
                    for message in available():
                        if rows[0] == 3:
                            time.sleep(0.3)  # what was confirmed has arrived
                            raise Killed
                        yield message
                        if isinstance(message, bytes) and message[:1] == b"I":
                            rows[0] += 1
                            yield end

                real.available = messages  # type: ignore[method-assign]  # the server's words
                yield real

        dying._source.stream = told_of_the_end  # type: ignore[method-assign]  # as above

    run_until_killed(pipeline, prepare)

    assert confirmed(pipeline) < end
    assert 0 < len(pipeline.changes("public_t", "id")) < 5
    pipeline.start()
    pipeline.catch_up()
    assert pipeline.changes("public_t", "id") == [("INSERT", number) for number in range(1, 6)]


@pytest.mark.parametrize(("earlier", "later"), [("a", "b"), ("b", "a")])
def test_of_a_batch_the_table_with_the_oldest_change_is_written_first(
    pipeline: Pipeline, earlier: str, later: str
) -> None:
    pipeline.publish("a, b", "CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)")
    pipeline.stream.pop("backfillAll")
    pipeline.stream["backfillNone"] = {}
    pipeline.execute(f"INSERT INTO {earlier} VALUES (1)", f"INSERT INTO {later} VALUES (1)")

    run_until_killed(pipeline, killed_after_load(1))

    # Whoever sees the later one, as a run sees its heartbeat, has the earlier one.
    counts = [pipeline.rows(f"SELECT COUNT(*) FROM {{public_{table}}}") for table in (earlier, later)]
    assert counts == [[(1,)], [(0,)]]


def test_a_transaction_that_ran_when_a_backfill_began_is_replicated_and_one_that_it_shows_is_not(
    pipeline: Pipeline,
) -> None:
    pipeline.publish("t", "CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    pipeline.start()
    pipeline.catch_up()
    assert pipeline.stop() == 0

    def insert(number: int) -> int:
        with pipeline.connect() as connection:
            query = f"INSERT INTO t VALUES ({number}) RETURNING pg_current_xact_id()::text::bigint"
            return connection.execute(query.encode()).fetchall()[0][0]

    running, shown = insert(2), insert(3)
    # As if the backfill had begun between the two commits: a moment too short to be met.
    path = pipeline.state_dir / "backfills.json"
    known = json.loads(path.read_text())
    known[f"{pipeline.name}.public_t"] |= {
        "snapshot": f"{running}:{shown + 1}:{running}",
        "until_lsn": wal_position(pipeline),
    }
    path.write_text(json.dumps(known))

    pipeline.start()
    pipeline.catch_up()

    assert pipeline.changes("public_t", "id") == [("INSERT", 1), ("INSERT", 2)]


def test_after_the_sources_clock_was_set_back_the_latest_change_is_still_the_latest(pipeline: Pipeline) -> None:
    pipeline.publish("t", "CREATE TABLE t (id int PRIMARY KEY, v text)")
    pipeline.start()
    pipeline.catch_up()
    pipeline.execute("INSERT INTO t VALUES (1, 'before')")
    pipeline.catch_up()
    assert pipeline.stop() == 0
    # The clock was two hours ahead when this was written.
    mark = "datastream_metadata"
    fields = ("change_sequence_number", "change_type", "sort_keys")
    others = ", ".join(f"{mark}.{name} AS {name}" for name in fields)
    ahead = f"{mark}.source_timestamp + 7200000 AS source_timestamp"
    struct = f"STRUCT({mark}.uuid AS uuid, {ahead}, {others})"
    pipeline.rows(f"UPDATE {{public_t}} SET {mark} = {struct} WHERE TRUE")

    pipeline.start()
    pipeline.execute("UPDATE t SET v = 'after'", "UPDATE t SET v = 'last'")
    pipeline.catch_up()

    versions = pipeline.rows(
        f"SELECT v FROM {{public_t}} ORDER BY {mark}.source_timestamp DESC, {mark}.change_sequence_number DESC"
    )
    assert versions == [("last",), ("after",), ("before",)]


def test_a_batch_of_which_bigquery_refuses_a_row_is_written_from_its_beginning(
    pipeline: Pipeline, dead_letters: None
) -> None:
    pipeline.publish("t", "CREATE TABLE t (id int PRIMARY KEY, v json)")
    pipeline.stream.pop("backfillAll")
    pipeline.stream["backfillNone"] = {}
    pipeline.execute("""INSERT INTO t VALUES (1, '1'), (2, '2'), (3, '"\\ud800"'), (4, '4')""")

    run_until_killed(pipeline, killed_after_load(1))
    pipeline.start()
    pipeline.catch_up()

    assert pipeline.changes("public_t", "id") == [("INSERT", 1), ("INSERT", 2), ("INSERT", 4)]
    letters = pipeline.emulator.rows(f"SELECT payload FROM ops.dead_letters WHERE origin = '{pipeline.name}'")
    assert [json.loads(payload)["values"]["id"] for (payload,) in letters] == ["3"]


def test_rows_of_a_backfill_that_did_not_come_to_its_end_are_removed(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "_CHUNK_BYTES", 1)  # a load for each row
    pipeline.publish("t", "CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT generate_series(1, 4)")

    run_until_killed(pipeline, killed_after_load(2))
    assert pipeline.rows("SELECT COUNT(*) FROM {public_t}") == [(2,)]
    pipeline.execute("DELETE FROM t WHERE id = 1")
    pipeline.start()
    pipeline.catch_up()

    # The first row was gone before the second attempt began: it is not in that one's rows, and was in the first's.
    assert sorted(pipeline.changes("public_t", "id")) == [("INSERT", 2), ("INSERT", 3), ("INSERT", 4)]
