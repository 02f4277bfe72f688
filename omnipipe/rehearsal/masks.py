"""Update masks: which fields of a body change a resource (https://google.aip.dev/161)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omnipipe.rehearsal.discovery import Api, Schema
from omnipipe.rehearsal.errors import Refused
from omnipipe.rehearsal.schema import camel


def masked(api: Api, schema: Schema, mask: str, old: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """The old body with the fields that the mask names as they were sent; not sent is emptied.

    ``mask`` is a list of field paths with commas, in either spelling. Raises Refused (400) for an unknown field.
    """
    new = dict(old)
    for path in filter(None, (part.strip() for part in mask.split(","))):
        if path == "*":
            new |= sent
            continue
        _set(api, schema, camel(path).split("."), new, sent, path)
    return new


def _set(api: Api, schema: Schema, path: list[str], new: dict[str, Any], sent: Any, whole: str) -> None:
    first, *rest = path
    schema = api.schemas[schema["$ref"]] if "$ref" in schema else schema
    properties = schema.get("properties", {})
    if first not in properties and "additionalProperties" not in schema:
        raise Refused(400, f"Invalid field mask: {whole!r} names no field of {schema.get('id', 'the message')}.")
    given = sent.get(first) if isinstance(sent, Mapping) else None
    if rest and first in properties:
        inner = dict(new.get(first) or {})
        _set(api, properties[first], rest, inner, given or {}, whole)
        new[first] = inner
    elif given is None:
        new.pop(first, None)
    else:
        new[first] = given


def merged(old: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """The old body with what was sent laid over it, and without what was sent as null.

    So the older APIs patch (https://cloud.google.com/compute/docs/api/how-tos/update-resources): messages are merged,
    lists replaced. https://www.rfc-editor.org/rfc/rfc7396
    """
    new = dict(old)
    for name, value in sent.items():
        if value is None:
            new.pop(name, None)
        elif isinstance(value, Mapping) and isinstance(new.get(name), Mapping):
            new[name] = merged(new[name], value)
        else:
            new[name] = value
    return new
