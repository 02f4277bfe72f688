"""BigQuery subscriptions: rows in a real emulator, behind its gate."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.api_core import exceptions
from google.api_core.retry import Retry
from google.cloud import bigquery
from google.pubsub_v1.types import Encoding, Schema

from omnipipe.laptop.iam.bindings import PUBSUB_AGENT
from omnipipe.laptop.iam.credentials import LocalCredentials
from omnipipe.laptop.iam.tokens import OWNER
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.bigquery import emulator
from tests.laptop.conftest import PROJECT, grant
from tests.laptop.services.pubsub.conftest import Running
from tests.laptop.services.pubsub.receiving import pull, pulled, until

METADATA = [("subscription_name", "STRING"), ("message_id", "STRING"), ("publish_time", "TIMESTAMP")]
METADATA += [("attributes", "JSON")]
PLAIN = [("data", "STRING")]


class Warehouse:
    """BigQuery, where Pub/Sub looks for it."""

    def __init__(self, pubsub: Running) -> None:
        self._cloud = pubsub.cloud
        self._log = pubsub.log.with_name("bigquery.log")
        credentials = LocalCredentials(self._cloud.tokens, OWNER)
        self.client = bigquery.Client(
            PROJECT, credentials, client_options={"api_endpoint": self._cloud.bigquery_url}
        )
        self.start()
        self.client.create_dataset("landing")
        dataset = f"projects/{PROJECT}/datasets/landing"
        inputs = {"datasetId": "landing", "location": "EU"}
        self._cloud.registry.put(Resource("gcp:bigquery/dataset:Dataset", "landing", inputs, id=dataset))

    def start(self) -> None:
        cloud = self._cloud
        argv = emulator.argv(cloud.home.path("bigquery"), cloud.ports.of("bigquery"), PROJECT, cloud.identity)
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=log)
        emulator.wait_ready(cloud.ports.of("bigquery"), 30)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def table(self, name: str, *columns: tuple[str, ...], may: bool = True) -> str:
        fields = [
            bigquery.SchemaField(name, kind, mode=mode[0] if mode else "NULLABLE") for name, kind, *mode in columns
        ]
        self.client.create_table(bigquery.Table(f"{PROJECT}.landing.{name}", fields))
        if may:
            self.allow(name)
        return f"{PROJECT}.landing.{name}"

    def allow(self, table: str) -> None:
        for role in ("roles/bigquery.dataEditor", "roles/bigquery.metadataViewer"):
            type_ = "gcp:bigquery/iamMember:IamMember"
            grant(self._cloud, type_, role, PUBSUB_AGENT, datasetId="landing", tableId=table)

    def rows(self, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
        query, once = f"SELECT {columns} FROM `{table}`", Retry(predicate=lambda _: False)
        return [tuple(row.values()) for row in self.client.query_and_wait(query, retry=once, job_retry=once)]

    def wait(self, table: str, count: int) -> None:
        until(lambda: self.rows(table, "COUNT(*)") == [(count,)], 30)


@pytest.fixture(scope="module")
def warehouse(pubsub: Running) -> Iterator[Warehouse]:
    made = Warehouse(pubsub)
    yield made
    made.kill()


def schema(pubsub: Running, definition: Any) -> str:
    made = Schema(type_=Schema.Type.AVRO, definition=json.dumps(definition))
    request = {"parent": f"projects/{PROJECT}", "schema_id": f"rows-{pubsub.new()}", "schema": made}
    return pubsub.schemas().create_schema(request=request).name


def test_a_message_is_a_row_with_its_metadata(pubsub: Running, warehouse: Warehouse) -> None:
    table, topic = warehouse.table("plain", *PLAIN, *METADATA), pubsub.topic()
    subscription = pubsub.subscription(topic, bigquery_config={"table": table, "write_metadata": True})
    made = pubsub.subscriber().get_subscription(subscription=subscription)
    assert (made.state.name, made.bigquery_config.state.name) == ("ACTIVE", "ACTIVE")
    id_ = pubsub.publisher().publish(topic, '{"é": 1}'.encode(), source="cart").result(10)
    warehouse.wait(table, 1)
    ((data, name, message_id, published, attributes),) = warehouse.rows(table)
    assert (data, name, message_id, attributes) == ('{"é": 1}', subscription, id_, {"source": "cart"})
    assert abs(published.timestamp() - time.time()) < 60


def test_many_messages_are_rows_once_each(pubsub: Running, warehouse: Warehouse) -> None:
    table, topic = warehouse.table("many", *PLAIN), pubsub.topic()
    pubsub.subscription(topic, bigquery_config={"table": table})
    publisher = pubsub.publisher()
    for number in range(3000):
        publisher.publish(topic, b"%d" % number)
    warehouse.wait(table, 3000)
    assert warehouse.rows(table, "COUNT(DISTINCT data)") == [(3000,)]


def test_the_topics_schema_makes_columns(pubsub: Running, warehouse: Warehouse) -> None:
    trip = {
        "type": "record",
        "name": "Trip",
        "fields": [
            {"name": "id", "type": "long"},
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
            {"name": "stops", "type": {"type": "array", "items": "string"}},
            {
                "name": "to",
                "type": {"type": "record", "name": "Place", "fields": [{"name": "x", "type": "double"}]},
            },
            {"name": "note", "type": ["null", "string"], "default": None},
        ],
    }
    columns = [("id", "INTEGER"), ("at", "TIMESTAMP"), ("note", "STRING"), ("stops", "STRING", "REPEATED")]
    fields = [bigquery.SchemaField(*each) for each in columns]
    fields.append(bigquery.SchemaField("to", "RECORD", fields=[bigquery.SchemaField("x", "FLOAT")]))
    warehouse.client.create_table(bigquery.Table(f"{PROJECT}.landing.trips", fields))
    warehouse.allow("trips")
    table = f"{PROJECT}.landing.trips"
    topic = pubsub.topic(schema_settings={"schema": schema(pubsub, trip), "encoding": Encoding.JSON})
    pubsub.subscription(topic, bigquery_config={"table": table, "use_topic_schema": True})
    body = {"id": 7, "at": 1_700_000_000_000_000, "stops": ["a", "b"], "to": {"x": 1.5}, "note": {"string": "hi"}}
    pubsub.publisher().publish(topic, json.dumps(body).encode()).result(10)
    warehouse.wait(table, 1)
    ((id_, at, note, stops, to),) = warehouse.rows(table)
    assert (id_, at.timestamp(), note, stops, to) == (7, 1_700_000_000, "hi", ["a", "b"], {"x": 1.5})


def test_json_fills_the_tables_columns_and_unknown_fields_may_be_dropped(
    pubsub: Running, warehouse: Warehouse
) -> None:
    table = warehouse.table("columns", ("id", "INTEGER"), ("more", "JSON"))
    topic = pubsub.topic()
    config = {"table": table, "use_table_schema": True, "drop_unknown_fields": True}
    pubsub.subscription(topic, bigquery_config=config)
    pubsub.publisher().publish(topic, b'{"id": 1, "more": {"a": [1]}, "colour": "red"}').result(10)
    warehouse.wait(table, 1)
    assert warehouse.rows(table) == [(1, {"a": [1]})]


@pytest.fixture
def letters(pubsub: Running) -> Callable[[str], tuple[str, str]]:
    """Let a table's messages that are no rows be dead letters; the topic, and the dead letters' subscription."""

    def made(table: str, **config: Any) -> tuple[str, str]:
        topic, dead = pubsub.topic(), pubsub.topic()
        policy = {"dead_letter_topic": dead, "max_delivery_attempts": 5}
        subscription = pubsub.subscription(
            topic, bigquery_config={"table": table, **config}, dead_letter_policy=policy
        )
        type_ = "gcp:pubsub/{}IAMMember:{}IAMMember"
        publisher, subscriber = type_.format("topic", "Topic"), type_.format("subscription", "Subscription")
        grant(pubsub.cloud, publisher, "roles/pubsub.publisher", PUBSUB_AGENT, topic=dead)
        grant(pubsub.cloud, subscriber, "roles/pubsub.subscriber", PUBSUB_AGENT, subscription=subscription)
        return topic, pubsub.subscription(dead)

    return made


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"no json", "the data is no JSON"),
        (b"[1]", "the data is no JSON object"),
        (b'{"colour": "red"}', "the table has no column colour"),
        (b'{"note": "x"}', "the column id is REQUIRED"),
        (b'{"id": true}', "the column id is INTEGER, and the message has true for it"),
        (b'{"id": "many"}', "many"),
        (b'{"id": {"a": 1}}', "an object or a list"),
    ],
)
def test_a_message_that_is_no_row_is_a_dead_letter_and_keeps_no_other_away(
    pubsub: Running, warehouse: Warehouse, letters: Any, data: bytes, reason: str
) -> None:
    table = warehouse.table(f"strict_{pubsub.new()}", ("id", "INTEGER", "REQUIRED"), ("note", "STRING"))
    topic, of_dead = letters(table, use_table_schema=True)
    publisher = pubsub.publisher()
    for content in (data, b'{"id": 1}'):
        publisher.publish(topic, content).result(10)
    warehouse.wait(table, 1)
    (letter,) = pulled(pubsub.subscriber(), of_dead, 1)
    assert letter.message.data == data
    assert reason in letter.message.attributes["CloudPubSubDeadLetterSourceDeliveryErrorMessage"]
    assert letter.message.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"
    assert warehouse.rows(table, "id") == [(1,)]


def test_a_table_that_the_agent_may_not_write_to_is_refused(pubsub: Running, warehouse: Warehouse) -> None:
    table, topic = warehouse.table("closed", *PLAIN, may=False), pubsub.topic()
    words = f"Service account {PUBSUB_AGENT} is missing permissions required to write to the BigQuery table: "
    with pytest.raises(exceptions.PermissionDenied) as refused:
        pubsub.subscription(topic, bigquery_config={"table": table})
    assert refused.value.message == words + "bigquery.tables.get, bigquery.tables.updateData."
    type_ = "gcp:bigquery/iamMember:IamMember"
    role = "roles/bigquery.metadataViewer"
    grant(pubsub.cloud, type_, role, PUBSUB_AGENT, datasetId="landing", tableId="closed")
    with pytest.raises(exceptions.PermissionDenied) as refused:
        pubsub.subscription(topic, bigquery_config={"table": table})
    assert refused.value.message == words + "bigquery.tables.updateData."


def test_a_grant_that_goes_holds_the_rows_back_and_one_that_comes_lets_them_in(
    pubsub: Running, warehouse: Warehouse
) -> None:
    table, topic = warehouse.table("taken", *PLAIN, may=False), pubsub.topic()
    type_, place = "gcp:bigquery/iamMember:IamMember", {"datasetId": "landing", "tableId": "taken"}
    made = grant(pubsub.cloud, type_, "roles/bigquery.dataEditor", PUBSUB_AGENT, **place)
    subscription = pubsub.subscription(topic, bigquery_config={"table": table})
    pubsub.cloud.registry.remove(made)
    pubsub.publisher().publish(topic, b"x").result(10)
    client = pubsub.subscriber()
    until(lambda: client.get_subscription(subscription=subscription).state.name == "RESOURCE_ERROR")
    found = client.get_subscription(subscription=subscription)
    assert found.bigquery_config.state.name == "PERMISSION_DENIED"
    assert warehouse.rows(table) == []
    warehouse.allow("taken")
    warehouse.wait(table, 1)
    until(lambda: client.get_subscription(subscription=subscription).state.name == "ACTIVE")


REFUSED: dict[str, tuple[list[tuple[str, ...]], dict[str, Any], str]] = {
    "no data": ([("text", "STRING")], {}, "no column data"),
    "data of numbers": ([("data", "INTEGER")], {}, "Incompatible schema type for field 'data'"),
    "a required column": ([*PLAIN, ("a", "STRING", "REQUIRED")], {}, "Incompatible schema mode for field 'a'"),
    "no metadata": (PLAIN, {"write_metadata": True}, "no column subscription_name"),
    "no schema": (PLAIN, {"use_topic_schema": True}, "no schema is enabled for the topic"),
    "two schemas": (PLAIN, {"use_topic_schema": True, "use_table_schema": True}, "Only one of use_topic_schema"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_table_that_does_not_take_the_rows_is_refused(pubsub: Running, warehouse: Warehouse, what: str) -> None:
    columns, config, words = REFUSED[what]
    table = warehouse.table(f"wrong_{pubsub.new()}", *columns)
    with pytest.raises(exceptions.InvalidArgument, match=words):
        pubsub.subscription(pubsub.topic(), bigquery_config={"table": table, **config})


def test_no_table_and_no_name_of_one_are_refused(pubsub: Running, warehouse: Warehouse) -> None:
    warehouse.allow("nowhere")
    with pytest.raises(exceptions.NotFound, match=f"Not found: Table {PROJECT}:landing.nowhere"):
        pubsub.subscription(pubsub.topic(), bigquery_config={"table": f"{PROJECT}.landing.nowhere"})
    with pytest.raises(exceptions.InvalidArgument, match=r"must be project\.dataset\.table: nowhere"):
        pubsub.subscription(pubsub.topic(), bigquery_config={"table": "nowhere"})


def test_a_restart_while_bigquery_is_away_is_no_delivery(
    pubsub: Running, warehouse: Warehouse, letters: Any
) -> None:
    table = warehouse.table("away", *PLAIN)
    topic, of_dead = letters(table)
    warehouse.kill()
    pubsub.publisher().publish(topic, b"x").result(10)
    for _ in range(6):
        time.sleep(0.1)
        assert pubsub.stop() == 0
        pubsub.start()
    warehouse.start()
    warehouse.wait(table, 1)
    assert pull(pubsub.subscriber(), of_dead) == []


def test_nothing_is_lost_when_pubsub_or_bigquery_is_killed(
    pubsub: Running, warehouse: Warehouse, crash: Callable[[], None]
) -> None:
    table, topic = warehouse.table("crashed", *PLAIN), pubsub.topic()
    pubsub.subscription(topic, bigquery_config={"table": table})
    publisher = pubsub.publisher()
    futures = [publisher.publish(topic, b"%d" % number) for number in range(2000)]
    for future in futures:
        future.result(20)
    warehouse.kill()
    futures = [publisher.publish(topic, b"%d" % number) for number in range(2000, 3000)]
    for future in futures:
        future.result(20)
    crash()
    warehouse.start()
    until(lambda: warehouse.rows(table, "COUNT(DISTINCT data)") == [(3000,)], 60)
