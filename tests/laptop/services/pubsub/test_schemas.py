"""Schemas: definitions, revisions, and messages that do not fit."""

import io
import json
from typing import Any

import fastavro
import pytest
from google.api_core import exceptions
from google.pubsub_v1.types import Encoding, Schema

from omnipipe.laptop.services.pubsub.avro import AvroSchema
from omnipipe.laptop.services.pubsub.protocol_buffers import ProtoSchema
from tests.laptop.conftest import PROJECT
from tests.laptop.services.pubsub.conftest import Running
from tests.laptop.services.pubsub.receiving import pulled

PARENT = f"projects/{PROJECT}"
TRIP = {
    "type": "record",
    "name": "Trip",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "city", "type": ["null", "string"], "default": None},
        {"name": "legs", "type": {"type": "array", "items": {"type": "record", "name": "Leg", "fields": [
            {"name": "km", "type": "double"},
            {"name": "by", "type": {"type": "enum", "name": "By", "symbols": ["BIKE", "CAR"]}},
        ]}}},
        {"name": "raw", "type": "bytes"},
        {"name": "tags", "type": {"type": "map", "values": "int"}},
    ],
}  # fmt: skip
GOOD: dict[str, Any] = {
    "id": 1,
    "city": {"string": "Graz"},
    "legs": [{"km": 1.5, "by": "BIKE"}],
    "raw": "ÿ",
    "tags": {"a": 1},
}
PROTO = (
    'syntax = "proto3"; package p; message Trip { int64 id = 1; Place to = 2; message Place { string city = 1; } }'
)


def avro_type(definition: Any, name: str = "") -> Schema:
    return Schema(name=name, type_=Schema.Type.AVRO, definition=json.dumps(definition))


def test_avros_json_is_read_as_it_is_written() -> None:
    read = AvroSchema(json.dumps(TRIP)).from_json(json.dumps(GOOD).encode())
    assert read == {**GOOD, "city": "Graz", "raw": b"\xff"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": "1"}, "the field id is no long"),
        ({"id": 1 << 63}, "the field id is no long"),
        ({"id": True}, "the field id is no long"),
        ({"city": "Graz"}, "the field city is a union"),
        ({"city": {"int": 1}}, "the field city is a union"),
        ({"legs": [{"km": 1.5, "by": "BOAT"}]}, r"the field legs\[0\].by is no enum"),
        ({"legs": [{"km": 1.5}]}, r"the field legs\[0\].by is missing"),
        ({"legs": {}}, "the field legs is no array"),
        ({"raw": "€"}, "no bytes"),
        ({"tags": {"a": 1 << 31}}, "the field tags.a is no int"),
        ({"colour": "red"}, "there is no field colour in the schema"),
    ],
)
def test_what_does_not_fit_an_avro_schema_is_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        AvroSchema(json.dumps(TRIP)).from_json(json.dumps(GOOD | change).encode())


def test_avros_binary_is_read_to_its_end() -> None:
    schema, body = AvroSchema(json.dumps(TRIP)), io.BytesIO()
    record = {**GOOD, "city": "Graz", "raw": b"\xff"}
    fastavro.schemaless_writer(body, fastavro.parse_schema(TRIP), record)
    assert schema.from_binary(body.getvalue()) == record
    with pytest.raises(ValueError, match="there is more after the record"):
        schema.from_binary(body.getvalue() + b"\0")
    with pytest.raises(ValueError, match="not the record"):
        schema.from_binary(body.getvalue()[:-3])


UNKNOWN_TYPE = '{"type": "record", "name": "R", "fields": [{"name": "a", "type": "no"}]}'


