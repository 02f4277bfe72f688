"""Whatever dies, the rows in BigQuery are exactly the changes that were made: none is lost, none is there twice."""

import random
import threading
import time

import psutil
import psycopg

from tests.laptop.services.datastream.conftest import Pipeline

LEDGER = "CREATE TABLE t (id bigint PRIMARY KEY, v int)"


class Traffic(threading.Thread):
    """Changes of a table for some seconds, and what has to come of them."""

    def __init__(self, pipeline: Pipeline, seconds: float, first_id: int = 1) -> None:
        super().__init__()
        self._pipeline, self._end = pipeline, time.monotonic() + seconds
        self._random = random.Random(7)
        self._next_id = first_id
        self.rows: dict[int, int] = {}
        self.events: list[tuple[str, int, int | None]] = []

    def run(self) -> None:
        while time.monotonic() < self._end:
            try:
                self._write()
            except psycopg.Error:  # the server was killed: what was not committed did not happen
                time.sleep(0.05)

    def _write(self) -> None:
        with self._pipeline.connect() as connection:
            while time.monotonic() < self._end:
                rows, events, next_id = dict(self.rows), [], self._next_id
                with connection.transaction():
                    # Told apart from a commit whose answer the crash swallowed by this number.
                    connection.execute("UPDATE progress SET n = n + 1")
                    for _ in range(self._random.choice([1, 5, 200])):
                        next_id = self._change(connection, rows, events, next_id)
                self.rows, self._next_id = rows, next_id
                self.events += events
                time.sleep(0.005)

    def _change(self, connection: psycopg.Connection, rows: dict[int, int], events: list, next_id: int) -> int:
        kind = self._random.random()
        value = self._random.randrange(1000)
        if kind < 0.5 or not rows:
            connection.execute("INSERT INTO t VALUES (%s, %s)", [next_id, value])
            rows[next_id] = value
            events.append(("INSERT", next_id, value))
            return next_id + 1
        key = self._random.choice(list(rows))
        if kind < 0.8:
            connection.execute("UPDATE t SET v = %s WHERE id = %s", [value, key])
            rows[key] = value
            events.append(("UPDATE-INSERT", key, value))
        elif kind < 0.9:
            connection.execute("UPDATE t SET id = %s WHERE id = %s", [next_id, key])
            rows[next_id] = rows.pop(key)
            events += [("UPDATE-DELETE", key, None), ("UPDATE-INSERT", next_id, rows[next_id])]
            return next_id + 1
        else:
            connection.execute("DELETE FROM t WHERE id = %s", [key])
            del rows[key]
            events.append(("DELETE", key, None))
        return next_id


def start(pipeline: Pipeline) -> None:
    pipeline.publish("t", LEDGER, "CREATE TABLE progress (n int)", "INSERT INTO progress VALUES (0)")
    pipeline.start()
    pipeline.catch_up()


def latest(pipeline: Pipeline) -> dict[int, int]:
    return dict(
        pipeline.rows("""
            SELECT id, v FROM (
                SELECT id, v, datastream_metadata.change_type AS kind, ROW_NUMBER() OVER (
                    PARTITION BY id ORDER BY datastream_metadata.source_timestamp DESC,
                        datastream_metadata.change_sequence_number DESC
                ) AS version FROM {public_t}
            ) WHERE version = 1 AND kind NOT IN ('DELETE', 'UPDATE-DELETE')
        """)  # type: ignore[arg-type] - two columns
    )


def source(pipeline: Pipeline) -> dict[int, int]:
    with pipeline.connect() as connection:
        return dict(connection.execute("SELECT id, v FROM t").fetchall())


def test_the_worker_is_killed_at_random_moments(pipeline: Pipeline):
    start(pipeline)
    traffic = Traffic(pipeline, 4)
    traffic.start()
    moments = random.Random(3)
    while traffic.is_alive():
        time.sleep(moments.uniform(0.3, 1.3))
        pipeline.kill()
        pipeline.start()
    traffic.join()
    pipeline.catch_up()
    assert len(traffic.events) > 1000
    assert pipeline.changes("public_t", "id, v") == traffic.events
    assert latest(pipeline) == traffic.rows


def test_bigquery_is_killed_and_away_for_a_while(pipeline: Pipeline):
    start(pipeline)
    traffic = Traffic(pipeline, 3)
    traffic.start()
    for _ in range(2):
        time.sleep(0.5)
        pipeline.emulator.kill()
        pipeline.emulator.start()
    traffic.join()
    pipeline.catch_up()
    assert pipeline.changes("public_t", "id, v") == traffic.events
    assert any("BigQuery is not available" in line["message"] for line in pipeline.logged())
    pipeline.emulator.kill()
    pipeline.execute("INSERT INTO t VALUES (-1, -1)")
    time.sleep(1)
    assert pipeline.stop() == 0  # also while BigQuery is away
    pipeline.emulator.start()
    pipeline.start()
    pipeline.catch_up()
    assert pipeline.changes("public_t", "id, v") == [*traffic.events, ("INSERT", -1, -1)]


