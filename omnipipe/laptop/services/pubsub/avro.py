"""Avro schemas: messages in Avro's JSON encoding and in its binary one.

https://avro.apache.org/docs/1.11.1/specification/#encodings
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import fastavro
import fastavro.read
from fastavro.schema import SchemaParseException, UnknownType

_INTEGERS = {"int": 1 << 31, "long": 1 << 63}


class AvroSchema:
    """A record's schema. Raises ValueError for a definition that is none."""

    def __init__(self, definition: str) -> None:
        try:
            self.parsed: Any = fastavro.parse_schema(json.loads(definition), _write_hint=False)
        except (ValueError, SchemaParseException, UnknownType, KeyError, TypeError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error
        if (
            not isinstance(self.parsed, dict)
            or self.parsed.get("type") != "record"
            or not self.parsed.get("fields")
        ):
            raise ValueError("an Avro schema of Pub/Sub is a record with fields")
        self._named: dict[str, Any] = {}
        self._collect(self.parsed)

    def from_json(self, data: bytes) -> dict[str, Any]:
        """The record of a message in JSON. Raises ValueError."""
        return self._read(self.parsed, json.loads(data), "")

    def from_binary(self, data: bytes) -> dict[str, Any]:
        """The record of a binary message, all of it. Raises ValueError."""
        body = io.BytesIO(data)
        try:
            record = fastavro.schemaless_reader(body, self.parsed, None)
        except (EOFError, IndexError, OverflowError, ValueError, TypeError) as error:
            raise ValueError(f"it is not the record in Avro's binary encoding ({error})") from error
        if body.read(1):
            raise ValueError("there is more after the record")
        if not isinstance(record, dict):
            raise ValueError("it is no record")
        return record

    def differs(self, before: object) -> str:
        """What an update of ``before`` may not change; empty for nothing.

        Optional fields come and go: https://cloud.google.com/pubsub/docs/commit-schema-revision
        """
        if not isinstance(before, AvroSchema):
            return "it is of another type"
        ours = {field["name"]: field for field in self.parsed["fields"]}
        theirs = {field["name"]: field for field in before.parsed["fields"]}
        if self.parsed["name"] != before.parsed["name"]:
            return f"the record {before.parsed['name']} is called {self.parsed['name']}"
        for name in ours.keys() ^ theirs.keys():
            if "default" not in (ours.get(name) or theirs[name]):
                return f"the field {name} has no default, and only one of them has it"
        for name in ours.keys() & theirs.keys():
            if ours[name]["type"] != theirs[name]["type"]:
                return f"the field {name} has another type"
        return ""

    def _collect(self, schema: Any) -> None:
        if isinstance(schema, list):
            for each in schema:
                self._collect(each)
        elif isinstance(schema, dict):
            if "name" in schema and schema.get("type") in ("record", "enum", "fixed", "error"):
                self._named[schema["name"]] = schema
            for field in schema.get("fields", []):
                self._collect(field["type"])
            for part in ("items", "values", "type"):
                if isinstance(schema.get(part), (dict, list)):
                    self._collect(schema[part])

    def _read(self, given: Any, value: Any, where: str) -> Any:
        if isinstance(given, list):
            return self._union(given, value, where)
        schema: Any = self._named.get(given, given) if isinstance(given, str) else given
        kind = schema["type"] if isinstance(schema, dict) else schema
        if isinstance(kind, (dict, list)):
            return self._read(kind, value, where)
        if isinstance(schema, dict) and "logicalType" in schema:
            return self._logical(schema, value, where)
        if kind == "record":
            return self._record(schema, value, where)
        if kind == "array" and isinstance(value, list):
            return [self._read(schema["items"], item, f"{where}[{place}]") for place, item in enumerate(value)]
        if kind == "map" and isinstance(value, dict):
            return {key: self._read(schema["values"], item, f"{where}.{key}") for key, item in value.items()}
        if kind == "enum" and value in schema["symbols"]:
            return value
        if kind == "fixed" and isinstance(value, str) and len(value) == schema["size"]:
            return value.encode("latin-1")
        return _primitive(kind, value, where)

    def _logical(self, schema: Any, value: Any, where: str) -> Any:
        """A moment, a day, a decimal, from the number or the bytes that stand for it."""
        plain = self._read({key: schema[key] for key in schema if key != "logicalType"}, value, where)
        reader = fastavro.read.LOGICAL_READERS.get(f"{schema['type']}-{schema['logicalType']}")
        return reader(plain, schema, None) if reader else plain

    def _record(self, schema: Mapping[str, Any], value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError(f"{where or 'the message'} is no record")
        fields = {field["name"]: field for field in schema["fields"]}
        if unknown := value.keys() - fields.keys():
            raise ValueError(f"there is no field {min(unknown)} in the schema")
        read = {}
        for name, field in fields.items():
            place = f"{where}.{name}" if where else name
            if name not in value:
                # A default is for readers of older data; a message has all fields.
                raise ValueError(f"the field {place} is missing")
            read[name] = self._read(field["type"], value[name], place)
        return read

    def _union(self, schema: list[Any], value: Any, where: str) -> Any:
        """Null as it is, anything else as a map from the name of its type."""
        if value is None and "null" in schema:
            return None
        if isinstance(value, dict) and len(value) == 1:
            ((name, inner),) = value.items()
            for branch in schema:
                own = branch if isinstance(branch, str) else branch.get("name", branch["type"])
                if name in (own, own.rpartition(".")[2]):
                    return self._read(branch, inner, where)
        raise ValueError(f'the field {where} is a union: write null, or {{"TYPE": VALUE}}')


def _primitive(kind: str, value: Any, where: str) -> Any:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "null" and value is None:
        return None
    if kind == "boolean" and isinstance(value, bool):
        return value
    if kind in _INTEGERS and number and value == int(value) and -_INTEGERS[kind] <= value < _INTEGERS[kind]:
        return int(value)
    if kind in ("float", "double") and number:
        return float(value)
    if kind == "string" and isinstance(value, str):
        return value
    if kind == "bytes" and isinstance(value, str):
        try:
            return value.encode("latin-1")  # a code point stands for a byte
        except UnicodeEncodeError:
            raise ValueError(f"the field {where} has code points that are no bytes") from None
    raise ValueError(f"the field {where} is no {kind}")
