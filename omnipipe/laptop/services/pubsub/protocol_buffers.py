"""Schemas of Protocol Buffers, compiled as protoc does. https://cloud.google.com/pubsub/docs/schemas#schema_types"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory, unknown_fields
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError

_FILE = "schema.proto"
_COMPILE_S = 30


class ProtoSchema:
    """The one message of a definition. Raises ValueError for a definition that is none."""

    def __init__(self, definition: str) -> None:
        file = _compile(definition)
        if file.dependency:
            raise ValueError("a schema of Pub/Sub imports nothing")
        if len(file.message_type) != 1:
            raise ValueError(
                f"a schema of Pub/Sub has one message at its top, and this one {len(file.message_type)}"
            )
        pool = descriptor_pool.DescriptorPool()
        pool.Add(file)
        name = f"{file.package}.{file.message_type[0].name}".lstrip(".")
        self.descriptor: Descriptor = pool.FindMessageTypeByName(name)
        self._class: Any = message_factory.GetMessageClass(self.descriptor)

    def from_json(self, data: bytes) -> dict[str, Any]:
        """The fields of a message in JSON. Raises ValueError."""
        try:
            message = json_format.Parse(data, self._class())
        except (json_format.ParseError, UnicodeDecodeError) as error:
            raise ValueError(" ".join(str(error).split())) from error
        return plain(message)

    def from_binary(self, data: bytes) -> dict[str, Any]:
        """The fields of a binary message, which may have no others. Raises ValueError."""
        try:
            message = self._class.FromString(data)
        except DecodeError as error:
            raise ValueError(str(error)) from error
        _refuse_unknown(message)
        return plain(message)

    def differs(self, before: object) -> str:
        """What an update of ``before`` may not change; empty for nothing."""
        if not isinstance(before, ProtoSchema):
            return "it is of another type"
        ours, theirs = self.descriptor.fields_by_number, before.descriptor.fields_by_number
        for number in ours.keys() ^ theirs.keys():
            field = ours.get(number) or theirs[number]
            if field.is_required:
                return f"the field {field.name} is required, and only one of them has it"
        for number in ours.keys() & theirs.keys():
            one, other = ours[number], theirs[number]
            if (one.name, one.type, one.is_repeated) != (other.name, other.type, other.is_repeated):
                return f"the field {number} has another name or type"
        return ""


def plain(message: Any) -> dict[str, Any]:
    """The fields of a message by name, with plain values: bytes stay bytes, and enums are names."""
    found: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        if field.has_presence and not message.HasField(field.name):
            continue
        value = getattr(message, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            inner = field.message_type.fields_by_name["value"]
            found[field.name] = {str(key): _value(inner, value[key]) for key in value}
        elif field.is_repeated:
            found[field.name] = [_value(field, each) for each in value]
        else:
            found[field.name] = _value(field, value)
    return found


def _value(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        return plain(value)
    if field.enum_type is not None:
        named = field.enum_type.values_by_number.get(value)
        return named.name if named else value
    return value


def _refuse_unknown(message: Any) -> None:
    unknown = unknown_fields.UnknownFieldSet(message)
    if len(unknown):
        raise ValueError(f"the field {unknown[0].field_number} is not in the schema")
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for each in value if field.is_repeated else [value]:
            _refuse_unknown(each)


def _compile(definition: str) -> descriptor_pb2.FileDescriptorProto:
    with tempfile.TemporaryDirectory(prefix="omnipipe-proto-") as name:
        folder = Path(name)
        (folder / _FILE).write_text(definition)
        # In a process of its own: the compiler writes what is wrong to its error output.
        done = subprocess.run(
            [sys.executable, "-m", "grpc_tools.protoc", "-I.", "--descriptor_set_out=out", _FILE],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=_COMPILE_S,
        )
        if done.returncode:
            raise ValueError(" ".join(done.stderr.replace(f"{_FILE}:", "").split()))
        return descriptor_pb2.FileDescriptorSet.FromString((folder / "out").read_bytes()).file[0]