@pytest.mark.parametrize("definition", ["", "{", '"string"', '{"type": "record", "name": "R"}', UNKNOWN_TYPE])
def test_what_is_no_avro_record_is_no_schema(definition: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its words are fastavro's
        AvroSchema(definition)


def test_protocol_buffers_are_compiled_and_read_strictly() -> None:
    schema = ProtoSchema(PROTO)
    assert schema.from_json(b'{"id": "7", "to": {"city": "Graz"}}') == {"id": 7, "to": {"city": "Graz"}}
    assert schema.from_binary(b"\x08\x07") == {"id": 7}
    for wrong in (b'{"id": "x"}', b'{"colour": 1}', b"{"):
        with pytest.raises(ValueError):  # noqa: PT011 - its words are protobuf's
            schema.from_json(wrong)
    with pytest.raises(ValueError, match="the field 9 is not in the schema"):
        schema.from_binary(b"\x48\x01")
    with pytest.raises(ValueError, match="the field 9 is not in the schema"):
        schema.from_binary(b"\x12\x02\x48\x01")


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ("message {", "Expected"),
        ('syntax = "proto3"; message A {} message B {}', "one message at its top, and this one 2"),
        ('syntax = "proto3"; import "x.proto"; message A {}', "File not found"),
    ],
)
def test_what_is_no_protocol_buffer_is_no_schema(definition: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ProtoSchema(definition)


def made(pubsub: Running, definition: Any = TRIP) -> str:
    request = {"parent": PARENT, "schema_id": f"trips-{pubsub.new()}", "schema": avro_type(definition)}
    return pubsub.schemas().create_schema(request=request).name


def test_a_topic_takes_what_fits_its_schema_and_nothing_else(pubsub: Running) -> None:
    schema = made(pubsub)
    topic = pubsub.topic(schema_settings={"schema": schema, "encoding": Encoding.JSON})
    subscription = pubsub.subscription(topic)
    publisher = pubsub.publisher()
    publisher.publish(topic, json.dumps(GOOD).encode(), mine="1").result(10)
    with pytest.raises(
        exceptions.InvalidArgument, match="Invalid data in message: Message failed schema validation"
    ):
        publisher.publish(topic, b'{"id": 1}').result(10)
    (got,) = pulled(pubsub.subscriber(), subscription, 1)
    revision = pubsub.schemas().get_schema(name=schema).revision_id
    assert dict(got.message.attributes) == {
        "mine": "1",
        "googclient_schemaencoding": "JSON",
        "googclient_schemaname": schema,
        "googclient_schemarevisionid": revision,
    }


def test_a_message_of_a_batch_that_does_not_fit_keeps_the_others_away_too(pubsub: Running) -> None:
    topic = pubsub.topic(schema_settings={"schema": made(pubsub), "encoding": Encoding.BINARY})
    subscription = pubsub.subscription(topic)
    answer = pubsub.rest("POST", f"{topic}:publish", {"messages": [{"data": "AAAA"}, {"data": "/w=="}]})
    assert (answer.status_code, "failed schema validation" in answer.json()["error"]["message"]) == (400, True)
    assert pubsub.subscriber().get_subscription(subscription=subscription)


def test_revisions_are_committed_rolled_back_and_removed(pubsub: Running) -> None:
    client, name = pubsub.schemas(), made(pubsub)
    first = client.get_schema(name=name).revision_id
    wider = {**TRIP, "fields": [*TRIP["fields"], {"name": "note", "type": "string", "default": ""}]}
    second = client.commit_schema(name=name, schema=avro_type(wider, name)).revision_id
    assert client.get_schema(name=name).revision_id == second
    assert client.get_schema(name=f"{name}@{first}").definition == json.dumps(TRIP)
    third = client.rollback_schema(name=name, revision_id=first).revision_id
    assert [each.revision_id for each in client.list_schema_revisions(name=name)] == [third, second, first]
    client.delete_schema_revision(name=f"{name}@{second}", revision_id="")
    with pytest.raises(exceptions.NotFound):
        client.get_schema(name=f"{name}@{second}")
    assert name in [each.name for each in client.list_schemas(parent=PARENT)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fields": [*TRIP["fields"], {"name": "note", "type": "string"}]}, "note has no default"),
        ({"fields": [{"name": "id", "type": "string"}, *TRIP["fields"][1:]]}, "id has another type"),
        ({"fields": TRIP["fields"][:1]}, "has no default, and only one"),
        ({"name": "Ride"}, "the record Trip is called Ride"),
    ],
)
def test_a_revision_that_is_not_compatible_is_refused(pubsub: Running, change: dict[str, Any], words: str) -> None:
    name = made(pubsub)
    with pytest.raises(exceptions.InvalidArgument, match=words):
        pubsub.schemas().commit_schema(name=name, schema=avro_type(TRIP | change, name))


def test_a_topic_takes_the_revisions_of_its_range_only(pubsub: Running) -> None:
    client, name = pubsub.schemas(), made(pubsub)
    first = client.get_schema(name=name).revision_id
    wider = {**TRIP, "fields": [*TRIP["fields"], {"name": "note", "type": "string", "default": ""}]}
    client.commit_schema(name=name, schema=avro_type(wider, name))
    settings = {"schema": name, "encoding": Encoding.JSON}
    both, old = (
        pubsub.topic(schema_settings=settings),
        pubsub.topic(schema_settings={**settings, "last_revision_id": first}),
    )
    publisher, noted = pubsub.publisher(), json.dumps({**GOOD, "note": "x"}).encode()
    publisher.publish(both, noted).result(10)
    publisher.publish(both, json.dumps(GOOD).encode()).result(10)
    with pytest.raises(exceptions.InvalidArgument, match="there is no field note in the schema"):
        publisher.publish(old, noted).result(10)


def test_schemas_and_messages_are_validated_without_being_kept(pubsub: Running) -> None:
    client = pubsub.schemas()
    client.validate_schema(parent=PARENT, schema=avro_type(TRIP))
    with pytest.raises(exceptions.InvalidArgument, match="Invalid schema definition"):
        client.validate_schema(
            parent=PARENT, schema=Schema(type_=Schema.Type.PROTOCOL_BUFFER, definition="message {")
        )
    message = {"parent": PARENT, "schema": avro_type(TRIP), "encoding": Encoding.JSON}
    client.validate_message(request={**message, "message": json.dumps(GOOD).encode()})
    with pytest.raises(exceptions.InvalidArgument, match="Message failed schema validation"):
        client.validate_message(request={**message, "message": b"{}"})


def test_a_topic_whose_schema_is_deleted_takes_nothing(pubsub: Running) -> None:
    name = made(pubsub)
    topic = pubsub.topic(schema_settings={"schema": name, "encoding": Encoding.JSON})
    pubsub.schemas().delete_schema(name=name)
    assert pubsub.publisher().get_topic(topic=topic).schema_settings.schema == "_deleted-schema_"
    with pytest.raises(exceptions.FailedPrecondition, match="The schema of the topic is deleted"):
        pubsub.publisher().publish(topic, json.dumps(GOOD).encode()).result(10)


def test_a_topic_of_a_schema_that_there_is_not_is_refused(pubsub: Running) -> None:
    with pytest.raises(exceptions.NotFound, match=r"Resource not found \(resource=nowhere\)"):
        pubsub.topic(schema_settings={"schema": f"{PARENT}/schemas/nowhere", "encoding": Encoding.JSON})