def test_postgres_is_killed(pipeline: Pipeline):
    start(pipeline)
    traffic = Traffic(pipeline, 4)
    traffic.start()
    for _ in range(2):
        time.sleep(1)
        pipeline.postgres.crash()
    traffic.join()
    pipeline.catch_up()
    # A commit may have happened whose answer the crash swallowed: the source is the judge.
    assert latest(pipeline) == source(pipeline)
    changes = pipeline.rows("SELECT datastream_metadata.change_sequence_number FROM {public_t}")
    assert len(changes) == len(set(changes)) > 500


def test_a_giant_transaction_is_neither_held_in_memory_nor_written_twice(pipeline: Pipeline):
    start(pipeline)
    assert pipeline.process
    process = psutil.Process(pipeline.process.pid)
    idle_bytes = process.memory_info().rss
    pipeline.execute("INSERT INTO t SELECT i, i % 100 FROM generate_series(1, 300000) i")
    peak_bytes = 0
    while not (count := pipeline.rows("SELECT COUNT(*) FROM {public_t}")[0][0]):
        time.sleep(0.02)
    assert count < 300_000  # killed in the middle of it
    peak_bytes = process.memory_info().rss
    pipeline.kill()
    pipeline.start()
    pipeline.catch_up()
    peak_bytes = max(peak_bytes, psutil.Process(pipeline.process.pid).memory_info().rss)
    assert pipeline.rows("SELECT COUNT(*), COUNT(DISTINCT id), SUM(v) FROM {public_t}") == [
        (300000, 300000, 14850000)
    ]
    assert peak_bytes - idle_bytes < 150_000_000


def test_a_backfill_that_is_killed_while_rows_change_shows_no_ghost(pipeline: Pipeline):
    ddl = [LEDGER, "CREATE TABLE progress (n int)", "INSERT INTO progress VALUES (0)"]
    pipeline.publish("t", *ddl, "INSERT INTO t SELECT i, 0 FROM generate_series(1, 200000) i")
    traffic = Traffic(pipeline, 3, first_id=1_000_000)
    traffic.start()
    pipeline.start()
    while not pipeline.emulator.rows(
        f"SELECT 1 FROM `{pipeline.name}.INFORMATION_SCHEMA.TABLES`"
    ) or not pipeline.rows("SELECT 1 FROM {public_t} LIMIT 1"):
        time.sleep(0.02)
    pipeline.kill()
    # Rows that the first attempt has, or may have, written.
    pipeline.execute("DELETE FROM t WHERE id % 7 = 0 AND id < 1000000", "UPDATE t SET v = 1 WHERE id < 50")
    pipeline.start()
    traffic.join()
    pipeline.execute("DELETE FROM t WHERE id % 11 = 0 AND id < 1000000")
    pipeline.catch_up()
    assert latest(pipeline) == source(pipeline)
    events = "COUNT(DISTINCT datastream_metadata.uuid)"
    backfilled = pipeline.rows(
        f"SELECT {events} FROM {{public_t}} WHERE datastream_metadata.change_sequence_number LIKE '%/0000000000'"
    )
    assert backfilled == [(1,)]


def test_the_log_is_not_kept_while_only_others_write(pipeline: Pipeline):
    start(pipeline)
    pipeline.execute(
        "CREATE TABLE other (v text)", "INSERT INTO other SELECT repeat('x', 1000) FROM generate_series(1, 5000)"
    )
    pipeline.catch_up(5)
    with pipeline.connect() as connection:
        (behind,) = connection.execute(
            "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn) FROM pg_replication_slots"
            " WHERE slot_name = %s",
            [pipeline.name],
        ).fetchone()  # type: ignore[misc] - the slot is there
    assert behind < 100_000


def test_a_table_that_was_removed_from_bigquery_is_made_again(pipeline: Pipeline):
    start(pipeline)
    pipeline.execute("INSERT INTO t VALUES (1, 1)")
    pipeline.catch_up()
    pipeline.emulator.client.delete_table(f"{pipeline.name}.public_t")
    pipeline.execute("INSERT INTO t VALUES (2, 2)")
    pipeline.catch_up()
    assert pipeline.changes("public_t", "id, v") == [("INSERT", 2, 2)]
