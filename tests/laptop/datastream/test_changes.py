"""Each kind of change of the source, as Datastream writes it."""

from omnipipe.contracts.tables import PUBLIC_CUSTOMERS, PUBLIC_TRIPS
from tests.laptop.datastream.conftest import SCHEMA_SQL, Pipeline


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
