"""Each kind of change of the source, as Datastream writes it."""

import datetime as dt
import hashlib
import time
import uuid
from decimal import Decimal

import pytest

from omnipipe.contracts.sources.mobility import PUBLIC_CUSTOMERS, PUBLIC_TRIPS
from tests.laptop.services.datastream.conftest import SCHEMA_SQL, Pipeline


def without_descriptions(fields: list[dict]) -> list[dict]:
    legacy = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
    return [
        {
            "name": field["name"],
            "type": legacy.get(field["type"], field["type"]),
            "mode": field.get("mode", "NULLABLE"),
            "fields": without_descriptions(field.get("fields", [])),
        }
        for field in fields
    ]


def test_the_projects_tables_are_what_the_contracts_say(pipeline: Pipeline):
    identifier = {"schema": "public", "table": "trips"}
    pipeline.stream["ruleSets"] = [
        {
            "objectFilter": {"sourceObjectIdentifier": {"postgresqlIdentifier": identifier}},
            "customizationRules": [
                {
                    "bigqueryPartitioning": {
                        "ingestionTimePartition": {
                            "partitioningTimeGranularity": "PARTITIONING_TIME_GRANULARITY_DAY"
                        }
                    }
                },
                {"bigqueryClustering": {"columns": ["trip_id"]}},
            ],
        }
    ]
    pipeline.publish("public.customers, public.trips", SCHEMA_SQL.read_text())
    pipeline.start()
    pipeline.catch_up()
    client = pipeline.emulator.client
    for declared in (PUBLIC_CUSTOMERS, PUBLIC_TRIPS):
        table = client.get_table(f"{pipeline.name}.{declared.name}")
        made = [field.to_api_repr() for field in table.schema]
        assert without_descriptions(made) == without_descriptions(declared.schema())
    trips = client.get_table(f"{pipeline.name}.public_trips")
    assert trips.time_partitioning
    assert (trips.time_partitioning.type_, trips.time_partitioning.field) == ("DAY", None)
    assert trips.clustering_fields == ["trip_id"]


def test_insert_update_delete(pipeline: Pipeline):
    pipeline.publish("t", "CREATE TABLE t (id int PRIMARY KEY, v text)")
    pipeline.start()
    pipeline.catch_up()
    pipeline.execute(
        "INSERT INTO t VALUES (1, 'a'), (2, '')",
        "UPDATE t SET v = NULL WHERE id = 1",
        "DELETE FROM t WHERE id = 2",
        "INSERT INTO t VALUES (2, 'again')",
        "UPDATE t SET id = 3, v = 'moved' WHERE id = 2",
    )
    pipeline.catch_up()
    assert pipeline.changes("public_t", "id, v") == [
        ("INSERT", 1, "a"),
        ("INSERT", 2, ""),
        ("UPDATE-INSERT", 1, None),
        ("DELETE", 2, None),
        ("INSERT", 2, "again"),
        ("UPDATE-DELETE", 2, None),
        ("UPDATE-INSERT", 3, "moved"),
    ]


