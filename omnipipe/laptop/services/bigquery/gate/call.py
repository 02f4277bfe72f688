"""A request to BigQuery: which method of the API it calls, whose it is, with which names, query and body."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

from starlette.types import Message, Receive, Scope

from omnipipe.laptop.iam.gate import Refused
from omnipipe.laptop.services.bigquery.gate import names, uploads
from omnipipe.laptop.services.bigquery.gate.answers import header
from omnipipe.laptop.services.bigquery.gate.routes import Route, route

TABLE_SET = frozenset({"tables.insert", "tables.patch", "tables.update"})
_WITH_BODY = TABLE_SET | {"jobs.query", "jobs.insert", "jobs.upload"}


class Call:
    """A request of ``email``; ``name`` is its method's, and empty for one that the API does not have."""

    def __init__(self, scope: Scope, email: str) -> None:
        self.scope = scope
        self.email = email
        found = route(scope["method"], scope["path"])
        self.route: Route | None = found[0] if found else None
        self.path: dict[str, str] = found[1] if found else {}
        self.name = self.route.name if self.route else ""
        query = parse_qs(scope.get("query_string", b"").decode())
        self.query = {key: values[-1] for key, values in query.items()}
        self.body: dict[str, Any] = {}
        self.upload: tuple[dict[str, Any], bytes] | None = None  # the job and the data of an upload in one request

    @property
    def table(self) -> str:
        """IAM's name of the table that the request is about."""
        name = self.path.get("table") or self.body["tableReference"]["tableId"]
        return names.table(self.path["project"], self.path["dataset"], name)

    @property
    def statement(self) -> str | None:
        """The SQL that the request brings: a query, or a view's."""
        match self.body:
            case {"query": str(text)} if self.name == "jobs.query":
                return text
            case {"configuration": {"query": {"query": str(text)}}} if self.name == "jobs.insert":
                return text
            case {"view": {"query": str(text)}} if self.name in TABLE_SET:
                return text
        return None

    async def take_body(self, receive: Receive) -> Receive:
        """Read the JSON body, if the method has one that matters; returns what brings it to the emulator once more.

        Raises Refused (400).
        """
        if self.name not in _WITH_BODY:
            return receive
        content = bytearray()
        more = True
        while more:
            message = await receive()
            content += message.get("body", b"")
            more = message.get("more_body", False)
        try:
            if self.query.get("uploadType") == "multipart":
                self.upload = uploads.parts(header(self.scope["headers"], b"content-type") or "", bytes(content))
                self.body = self.upload[0]
            else:
                self.body = json.loads(content or b"{}")
        except ValueError as error:
            raise Refused(400, f"Invalid JSON payload received: {error}", "parseError") from error
        is_over = False

        async def again() -> Message:
            nonlocal is_over
            if is_over:
                return await receive()
            is_over = True
            return {"type": "http.request", "body": bytes(content), "more_body": False}

        return again
