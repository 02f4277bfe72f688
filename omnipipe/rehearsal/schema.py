"""A request against the API's schema, in the words of Google's front end; and what an answer leaves out.

The rules are those of protocol buffers' JSON (https://protobuf.dev/programming-guides/json): names in camel case or as
declared, 64-bit numbers as text, enums by name or number, no zeros in an answer.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from omnipipe.rehearsal.discovery import Api, Method, Schema
from omnipipe.rehearsal.errors import bad_request

_PATH = re.compile(r"\{\+?(\w+)\}")
_WHOLE = re.compile(r"-?\d+")
_DURATION = re.compile(r"-?\d+(\.\d{1,9})?s")
_FORMAT = {"int64": "TYPE_INT64", "uint64": "TYPE_UINT64", "uint32": "TYPE_UINT32", "byte": "TYPE_BYTES"}
_BITS = {"int32": (-(2**31), 2**31), "uint32": (0, 2**32), "int64": (-(2**63), 2**63), "uint64": (0, 2**64)}


def snake(name: str) -> str:
    """A field's name as protocol buffers declare it: ``createTime`` -> ``create_time``."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def camel(name: str) -> str:
    """A field's name as JSON has it: ``create_time`` -> ``createTime``; a path is spelt part by part."""
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), name)


# What a description says of a field that takes whole names of resources and nothing shorter.
_WHOLE_NAME = re.compile(
    r"(?:[Ff]ormat(?: of this field is)?:?|[Ii]n the format of|[Hh]as the form:?|match the pattern:?) [`'\"]?projects/"
)
_SHORTER_TOO = re.compile(r"\beither\b|\bor [`{]|\bor the short\b|\bor a short\b")


@cache
def takes_whole_names(description: str) -> bool:
    """Whether a field takes names that begin with a project, and no ids, by its description."""
    return bool(_WHOLE_NAME.search(description)) and not _SHORTER_TOO.search(description)


