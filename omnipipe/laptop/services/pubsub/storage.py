"""Cloud Storage subscriptions: messages are files of a bucket. https://cloud.google.com/pubsub/docs/cloudstorage"""

from __future__ import annotations

import asyncio
import io
import logging
import re
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import fastavro
import grpc
import requests

from omnipipe.laptop.services.pubsub import schemas
from omnipipe.laptop.services.pubsub.avro import AvroSchema
from omnipipe.laptop.services.pubsub.broker import seconds
from omnipipe.laptop.services.pubsub.delivery import Item, Taker
from omnipipe.laptop.services.pubsub.failures import Failure, invalid, not_here
from omnipipe.laptop.services.pubsub.messages import CloudStorageConfig, Message, Subscription

if TYPE_CHECKING:
    from omnipipe.laptop.services.pubsub.broker import Broker, Followed
    from omnipipe.laptop.services.pubsub.outside import Outside
    from omnipipe.laptop.services.pubsub.workers import Workers

logger = logging.getLogger(__name__)
DURATION_S, MAX_BYTES, MESSAGES = (60, 600), (1_000, 10 << 30), (1_000, None)
DEFAULT_DURATION_S = 300.0
# What waits for its file is in memory here, so a file ends earlier than it might on Google.
_MOST_BYTES, _MOST_MESSAGES = 32 << 20, 50_000
_LEASE_S = 600.0
_PAUSES_S = (0.2, 30.0)
_FORMAT = "YYYY-MM-DD/hh_mm_ssZ"
_WORDS = {"YYYY": "%Y", "YY": "%y", "MM": "%m", "DD": "%d", "hh": "%H", "mm": "%M", "ss": "%S"}
_DATA: list[dict[str, Any]] = [{"name": "data", "type": "bytes"}]
_METADATA: list[dict[str, Any]] = [
    {"name": "subscription_name", "type": "string"},
    {"name": "message_id", "type": "string"},
    {"name": "publish_time", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "attributes", "type": {"type": "map", "values": "string"}},
]


async def check(broker: Broker, outside: Outside, body: Message) -> None:
    """Raise Failure unless the bucket of a subscription is there and may be written to, and its settings are good."""
    config = body.cloud_storage_config
    if config.HasField("max_duration") and not DURATION_S[0] <= seconds(config.max_duration) <= DURATION_S[1]:
        raise invalid("Invalid max_duration given: it must be between 1 and 10 minutes.")
    if config.max_bytes and not MAX_BYTES[0] <= config.max_bytes <= MAX_BYTES[1]:
        raise invalid("Invalid max_bytes given: it must be between 1 KB and 10 GiB.")
    if config.max_messages and config.max_messages < MESSAGES[0]:
        raise invalid("Invalid max_messages given: it must be at least 1000.")
    if config.avro_config.use_topic_schema:
        _schema(broker, body)
    moment(config.filename_datetime_format, datetime.now(UTC))
    if not outside.has_bucket(config.bucket):
        raise Failure(grpc.StatusCode.NOT_FOUND, f"The specified bucket does not exist: {config.bucket}")
    writer, bucket = (
        config.service_account_email or broker.access.agent.email,
        f"projects/_/buckets/{config.bucket}",
    )
    needed = {"storage.buckets.get": bucket, "storage.objects.create": f"{bucket}/objects/"}
    broker.access.need_to_write(writer, needed, "Cloud Storage bucket")


async def run(workers: Workers, subscription: Followed) -> None:
    """Write what a subscription has, a file at a time, until cancelled."""
    config = subscription.body.cloud_storage_config
    duration = seconds(config.max_duration) if config.HasField("max_duration") else DEFAULT_DURATION_S
    most_bytes = min(config.max_bytes or _MOST_BYTES, _MOST_BYTES)
    most = min(config.max_messages or _MOST_MESSAGES, _MOST_MESSAGES)
    delivery, event, taker = subscription.delivery, asyncio.Event(), Taker()
    items: list[Item] = []
    size, ends = 0, 0.0
    delivery.listen(event)
    try:
        while True:
            event.clear()
            taken = delivery.take(taker, most - len(items), most_bytes - size, _LEASE_S + duration)
            items += taken
            size += sum(each.size for each in taken)
            if taken and not ends:
                ends = time.monotonic() + duration
            left = ends - time.monotonic()
            if items and (size >= most_bytes or len(items) >= most or left <= 0):
                await _write(workers, subscription, items)
                items, size, ends = [], 0, 0.0
            elif not taken:
                try:
                    await asyncio.wait_for(event.wait(), left if items else None)
                except TimeoutError:
                    continue
    finally:
        delivery.unlisten(event)
        delivery.release(items)


