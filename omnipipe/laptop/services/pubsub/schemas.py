"""Schemas, their revisions, and messages that must fit them. https://cloud.google.com/pubsub/docs/schemas"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from omnipipe.laptop.services.pubsub import avro, names, paging, protocol_buffers
from omnipipe.laptop.services.pubsub.failures import Failure, exists, invalid, not_found, precondition
from omnipipe.laptop.services.pubsub.messages import Empty, Message, Schema, named

if TYPE_CHECKING:
    from omnipipe.laptop.services.pubsub.access import Caller
    from omnipipe.laptop.services.pubsub.broker import Broker, Record

MAX_REVISIONS = 20
MAX_BYTES = 300_000
JSON, BINARY = 1, 2  # google.pubsub.v1.Encoding
_AVRO = Schema.Type.Value("AVRO")
_PROTOCOL_BUFFER = Schema.Type.Value("PROTOCOL_BUFFER")
_BASIC = 1  # google.pubsub.v1.SchemaView
_MISFIT = "Invalid data in message: Message failed schema validation"


@lru_cache(maxsize=200)
def compiled(type_: int, definition: str) -> avro.AvroSchema | protocol_buffers.ProtoSchema:
    """A schema that can judge messages. Raises Failure for a definition that is none."""
    if len(definition.encode()) > MAX_BYTES:
        raise invalid(f"The schema definition has more than {MAX_BYTES} bytes.")
    try:
        if type_ == _AVRO:
            return avro.AvroSchema(definition)
        if type_ == _PROTOCOL_BUFFER:
            return protocol_buffers.ProtoSchema(definition)
    except ValueError as error:
        raise invalid(f"Invalid schema definition: {error}") from error
    raise invalid("The schema type must be AVRO or PROTOCOL_BUFFER.")


async def create(broker: Broker, caller: Caller, request: Message) -> Message:
    """A new schema, its first revision."""
    project = names.project_of(request.parent)
    name = names.new("schemas", f"{project}/schemas/{request.schema_id}")
    caller.need("pubsub.schemas.create", project)
    if name in broker.schemas:
        raise exists(name)
    compiled(request.schema.type_, request.schema.definition)
    return await _add(broker, name, request.schema)


async def commit(broker: Broker, caller: Caller, request: Message) -> Message:
    """A further revision, which must be compatible with the newest one."""
    name = names.known("schemas", request.name)
    caller.need("pubsub.schemas.commit", name)
    newest = revisions(broker, name)[-1]
    if request.schema.type_ != newest.type_:
        raise invalid("The type of a schema cannot be changed.")
    if len(revisions(broker, name)) >= MAX_REVISIONS:
        raise precondition(f"The schema has {MAX_REVISIONS} revisions, which is the most: delete one first.")
    _require_compatible(newest, request.schema)
    return await _add(broker, name, request.schema)


async def rollback(broker: Broker, caller: Caller, request: Message) -> Message:
    """An earlier revision once more, as the newest."""
    name = names.known("schemas", request.name)
    caller.need("pubsub.schemas.rollback", name)
    return await _add(broker, name, _revision(broker, name, request.revision_id))


async def get(broker: Broker, caller: Caller, request: Message) -> Message:
    """A schema: its newest revision, or the one of ``NAME@REVISION``."""
    name, _, revision = request.name.partition("@")
    names.known("schemas", name)
    caller.need("pubsub.schemas.get", name)
    return _viewed(_revision(broker, name, revision), request.view)


async def list_(broker: Broker, caller: Caller, request: Message) -> Message:
    """The schemas of a project, each as its newest revision."""
    project = names.project_of(request.parent)
    caller.need("pubsub.schemas.list", project)
    page, token = paging.page(broker.schemas, project, request.page_size, request.page_token)
    found = [_viewed(broker.schemas[name][-1], request.view or _BASIC) for name in page]
    return named("ListSchemasResponse")(schemas=found, next_page_token=token)


async def list_revisions(broker: Broker, caller: Caller, request: Message) -> Message:
    """The revisions of a schema, the newest first."""
    name = names.known("schemas", request.name)
    caller.need("pubsub.schemas.listRevisions", name)
    found = [_viewed(each, request.view or _BASIC) for each in reversed(revisions(broker, name))]
    return named("ListSchemaRevisionsResponse")(schemas=found)


async def delete(broker: Broker, caller: Caller, request: Message) -> Message:
    """A schema is no more; topics that have it say so."""
    name = names.known("schemas", request.name)
    caller.need("pubsub.schemas.delete", name)
    revisions(broker, name)
    del broker.schemas[name]
    broker.store.write("DELETE FROM revisions WHERE schema = ?", name)
    for topic in list(broker.topics.values()):
        if topic.body.schema_settings.schema == name:
            topic.body.schema_settings.schema = names.DELETED_SCHEMA
            broker.keep(topic)
    await broker.store.committed()
    return Empty()


async def delete_revision(broker: Broker, caller: Caller, request: Message) -> Message:
    """One revision is no more; the last one stays."""
    name, _, revision = request.name.partition("@")
    names.known("schemas", name)
    caller.need("pubsub.schemas.delete", name)
    found = _revision(broker, name, revision or request.revision_id)
    if len(revisions(broker, name)) == 1:
        raise precondition("The only revision of a schema cannot be deleted: delete the schema.")
    broker.schemas[name].remove(found)
    broker.store.write("DELETE FROM revisions WHERE schema = ? AND revision = ?", name, found.revision_id)
    await broker.store.committed()
    return broker.schemas[name][-1]


async def validate(broker: Broker, caller: Caller, request: Message) -> Message:
    """Whether a definition is one."""
    caller.need("pubsub.schemas.validate", names.project_of(request.parent))
    compiled(request.schema.type_, request.schema.definition)
    return named("ValidateSchemaResponse")()


async def validate_message(broker: Broker, caller: Caller, request: Message) -> Message:
    """Whether a message fits a schema, one of the project's or one that comes with it."""
    caller.need("pubsub.schemas.validate", names.project_of(request.parent))
    schema = _revision(broker, request.name, "") if request.name else request.schema
    if request.encoding not in (JSON, BINARY):
        raise invalid("The encoding must be JSON or BINARY.")
    _decode(schema, request.encoding, request.message)
    return named("ValidateMessageResponse")()