@dataclass
class Check:
    """Reads values against an API's schemas, and gathers what does not fit as (field path, description)."""

    api: Api
    any_form: bool = False  # whether texts that are numbers or times may be any text
    violations: list[tuple[str, str]] = field(default_factory=list)

    def body(self, name: str, sent: Any, bound: Collection[str] = ()) -> dict[str, Any]:
        """A request's body, as the API keeps it: known names in camel case, texts for 64-bit numbers.

        ``bound`` are the request's fields that the address tells already; to tell them again is no mistake.
        """
        schema = self.api.schemas[name]
        if not isinstance(sent, Mapping):
            self._wrong("", f"Invalid JSON payload received. Unexpected token.\n{sent!r:.60}")
            return {}
        # The front end names the field that a body is mapped to; the documents do not say it, and it is the type's.
        # A message that is the whole request has none: https://google.aip.dev/127.
        root = "" if name.endswith("Request") else snake(re.sub(r"^Google[A-Za-z]*?V\d[a-z0-9]*", "", name))
        again = set(bound) - set(schema.get("properties", {}))
        return self._message(schema, {key: each for key, each in sent.items() if key not in again}, root)

    def value(self, schema: Schema, sent: Any, at: str) -> Any:
        """One value, as the API keeps it."""
        if "$ref" in schema:
            return self.value(self.api.schemas[schema["$ref"]], sent, at)
        kind = schema.get("type", "any")
        if kind == "any":
            return sent
        if kind == "array":
            if not isinstance(sent, list):
                # One value for a list is read as a list of it.
                return [self.value(schema["items"], sent, f"{at}[0]")]
            return [self.value(schema["items"], each, f"{at}[{i}]") for i, each in enumerate(sent)]
        if kind == "object":
            if not isinstance(sent, Mapping):
                self._type(at, f"type.googleapis.com/{schema.get('id', 'google.protobuf.Struct')}", sent)
                return {}
            return self._message(schema, sent, at)
        return self._scalar(schema, kind, sent, at)

    def _message(self, schema: Schema, sent: Mapping[str, Any], at: str) -> dict[str, Any]:
        properties = schema.get("properties")
        if properties is None:  # a map, or a message that has no fields
            values = schema.get("additionalProperties")
            if values is None and schema.get("type") == "object":
                for name in sent:
                    if name != "@type":
                        self._unknown(name, at)
            return {name: self.value(values or {}, each, f"{at}[{name!r}]") for name, each in sent.items()}
        found: dict[str, Any] = {}
        for name, each in sent.items():
            known = name if name in properties else camel(name)
            if known not in properties:
                if not schema.get("additionalProperties"):
                    self._unknown(name, at)
                continue
            where = f"{at}.{snake(known)}" if at else snake(known)
            found[known] = None if each is None else self.value(properties[known], each, where)
        return found

    def _scalar(self, schema: Schema, kind: str, sent: Any, at: str) -> Any:
        form = schema.get("format", "")
        if "enum" in schema:
            return self._enum(schema, sent, at)
        if kind == "boolean":
            if isinstance(sent, bool) or sent in ("true", "false"):
                return sent in (True, "true")
            return self._type(at, "TYPE_BOOL", sent)
        if form in _BITS or kind == "integer":
            return self._whole(form or "int32", kind, sent, at)
        if kind == "number":
            number = _number(sent)
            return self._type(at, "TYPE_DOUBLE", sent) if number is None else number
        if not isinstance(sent, str):
            return self._type(at, _FORMAT.get(form, "TYPE_STRING"), sent)
        if not self.any_form and not _fits(form, sent):
            names = {
                "google-datetime": "type.googleapis.com/google.protobuf.Timestamp",
                "google-duration": "type.googleapis.com/google.protobuf.Duration",
            }
            return self._type(at, names.get(form, _FORMAT.get(form, "TYPE_STRING")), sent)
        is_id = (
            sent and "/" not in sent and not at.endswith("name")
        )  # of its own name the service's rules know more
        if is_id and not self.any_form and takes_whole_names(schema.get("description", "")):
            self._wrong(
                at, f"Invalid resource field value in the request. '{sent}' at '{at}' is no resource's name."
            )
        return sent

    def _enum(self, schema: Schema, sent: Any, at: str) -> Any:
        # A number is kept: the documents do not tell the names' numbers.
        if isinstance(sent, int) and not isinstance(sent, bool):
            return sent
        if sent not in schema["enum"]:
            return self._type(at, "TYPE_ENUM", sent)
        return sent

    def _whole(self, form: str, kind: str, sent: Any, at: str) -> Any:
        text = str(sent) if isinstance(sent, (int, str)) and not isinstance(sent, bool) else ""
        if isinstance(sent, float) and sent.is_integer():
            text = str(int(sent))
        if self.any_form and kind == "string" and isinstance(sent, str):
            return sent
        low, high = _BITS.get(form, _BITS["int64"])
        if not _WHOLE.fullmatch(text) or not low <= int(text) < high:
            return self._type(at, _FORMAT.get(form, "TYPE_INT32"), sent)
        return int(text) if kind == "integer" else text

    def _unknown(self, name: str, at: str) -> None:
        where = f" at '{at}'" if at else ""
        self._wrong(at, f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.')

    def _type(self, at: str, expected: str, sent: Any) -> None:
        shown = f'"{sent}"' if isinstance(sent, str) else str(sent).lower() if isinstance(sent, bool) else sent
        self._wrong(at, f"Invalid value at '{at}' ({expected}), {shown}")

    def _wrong(self, at: str, description: str) -> None:
        self.violations.append((at, description))


def _fits(form: str, text: str) -> bool:
    """Whether a text has the form that the schema asks for."""
    try:
        if form == "google-datetime":
            datetime.fromisoformat(text)
        elif form == "byte":
            base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
    except (ValueError, binascii.Error):
        return False
    return form != "google-duration" or _DURATION.fullmatch(text) is not None


def _number(sent: Any) -> float | int | None:
    if isinstance(sent, bool):
        return None
    if isinstance(sent, (int, float)):
        return sent
    try:
        return float(sent)
    except (TypeError, ValueError):
        return None


def checked_query(api: Api, method: Method, sent: Mapping[str, list[str]]) -> dict[str, Any]:
    """The query's parameters, each as its schema says. Raises Refused (400) for one that the method does not have."""
    check = Check(api)
    found: dict[str, Any] = {}
    for name, values in sent.items():
        if name.startswith("$") or name in api.parameters:
            continue
        known = name if name in method.parameters else camel(name)
        schema = method.parameters.get(known)
        if schema is None or schema.get("location") != "query":
            what = f"Cannot bind query parameter. Field '{name}' could not be found in request message."
            check.violations.append(("", f'Invalid JSON payload received. Unknown name "{name}": {what}'))
        elif schema.get("repeated"):
            found[known] = [_parameter(check, schema, value, known) for value in values]
        else:
            found[known] = _parameter(check, schema, values[-1], known)
    missing = [
        name
        for name, schema in method.parameters.items()
        if schema.get("location") == "query" and schema.get("required") and name not in found
    ]
    check.violations += [(name, f"Required parameter: {name}") for name in missing]
    if check.violations:
        raise bad_request(check.violations)
    return found


def _parameter(check: Check, schema: Schema, text: str, name: str) -> Any:
    if schema.get("type") == "boolean":
        text = text.lower()
    if text.isdigit() and "enum" in schema:
        return int(text)
    if text == "":
        return text
    return check.value(schema, text, snake(name))


def checked_body(api: Api, method: Method, sent: Any, *, any_form: bool = False) -> dict[str, Any]:
    """The body, as the API keeps it. Raises Refused (400) with every field that does not fit.

    ``any_form`` takes any text for a number or a time that is a text.
    """
    if method.request is None:
        return {}
    check = Check(api, any_form)
    found = check.body(method.request, sent, _PATH.findall(method.path))
    if check.violations:
        raise bad_request(check.violations)
    return found


def without_nulls(value: Any) -> Any:
    """A value without the fields that were sent as null, which is as if they were not sent.

    https://protobuf.dev/programming-guides/json/: "null is an accepted value for all field types and treated as the
    default value".
    """
    if isinstance(value, Mapping):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


def without_zeros(api: Api, schema: Schema, value: Any) -> Any:
    """A message as protocol buffers' JSON writes it: no zeros, empty texts, lists and maps; empty messages stay."""
    schema = api.schemas[schema["$ref"]] if "$ref" in schema else schema
    if isinstance(value, list):
        return [without_zeros(api, schema.get("items", {}), each) for each in value]
    if not isinstance(value, Mapping):
        return value
    properties = schema.get("properties", {})
    if not properties:
        values = schema.get("additionalProperties", {})
        return {name: without_zeros(api, values, each) for name, each in value.items()}
    return dict(_present(api, properties, value))


def _present(api: Api, properties: Mapping[str, Schema], value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, each in value.items():
        schema = properties.get(name, {})
        is_message = isinstance(each, Mapping) and "additionalProperties" not in schema
        if each is None or (not is_message and (not each or _is_first(schema, each))):
            continue
        yield name, without_zeros(api, schema, each)


def _is_first(schema: Schema, value: Any) -> bool:
    """Whether a value is an enum's zero, or a 64-bit zero."""
    names = schema.get("enum")
    if names:
        return value == names[0] and str(value).endswith("UNSPECIFIED")
    return value == "0" and schema.get("format") in ("int64", "uint64")