async def _write(workers: Workers, subscription: Followed, items: Sequence[Item]) -> None:
    """Write a file: again and again while the bucket is not to be written to."""
    config = subscription.body.cloud_storage_config
    content, kind, good = made(workers.broker, subscription.body, [each.message for each in items])
    when = moment(config.filename_datetime_format, datetime.now(UTC))
    name = f"{config.filename_prefix}{when}_{uuid.uuid4().hex[:6]}{config.filename_suffix}"
    pause_s = _PAUSES_S[0]
    while good:
        state, problem = "ACTIVE", ""
        try:
            answer = await workers.in_thread(
                workers.outside.upload, config.bucket, name, content, kind, config.service_account_email
            )
            if not answer.ok:
                state = {403: "PERMISSION_DENIED", 404: "NOT_FOUND"}.get(answer.status_code, "ACTIVE")
                problem = f"{answer.status_code} {answer.text[:300]}"
        except requests.RequestException as error:
            problem = f"no answer: {type(error).__name__}"
        subscription.body.cloud_storage_config.state = CloudStorageConfig.State.Value(state)
        error = "ACTIVE" if state == "ACTIVE" else "RESOURCE_ERROR"
        subscription.body.state = Subscription.State.Value(error)
        if not problem:
            break
        logger.warning("%s: %s is not written to: %s", subscription.name, config.bucket, problem)
        subscription.delivery.extend(items, _LEASE_S)
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, _PAUSES_S[1])
    subscription.use()
    written = set(good)
    subscription.delivery.done([item for place, item in enumerate(items) if place in written])
    subscription.delivery.failed([item for place, item in enumerate(items) if place not in written])


def made(broker: Broker, body: Message, messages: Sequence[Message]) -> tuple[bytes, str, list[int]]:
    """The content of a file, its type, and which messages are in it: those that fit the topic's schema."""
    config = body.cloud_storage_config
    if not config.HasField("avro_config"):
        return b"".join(each.data + b"\n" for each in messages), "text/plain", list(range(len(messages)))
    avro, records, good = config.avro_config, [], []
    schema: Any = {
        "type": "record",
        "name": "AvroMessage",
        "namespace": "com.google.pubsub",
        "fields": list(_DATA),
    }
    topic = broker.topics.get(body.topic)
    if avro.use_topic_schema:
        schema = dict(_schema(broker, body))
    if avro.write_metadata:
        schema = {**schema, "fields": [*_METADATA, *schema["fields"]]}
    for place, message in enumerate(messages):
        record: dict[str, Any] = {"data": message.data}
        if avro.use_topic_schema and topic is not None:
            try:
                record = schemas.decoded(broker, topic, message)
            except Failure as error:
                logger.warning("%s: message %s: %s", body.name, message.message_id, error.message)
                continue
        if avro.write_metadata:
            record |= {
                "subscription_name": body.name,
                "message_id": message.message_id,
                "publish_time": message.publish_time.ToMicroseconds(),
                "attributes": dict(message.attributes),
            }
        records.append(record)
        good.append(place)
    file = io.BytesIO()
    fastavro.writer(file, fastavro.parse_schema(schema), records)
    return file.getvalue(), "application/octet-stream", good


def moment(form: str, now: datetime) -> str:
    """A moment in the form of a file's name. Raises Failure for a form with other words than Google's.

    https://cloud.google.com/pubsub/docs/create-cloudstorage-subscription#file_names
    """
    form = form or _FORMAT
    rest = re.sub("|".join(_WORDS), "", form)
    if re.search(r"[^-_:/.,\sZ]", rest):
        raise invalid(f"Invalid filename_datetime_format given: {form}.")
    return now.strftime(re.sub("|".join(_WORDS), lambda found: _WORDS[found[0]], form))


def _schema(broker: Broker, body: Message) -> Any:
    """The Avro schema of a subscription's topic. Raises Failure when it has none."""
    topic = broker.topics.get(body.topic)
    if topic is None or not topic.body.HasField("schema_settings"):
        raise invalid("use_topic_schema is set, but no schema is enabled for the topic.")
    newest = schemas.revisions(broker, topic.body.schema_settings.schema)[-1]
    compiled = schemas.compiled(newest.type_, newest.definition)
    if not isinstance(compiled, AvroSchema):
        raise not_here("Avro files of Protocol Buffers: choose Avro for the topic's schema")
    return compiled.parsed
