"""What a message is as a row of BigQuery. https://cloud.google.com/pubsub/docs/bigquery#properties_subscription"""

from __future__ import annotations

import base64
import datetime
import decimal
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from omnipipe.laptop.services.pubsub import schemas
from omnipipe.laptop.services.pubsub.failures import Failure
from omnipipe.laptop.services.pubsub.messages import Message

if TYPE_CHECKING:
    from omnipipe.laptop.services.pubsub.broker import Broker

_METADATA = {
    "subscription_name": ("STRING",),
    "message_id": ("STRING",),
    "publish_time": ("TIMESTAMP",),
    "attributes": ("STRING", "JSON"),
}
_DATA = ("BYTES", "STRING", "JSON")
_NAMES = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "STRUCT": "RECORD"}


class Misfit(Exception):
    """A message, or a table, that does not fit. The text says why."""


class Rows:
    """Makes rows for the table of a subscription, whose columns are ``fields`` in BigQuery's form."""

    def __init__(self, broker: Broker, subscription: Message, fields: Sequence[dict[str, Any]]) -> None:
        self._broker = broker
        self._name = subscription.name
        self._topic = subscription.topic
        self._config = subscription.bigquery_config
        self._fields = {field["name"]: field for field in fields}

    def require_columns(self) -> None:
        """Raise Misfit unless the table has the columns that every row needs, and needs no others."""
        wanted = dict(_METADATA) if self._config.write_metadata else {}
        if self._config.use_topic_schema:
            topic = self._broker.topics.get(self._topic)
            if topic is None or not topic.body.HasField("schema_settings"):
                raise Misfit("use_topic_schema is set, but no schema is enabled for the topic.")
        elif not self._config.use_table_schema:
            wanted["data"] = _DATA
        for name, types in wanted.items():
            if name not in self._fields:
                raise Misfit(f"The BigQuery table has no column {name}, which the subscription writes.")
            if _type(self._fields[name]) not in types:
                raise Misfit(
                    f"Incompatible schema type for field '{name}': it must be {' or '.join(types)} in the BigQuery "
                    f"table, and is {_type(self._fields[name])}."
                )
        if not (self._config.use_topic_schema or self._config.use_table_schema):
            for name, field in self._fields.items():
                if field.get("mode") == "REQUIRED" and name not in wanted:
                    raise Misfit(
                        f"Incompatible schema mode for field '{name}': field is REQUIRED in the BigQuery table schema, "
                        "and the subscription does not write it."
                    )

    def row(self, message: Message) -> dict[str, Any]:
        """The row of a message, in the form of tabledata.insertAll. Raises Misfit."""
        if self._config.use_topic_schema:
            row = self._record(self._of_topic(message), self._fields, "")
        elif self._config.use_table_schema:
            row = self._record(self._of_json(message), self._fields, "")
        else:
            row = {"data": _data(_type(self._fields.get("data", {})), message.data)}
        if self._config.write_metadata:
            # "attributes … also contains additional fields that are part of the Pub/Sub message including the
            # ordering key, if present."
            attributes = dict(message.attributes)
            if message.ordering_key:
                attributes["ordering_key"] = message.ordering_key
            row["subscription_name"] = self._name
            row["message_id"] = message.message_id
            row["publish_time"] = message.publish_time.ToJsonString()
            row["attributes"] = json.dumps(attributes, ensure_ascii=False)
        return row

    def _of_topic(self, message: Message) -> dict[str, Any]:
        topic = self._broker.topics.get(self._topic)
        if topic is None or not topic.body.HasField("schema_settings"):
            raise Misfit("no schema is enabled for the topic")
        try:
            return schemas.decoded(self._broker, topic, message)
        except Failure as error:
            raise Misfit(error.message) from error

    def _of_json(self, message: Message) -> dict[str, Any]:
        try:
            content = json.loads(message.data)
        except ValueError as error:
            raise Misfit(f"the data is no JSON: {error}") from error
        if not isinstance(content, dict):
            raise Misfit("the data is no JSON object")
        return content

    def _record(
        self, values: Mapping[str, Any], fields: Mapping[str, dict[str, Any]], where: str
    ) -> dict[str, Any]:
        row = {}
        for name, value in values.items():
            place = f"{where}{name}"
            if name in fields:
                row[name] = self._value(fields[name], value, place)
            elif not self._config.drop_unknown_fields:
                raise Misfit(f"the table has no column {place}")
        for name, field in fields.items():
            of_metadata = not where and self._config.write_metadata and name in _METADATA
            if field.get("mode") == "REQUIRED" and row.get(name) is None and not of_metadata:
                raise Misfit(f"the column {where}{name} is REQUIRED, and the message has no value for it")
        return row

    def _value(self, field: dict[str, Any], value: Any, where: str) -> Any:
        if field.get("mode") == "REPEATED":
            if value is None:
                return []
            if not isinstance(value, list):
                raise Misfit(f"the column {where} is REPEATED, and the message has one value for it")
            one = {**field, "mode": "NULLABLE"}
            return [self._value(one, each, f"{where}[{place}]") for place, each in enumerate(value)]
        kind = _type(field)
        if value is None:
            return None
        if kind == "RECORD":
            if not isinstance(value, dict):
                raise Misfit(f"the column {where} is a RECORD, and the message has no object for it")
            return self._record(value, {each["name"]: each for each in field.get("fields", [])}, f"{where}.")
        if kind == "JSON":
            return value if isinstance(value, str) else json.dumps(_plain(value), ensure_ascii=False)
        if isinstance(value, (dict, list)):
            raise Misfit(f"the column {where} is {kind}, and the message has an object or a list for it")
        if isinstance(value, bool) and kind in ("INTEGER", "FLOAT", "NUMERIC"):  # which a cast would take
            raise Misfit(f"the column {where} is {kind}, and the message has {str(value).lower()} for it")
        return _plain(value)


def _type(field: Mapping[str, Any]) -> str:
    name = str(field.get("type", "STRING")).upper()
    return _NAMES.get(name, name)


def _data(kind: str, data: bytes) -> str:
    if kind == "BYTES":
        return base64.b64encode(data).decode()
    try:
        text = data.decode()
        if kind == "JSON":
            json.loads(text)
    except UnicodeDecodeError as error:
        raise Misfit("the data is not UTF-8, which the column data needs") from error
    except ValueError as error:
        raise Misfit(f"the data is no JSON, which the column data needs: {error}") from error
    return text


def _plain(value: Any) -> Any:
    """A value in JSON's types, as BigQuery reads them."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value
