"""What Datastream refuses to start with, and what the laptop does not do: one clear line each, and an exit code."""

import psycopg

from omnipipe.laptop.services.datastream import status
from tests.laptop.conftest import start_postgres, stop_postgres
from tests.laptop.services.datastream.conftest import Pipeline


def test_every_problem_of_the_source_is_named_at_once(pipeline: Pipeline):
    pipeline.execute(
        "CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE u (id int)", "CREATE PUBLICATION changes FOR TABLE t"
    )
    pipeline.execute(
        "CREATE ROLE weak LOGIN PASSWORD 'weak'",
        f"SELECT pg_create_logical_replication_slot('{pipeline.name}', 'test_decoding')",
    )
    tables = [{"table": "t"}, {"table": "u"}]
    source = pipeline.stream["sourceConfig"]["postgresqlSourceConfig"]
    source["includeObjects"] = {"postgresqlSchemas": [{"schema": "public", "postgresqlTables": tables}]}
    pipeline.profile["postgresqlProfile"] |= {"username": "weak", "password": "weak"}
    assert pipeline.refusal() == [
        "the user weak may not replicate: ALTER USER weak REPLICATION",
        "the table public.u is not in the publication changes",
        "the user weak may not read public.t: GRANT SELECT ON public.t TO weak",
        f"the replication slot {pipeline.name} uses the plugin test_decoding, not pgoutput",
    ]
    known = status.read(pipeline.state_dir)
    assert known
    assert known.state == "FAILED"
    pipeline.execute("DROP ROLE weak")


def test_publication_and_slot_have_to_be_there(pipeline: Pipeline):
    first, second = pipeline.refusal()
    assert first.startswith("the publication changes does not exist")
    assert second.startswith(f"the replication slot {pipeline.name} does not exist")


def test_the_wal_level_has_to_be_logical(pipeline: Pipeline):
    pipeline.publish("t", "CREATE TABLE t (id int PRIMARY KEY)")
    server = pipeline.postgres
    pipeline.execute(f"SELECT pg_drop_replication_slot('{pipeline.name}')")
    stop_postgres(server.process)
    server.process = start_postgres(server, {"wal_level": "replica"})
    try:
        assert "wal_level is replica, Datastream needs logical" in pipeline.refusal()[0]
    finally:
        stop_postgres(server.process)
        server.process = start_postgres(server)


def test_a_wrong_password_is_not_tried_forever(pipeline: Pipeline):
    pipeline.profile["postgresqlProfile"]["password"] = "wrong"
    (line,) = pipeline.refusal()
    assert line.startswith("PostgreSQL does not let the stream in:")
    assert "password authentication failed" in line


def test_the_target_dataset_has_to_be_there(pipeline: Pipeline):
    pipeline.publish("t", "CREATE TABLE t (id int PRIMARY KEY)")
    pipeline.emulator.client.delete_dataset(pipeline.name)
    assert pipeline.refusal() == [f"the target dataset {pipeline.name} does not exist in omnipipe-test"]


def test_merge_mode_is_refused_by_name(pipeline: Pipeline):
    destination = pipeline.stream["destinationConfig"]["bigqueryDestinationConfig"]
    destination["merge"] = {}
    del destination["appendOnly"]
    (line,) = pipeline.refusal()
    assert "merge mode" in line
    assert "supports append-only mode" in line


def test_a_stream_that_is_not_to_run_does_nothing(pipeline: Pipeline):
    pipeline.stream["desiredState"] = "PAUSED"
    pipeline.start()
    assert pipeline.process
    assert pipeline.process.wait(20) == 0
    known = status.read(pipeline.state_dir)
    assert known
    assert known.state == "PAUSED"


def test_a_slot_that_somebody_else_reads_is_waited_for(pipeline: Pipeline):
    pipeline.publish("t", "CREATE TABLE t (id int PRIMARY KEY)")
    pipeline.start()
    pipeline.catch_up()
    first = pipeline.process
    pipeline.execute("INSERT INTO t VALUES (1)")
    pipeline.start()
    pipeline.wait_logged("is active for PID")
    assert first
    first.kill()
    first.wait()
    pipeline.execute("INSERT INTO t VALUES (2)")
    pipeline.wait_logged("following the slot", times=2)
    pipeline.catch_up()
    assert pipeline.changes("public_t", "id") == [("INSERT", 1), ("INSERT", 2)]


def test_a_slot_that_is_dropped_later_ends_the_stream(pipeline: Pipeline):
    pipeline.publish("t", "CREATE TABLE t (id int PRIMARY KEY)")
    pipeline.start()
    pipeline.catch_up()
    with psycopg.connect(pipeline.postgres.admin_dsn(pipeline.name), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE slot_name = %s",
            [pipeline.name],
        )
        connection.execute("SELECT pg_drop_replication_slot(%s)", [pipeline.name])
    assert pipeline.process
    assert pipeline.process.wait(20) == 1
    known = status.read(pipeline.state_dir)
    assert known
    assert "does not exist" in (known.error or "")