def revisions(broker: Broker, name: str) -> list[Message]:
    """The revisions of a schema, the oldest first. Raises Failure (NOT_FOUND)."""
    if name not in broker.schemas:
        raise not_found(name)
    return broker.schemas[name]


def require_revisions(broker: Broker, settings: Message) -> None:
    """Raise Failure unless the schema of a topic's settings, its encoding and its revisions are there."""
    if settings.encoding not in (JSON, BINARY):
        raise invalid("The encoding of the schema settings must be JSON or BINARY.")
    for revision in ("", settings.first_revision_id, settings.last_revision_id):
        _revision(broker, settings.schema, revision)


def check(broker: Broker, topic: Record, messages: Sequence[Message]) -> None:
    """Raise Failure for a message that fits no revision of its topic's schema; say in the others which they fit."""
    settings = topic.body.schema_settings
    if not topic.body.HasField("schema_settings"):
        return
    if settings.schema == names.DELETED_SCHEMA:
        raise precondition("The schema of the topic is deleted: no message can be published to it.")
    allowed = _range(broker, settings)
    encoding = "JSON" if settings.encoding == JSON else "BINARY"
    for message in messages:
        fitting = _fitting(allowed, settings.encoding, message.data)
        # https://cloud.google.com/pubsub/docs/publish-topics-schema
        message.attributes["googclient_schemaencoding"] = encoding
        message.attributes["googclient_schemaname"] = settings.schema
        message.attributes["googclient_schemarevisionid"] = fitting.revision_id


def decoded(broker: Broker, topic: Record, message: Message) -> dict[str, Any]:
    """What a message of a topic with a schema says, as plain values. Raises Failure when it does not fit."""
    settings = topic.body.schema_settings
    revision = message.attributes.get("googclient_schemarevisionid", "")
    return _decode(_revision(broker, settings.schema, revision), settings.encoding, message.data)


def _fitting(allowed: Sequence[Message], encoding: int, data: bytes) -> Message:
    """The first revision, the newest before the others, that a message fits."""
    failure: Failure | None = None
    for revision in allowed:
        try:
            _decode(revision, encoding, data)
            return revision
        except Failure as error:
            failure = failure or error
    raise failure or invalid(_MISFIT + ".")


def _range(broker: Broker, settings: Message) -> list[Message]:
    """The revisions that a topic takes, the newest first."""
    all_ = revisions(broker, settings.schema)
    ids = [each.revision_id for each in all_]
    first = ids.index(settings.first_revision_id) if settings.first_revision_id in ids else 0
    last = ids.index(settings.last_revision_id) if settings.last_revision_id in ids else len(ids) - 1
    return list(reversed(all_[first : last + 1]))


def _decode(schema: Message, encoding: int, data: bytes) -> dict[str, Any]:
    judge = compiled(schema.type_, schema.definition)
    try:
        return judge.from_json(data) if encoding == JSON else judge.from_binary(data)
    except ValueError as error:
        raise invalid(f"{_MISFIT}: {error}") from error


def _revision(broker: Broker, name: str, revision: str) -> Message:
    found = revisions(broker, names.known("schemas", name))
    for each in reversed(found):
        if revision in ("", each.revision_id):
            return each
    raise not_found(f"{name}@{revision}")


def _require_compatible(before: Message, after: Message) -> None:
    one, other = compiled(before.type_, before.definition), compiled(after.type_, after.definition)
    if problem := other.differs(one):
        raise invalid(f"The new revision is not compatible with the one before: {problem}")


def _viewed(schema: Message, view: int) -> Message:
    made = Schema()
    made.CopyFrom(schema)
    if view == _BASIC:
        made.definition = ""
    return made


async def _add(broker: Broker, name: str, given: Message) -> Message:
    made = Schema(name=name, type_=given.type_, definition=given.definition, revision_id=uuid.uuid4().hex[:8])
    made.revision_create_time.FromMicroseconds(round(time.time() * 1e6))
    statement = "INSERT INTO revisions VALUES (?, ?, ?, ?)"
    position = broker.store.next_number("revision", 1)
    broker.store.write(statement, name, made.revision_id, position, made.SerializeToString())
    broker.schemas.setdefault(name, []).append(made)
    await broker.store.committed()
    return made
