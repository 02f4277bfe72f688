"""Pub/Sub's methods by REST (v1, JSON). https://cloud.google.com/pubsub/docs/reference/rest"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

import grpc
from google.protobuf import json_format

from omnipipe.laptop.services.pubsub.addresses import Connections
from omnipipe.laptop.services.pubsub.broker import Broker
from omnipipe.laptop.services.pubsub.failures import HTTP, Failure, internal, invalid
from omnipipe.laptop.services.pubsub.messages import Message, named
from omnipipe.laptop.services.pubsub.methods import METHODS, Method, Rule

logger = logging.getLogger(__name__)
HEALTH = "/healthz"
MAX_BODY_BYTES = 20 * 1024 * 1024
_JSON = (b"content-type", b"application/json; charset=UTF-8")
# Parameters of every method of Google's that say nothing of what is asked.
_WITHOUT_EFFECT = {"alt", "prettyPrint", "$alt", "key", "fields", "userProject"}


def _pattern(rule: Rule) -> re.Pattern[str]:
    """A path's template as a regular expression; its field is the group ``value``."""
    before, value, after = re.split(r"\{[\w.]+=([^}]+)\}", rule.path)
    segments = "/".join("[^/:]+" if each == "*" else re.escape(each) for each in value.split("/"))
    return re.compile(f"/v1/{re.escape(before)}(?P<value>{segments}){re.escape(after)}")


_ROUTES = tuple(
    (rule.verb, _pattern(rule), re.findall(r"\{([\w.]+)=", rule.path)[0], rule, method)
    for method in METHODS
    for rule in method.rules
)


class Application:
    """An application of ASGI: https://asgi.readthedocs.io/en/latest/specs/www.html"""

    def __init__(self, broker: Broker, connections: Connections, health: Callable[[], list[str]]) -> None:
        """``health`` names what does not work."""
        self._broker = broker
        self._connections = connections
        self._health = health

    async def __call__(
        self,
        scope: Mapping[str, Any],
        receive: Callable[[], Awaitable[Mapping[str, Any]]],
        send: Callable[[Mapping[str, Any]], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            return
        body = bytearray()
        while True:
            part = await receive()
            body += part.get("body", b"")
            if not part.get("more_body") or len(body) > MAX_BODY_BYTES:
                break
        code, answer = await self._answer(scope, bytes(body))
        await send({"type": "http.response.start", "status": code, "headers": [_JSON]})
        await send({"type": "http.response.body", "body": json.dumps(answer, ensure_ascii=False).encode()})

    async def _answer(self, scope: Mapping[str, Any], body: bytes) -> tuple[int, dict[str, Any]]:
        path = unquote(scope["raw_path"].decode().partition("?")[0])
        if path == HEALTH:
            problems = self._health()
            return (503 if problems else 200), {"problems": problems}
        try:
            response = await self._call(scope, path, body)
            return 200, json_format.MessageToDict(response)
        except Failure as error:
            failure = error
        except Exception as error:
            logger.exception("%s %s", scope["method"], path)
            failure = internal(error)
        code = HTTP[failure.status]
        told = json_format.MessageToDict(failure.rich()) | {"code": code, "status": failure.status.name}
        return code, {"error": told}

    async def _call(self, scope: Mapping[str, Any], path: str, body: bytes) -> Message:
        headers = dict(scope["headers"])
        authorization = headers.get(b"authorization")
        account = self._connections.account_of(scope["client"][1])
        caller = self._broker.access.caller(authorization and authorization.decode(), account)
        for verb, pattern, field, rule, method in _ROUTES:
            if verb == scope["method"] and (found := pattern.fullmatch(path)):
                query = parse_qsl(scope["query_string"].decode(), keep_blank_values=True)
                request = _request(method, rule, field, found["value"], query, body)
                return await method.handler(self._broker, caller, request)
        raise Failure(grpc.StatusCode.NOT_FOUND, f"The requested URL {path} was not found on this server.")


def _request(
    method: Method, rule: Rule, field: str, value: str, query: list[tuple[str, str]], body: bytes
) -> Message:
    kind = named(method.request)
    fields: dict[str, Any] = {}
    try:
        content = json.loads(body) if body.strip() else {}
    except ValueError as error:
        raise invalid(f"Invalid JSON payload received. {error}") from error
    if not isinstance(content, dict):
        raise invalid("Invalid JSON payload received. The body must be an object.")
    if rule.body == "*":
        fields = content
    elif rule.body:
        fields = {rule.body: content}
    for name, text in query:
        if name not in _WITHOUT_EFFECT:
            _put(fields, name, text)
    _put(fields, field, value)
    try:
        return json_format.ParseDict(_masked(fields), kind())
    except json_format.ParseError as error:
        raise invalid(f"Invalid JSON payload received. {error}") from error


def _put(fields: dict[str, Any], path: str, value: str) -> None:
    *above, last = path.split(".")
    for name in above:
        fields = fields.setdefault(name, {})
    if last == "requestedPolicyVersion":
        return
    fields[last] = value


def _masked(fields: dict[str, Any]) -> dict[str, Any]:
    """A mask of fields is in lowerCamelCase in JSON; Google takes names with underscores, too."""
    for name in ("updateMask", "update_mask"):
        if isinstance(mask := fields.get(name), str):
            camel = re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), mask)
            fields = {key: value for key, value in fields.items() if key != name} | {"updateMask": camel}
    return fields