def test_the_metadata_orders_the_changes_and_names_each(pipeline: Pipeline):
    pipeline.publish("t", "CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)")
    pipeline.start()
    pipeline.catch_up()
    before_ms = time.time_ns() // 1_000_000
    pipeline.execute("INSERT INTO t SELECT generate_series(3, 12)", "DELETE FROM t WHERE id = 3")
    pipeline.catch_up()
    rows = pipeline.rows("SELECT id, datastream_metadata FROM {public_t}")
    marks = {(id_, mark["change_type"]): mark for id_, mark in rows}
    assert all(
        mark["sort_keys"] == [str(mark["source_timestamp"]), mark["change_sequence_number"]] for _, mark in rows
    )
    backfill = [marks[1, "INSERT"], marks[2, "INSERT"]]
    assert backfill[0] == backfill[1]
    changes = [marks[i, "INSERT"] for i in range(3, 13)] + [marks[3, "DELETE"]]
    numbers = [mark["change_sequence_number"] for mark in changes]
    assert backfill[0]["change_sequence_number"] < numbers[0]
    assert numbers == sorted(set(numbers))
    assert len({mark["source_timestamp"] for mark in changes[:10]}) == 1
    assert all(before_ms - 2 <= mark["source_timestamp"] <= time.time_ns() // 1_000_000 for mark in changes)
    uuids = {mark["uuid"] for mark in changes}
    assert len(uuids) == len(changes)
    assert all(str(uuid.UUID(text)) == text and uuid.UUID(text).version == 4 for text in uuids)


BIG = "(SELECT string_agg(md5(i::text || '{}'), '') FROM generate_series(1, 400) i)"


def big(seed: str) -> str:
    """A value that is stored outside of its row: large, and not to be compressed away."""
    return "".join(hashlib.md5(f"{i}{seed}".encode()).hexdigest() for i in range(1, 401))  # noqa: S324


@pytest.mark.parametrize("identity", ["DEFAULT", "FULL"])
def test_a_large_value_that_an_update_leaves_alone_stays(pipeline: Pipeline, identity: str):
    ddl = "CREATE TABLE t (id int, part text, n int, v text, j jsonb, b bytea, PRIMARY KEY (id, part))"
    x, j, b = (BIG.format(seed) for seed in "xjb")
    first = f"INSERT INTO t SELECT 1, 'a', 0, {x}, jsonb_build_array({j}), {b}::bytea"
    pipeline.publish("t", ddl, f"ALTER TABLE t REPLICA IDENTITY {identity}", first)
    pipeline.start()
    pipeline.catch_up()
    pipeline.execute("UPDATE t SET n = 1")  # from BigQuery
    pipeline.catch_up()
    pipeline.execute(
        f"UPDATE t SET v = {BIG.format('y')}",
        "UPDATE t SET n = 2",  # v from earlier in the batch, j and b from BigQuery
        "UPDATE t SET part = 'b'",  # by the old key
        "UPDATE t SET n = 3",
        "UPDATE t SET v = NULL, n = 4",
    )
    pipeline.catch_up()
    rows = pipeline.changes("public_t", "part, n, v, j, b")
    kept = [row for row in rows if row[0] != "UPDATE-DELETE"]
    v = [{None: None, big("x"): "x", big("y"): "y"}[row[3]] for row in kept]
    assert [(*row[:3], text) for row, text in zip(kept, v, strict=True)] == [
        ("INSERT", "a", 0, "x"),
        ("UPDATE-INSERT", "a", 1, "x"),
        ("UPDATE-INSERT", "a", 1, "y"),
        ("UPDATE-INSERT", "a", 2, "y"),
        ("UPDATE-INSERT", "b", 2, "y"),
        ("UPDATE-INSERT", "b", 3, "y"),
        ("UPDATE-INSERT", "b", 4, None),
    ]
    assert all(row[4] == [big("j")] and row[5] == big("b").encode() for row in kept)
    (moved,) = (row for row in rows if row[0] == "UPDATE-DELETE")
    assert moved[1] == "a"


def test_a_large_value_that_bigquery_lacks_is_read_from_the_source_and_never_null(
    pipeline: Pipeline, dead_letters: None
):
    del pipeline.stream["backfillAll"]
    pipeline.stream["backfillNone"] = {}
    pipeline.publish(
        "t",
        "CREATE TABLE t (id int PRIMARY KEY, n int, v text)",
        f"INSERT INTO t SELECT i, 0, {BIG.format('x')} FROM generate_series(1, 2) i",
    )
    pipeline.start()
    pipeline.catch_up()
    with pipeline.connect() as connection, connection.transaction():
        connection.execute("UPDATE t SET n = 1")
        connection.execute("DELETE FROM t WHERE id = 2")
    pipeline.catch_up()
    rows = pipeline.changes("public_t", "id, n, v")
    assert [row for row in rows if row[0] == "UPDATE-INSERT"] == [("UPDATE-INSERT", 1, 1, big("x"))]
    (letter,) = pipeline.emulator.rows(f"SELECT reason FROM ops.dead_letters WHERE origin = '{pipeline.name}'")
    assert "v: not in the log" in letter[0]


def test_truncate_is_not_replicated_but_said(pipeline: Pipeline):
    pipeline.publish("t, u", "CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE u (id int PRIMARY KEY)")
    pipeline.start()
    pipeline.catch_up()
    pipeline.execute(
        "INSERT INTO t VALUES (1)", "INSERT INTO u VALUES (1)", "TRUNCATE t, u", "INSERT INTO t VALUES (1)"
    )
    pipeline.catch_up()
    assert pipeline.changes("public_t", "id") == [("INSERT", 1), ("INSERT", 1)]
    warnings = [line["message"] for line in pipeline.logged() if line["severity"] == "WARNING"]
    assert sorted(warnings) == [f"public.{t} was truncated: Datastream does not replicate that" for t in "tu"]


def test_columns_that_come_go_and_change(pipeline: Pipeline, dead_letters: None):
    pipeline.publish("t", "CREATE TABLE t (id int PRIMARY KEY, a int, b text)")
    pipeline.start()
    pipeline.catch_up()
    pipeline.execute(
        "INSERT INTO t VALUES (1, 1, 'b')",
        "ALTER TABLE t ADD COLUMN c timestamptz, ADD COLUMN d numeric(40, 15)",
        "INSERT INTO t VALUES (2, 2, 'b', '2024-01-01Z', 1.5)",
        "ALTER TABLE t DROP COLUMN b",
        "INSERT INTO t VALUES (3, 3, '2024-01-01Z', NULL)",
        "ALTER TABLE t ALTER COLUMN a TYPE text",
        "INSERT INTO t VALUES (4, '4', NULL, NULL)",
        "INSERT INTO t VALUES (5, 'five', NULL, NULL)",
        "ALTER TABLE t RENAME COLUMN a TO e",
        "INSERT INTO t VALUES (6, 'six', NULL, NULL)",
    )
    pipeline.catch_up()
    stamp = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    assert pipeline.changes("public_t", "id, a, b, c, d, e") == [
        ("INSERT", 1, 1, "b", None, None, None),
        ("INSERT", 2, 2, "b", stamp, Decimal("1.5"), None),
        ("INSERT", 3, 3, None, stamp, None, None),
        ("INSERT", 4, 4, None, None, None, None),
        ("INSERT", 6, None, None, None, None, "six"),
    ]
    (letter,) = pipeline.emulator.rows(f"SELECT reason FROM ops.dead_letters WHERE origin = '{pipeline.name}'")
    assert letter[0].startswith("a: a value of 4 characters that is no INT64. ")


def test_only_the_streams_objects_are_replicated(pipeline: Pipeline):
    source = pipeline.stream["sourceConfig"]["postgresqlSourceConfig"]
    tables = [{"table": "part", "postgresqlColumns": [{"column": "id"}, {"column": "b"}]}, {"table": "all"}]
    source["includeObjects"] = {"postgresqlSchemas": [{"schema": "public", "postgresqlTables": tables}]}
    hidden = {"table": "all", "postgresqlColumns": [{"column": "secret"}]}
    source["excludeObjects"] = {"postgresqlSchemas": [{"schema": "public", "postgresqlTables": [hidden]}]}
    ddl = "CREATE TABLE public.{} (a int, id int PRIMARY KEY, b int, secret text)"
    names = ("part", '"all"', "other")
    pipeline.publish(
        ", ".join(names), *[ddl.format(name) for name in names], "INSERT INTO part VALUES (1, 1, 1, 's')"
    )
    pipeline.start()
    pipeline.catch_up()
    pipeline.execute(*[f"INSERT INTO {name} VALUES (2, 3, 4, 's')" for name in names])
    pipeline.execute("UPDATE part SET id = 5 WHERE id = 3")
    pipeline.catch_up()
    client = pipeline.emulator.client
    assert sorted(table.table_id for table in client.list_tables(pipeline.name)) == ["public_all", "public_part"]
    assert pipeline.changes("public_part", "id, b") == [
        ("INSERT", 1, 1),
        ("INSERT", 3, 4),
        ("UPDATE-DELETE", 3, None),
        ("UPDATE-INSERT", 5, 4),
    ]
    assert [field.name for field in client.get_table(f"{pipeline.name}.public_part").schema][:-1] == ["id", "b"]
    assert [field.name for field in client.get_table(f"{pipeline.name}.public_all").schema][:-1] == [
        "a",
        "id",
        "b",
    ]


def test_a_table_without_key_and_a_dataset_for_each_schema(pipeline: Pipeline):
    bigquery = pipeline.stream["destinationConfig"]["bigqueryDestinationConfig"]
    del bigquery["singleTargetDataset"]
    bigquery["sourceHierarchyDatasets"] = {"datasetTemplate": {"location": "EU", "datasetIdPrefix": pipeline.name}}
    pipeline.publish('"odd.schema"."a$b"', 'CREATE SCHEMA "odd.schema"', 'CREATE TABLE "odd.schema"."a$b" (v int)')
    pipeline.start()
    pipeline.catch_up()
    pipeline.execute('INSERT INTO "odd.schema"."a$b" VALUES (1), (1)')
    pipeline.catch_up()
    assert pipeline.emulator.rows(f"SELECT v FROM `{pipeline.name}odd_schema.a_b`") == [(1,), (1,)]
