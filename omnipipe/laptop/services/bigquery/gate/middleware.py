"""The gate as an ASGI application around the emulator's: what is refused never reaches it."""

from __future__ import annotations

import json
import logging
import re
from collections import OrderedDict
from typing import Any
from urllib.parse import parse_qs

from bqemulator.api.dependencies import AppContext
from bqemulator.row_access.identity import CALLER_HEADER
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omnipipe.laptop.iam.bindings import member
from omnipipe.laptop.iam.gate import Gate, Refused
from omnipipe.laptop.iam.tokens import OWNER
from omnipipe.laptop.registry import Registry
from omnipipe.laptop.services.bigquery import googlesql
from omnipipe.laptop.services.bigquery.gate import jobs, names, uploads
from omnipipe.laptop.services.bigquery.gate.checks import Checks
from omnipipe.laptop.services.bigquery.gate.routes import Route, route
from omnipipe.laptop.services.bigquery.gate.statements import Columns, Read
from omnipipe.laptop.services.bigquery.gate.tags import PolicyTags

log = logging.getLogger("iam")
_OPEN = {"/healthz", "/readyz"}
_WITH_BODY = {"jobs.query", "jobs.insert", "jobs.upload", "tables.insert", "tables.patch", "tables.update"}
_TABLE_SET = {"tables.insert", "tables.patch", "tables.update"}
_MAKES_JOB = {"jobs.query", "jobs.insert", "jobs.continueUpload"}
_OWN = {"jobs.get", "jobs.getQueryResults", "jobs.cancel"}
_REWRITTEN = {"datasets.list", "tables.get", *_TABLE_SET}
# The emulator's dataset for the results of queries; a result is its query's job.
_RESULTS, _RESULT = "_bqemu_anonymous", "anon"
_JOB_ID = re.compile(rb'"jobId":"([^"\\]+)"')
_JOB_LOCATION = re.compile(rb'("jobReference":\{[^{}]*"location":")US"')
_RESULT_TABLE = re.compile(rb',"destinationTable":\{[^{}]*"datasetId":"_bqemu_anonymous"[^{}]*\}')
# The reasons of failed queries: https://cloud.google.com/bigquery/docs/error-messages
_CODES = {"notFound": 404, "accessDenied": 403}
_DATASET = "gcp:bigquery/dataset:Dataset"
_REMEMBERED = 10_000


class BigQueryGate:
    """Lets through what the bindings allow; the owner always. Keeps the policy tags that pass by."""

    def __init__(
        self, app: ASGIApp, context: AppContext, gate: Gate, registry: Registry, tags: PolicyTags
    ) -> None:
        self._app = app
        self._catalog = context.catalog
        self._gate = gate
        self._registry = registry
        self._tags = tags
        self._makers: OrderedDict[str, str] = OrderedDict()  # job or upload -> who made it

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] != "http" or scope["path"] in _OPEN:
            await self._app(scope, receive, send)
            return
        email = None
        try:
            email = self._gate.caller(_header(scope, b"authorization"))
            call = _Call(scope, email)
            if call.name in _WITH_BODY:
                receive = await call.take_body(receive)
            # The emulator's engine takes more than BigQuery.
            if (statement := call.statement) and (problem := googlesql.problem(statement)):
                raise Refused(400, problem, "invalidQuery")
            if email != OWNER:
                self._check(call)
        except Refused as refused:
            log.warning("%s: %s %s: %s", email, scope["method"], scope["path"], refused.message)
            await _answer(send, refused)
            return
        scope["headers"] = [
            *(pair for pair in scope["headers"] if pair[0] != CALLER_HEADER.encode()),
            (CALLER_HEADER.encode(), member(email).encode()),  # what SESSION_USER() says
        ]
        answer = _Answer(self, call, send)
        if call.upload:
            await uploads.carry_out(self._app, scope, *call.upload, answer)
        else:
            await self._app(scope, receive, answer)

    def _check(self, call: _Call) -> None:
        if call.route is None:
            raise names.unknown(f"{call.scope['method']} {call.scope['path']}")
        checks = self._checks(call.email)
        project = call.path["project"]
        if call.name in _OWN or call.name == "jobs.continueUpload":
            self._require_own(checks, call)
            return
        if call.path.get("dataset") == _RESULTS and call.path.get("table", "").startswith(_RESULT):
            # The result's name has the job's without hyphens.
            makers = {job.replace("-", ""): maker for job, maker in self._makers.items()}
            if makers.get(call.path["table"].removeprefix(_RESULT)) == call.email:
                return
        for permission, resource in call.route.needs:
            checks.need(permission, resource.format_map(call.path | _plain_table(call.path)))
        try:
            self._check_body(checks, call, project)
        except (KeyError, TypeError, AttributeError) as error:
            raise Refused(400, f"Invalid value: the request does not have {error}", "invalid") from error

    def _check_body(self, checks: Checks, call: _Call, project: str) -> None:
        match call.name:
            case "jobs.query":
                analysis = jobs.query(checks, call.body, project)
                call.replaced = frozenset() if call.body.get("dryRun") else analysis.replaced
            case "jobs.insert":
                analysis = jobs.job(checks, call.body, project)
                dry = call.body["configuration"].get("dryRun")
                call.replaced = analysis.replaced if analysis and not dry else frozenset()
            case "jobs.upload":
                if call.query.get("uploadType") not in ("resumable", "multipart"):
                    raise names.unknown("an upload of another kind")
                jobs.load(checks, call.body["configuration"]["load"], project)
            case "tables.insert" | "tables.patch" | "tables.update":
                jobs.table(checks, call.body, call.table)
            case "tabledata.list":
                selected = call.query.get("selectedFields")
                columns = frozenset((selected or "").lower().replace(".", ",").split(","))
                checks.read(Read(call.table, Columns(names=columns) if selected else Columns(star=True)))

    def _require_own(self, checks: Checks, call: _Call) -> None:
        """A job or an upload of the caller's own; of another's with the permission, if there is one for it."""
        id_ = call.query.get("upload_id") or call.path.get("job", "")
        maker = self._makers.get(id_)
        project = call.path["project"]
        if maker == call.email or (maker is None and self._catalog.get_job(project, id_) is None):
            return  # what is not there is told by the emulator
        needs = call.route.needs if call.route else ()
        if not needs:
            raise names.unknown("an upload of somebody else's")
        for permission, resource in needs:
            checks.need(permission, resource.format_map(call.path))

    def _checks(self, email: str) -> Checks:
        return Checks(email, self._gate.bindings(), self._catalog, self._tags, self._registry)

    def made(self, id_: str, email: str) -> None:
        """Remember who made a job or an upload."""
        self._makers[id_] = email
        if len(self._makers) > _REMEMBERED:
            self._makers.popitem(last=False)

    def rewrite(self, call: _Call, body: bytes) -> bytes:
        """Put into an answer what the emulator does not know, and leave out what the caller must not see."""
        answer = json.loads(body)
        if call.name == "datasets.list":
            checks = self._checks(call.email)
            answer["datasets"] = [
                each
                for each in answer.get("datasets", [])
                if checks.may(
                    "bigquery.datasets.get",
                    names.dataset(call.path["project"], each["datasetReference"]["datasetId"]),
                )
            ]
        else:
            if call.name in _TABLE_SET and "schema" in call.body:
                self._tags.set(call.table, call.body["schema"].get("fields") or [])
            self._tags.add_to(call.table, (answer.get("schema") or {}).get("fields") or [])
        return json.dumps(answer).encode()

    def placed(self, body: bytes, email: str) -> bytes:
        """The beginning of an answer, with the location of the stack's datasets: the emulator's is always US."""
        locations = (dataset.inputs["location"] for dataset in self._registry.of_type(_DATASET))
        location = next(locations, "US").encode()
        body = body.replace(b"was not found in location US", b"was not found in location " + location)
        body = _JOB_LOCATION.sub(rb"\g<1>" + location + b'"', body)
        # With a table of results, clients would ask the Storage API for them, which is not served here. dbt wants it.
        return _RESULT_TABLE.sub(b"", body) if email == OWNER else body

    def succeeded(self, call: _Call) -> None:
        """Forget the tags of tables that are no more."""
        for table in call.replaced:
            self._tags.drop(table)
        if call.name == "tables.delete":
            self._tags.drop(call.table)
        elif call.name == "datasets.delete":
            self._tags.drop(names.dataset(call.path["project"], call.path["dataset"]))


class _Call:
    """A request: which method of the API, whose, with which names, query and body."""

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
        self.replaced: frozenset[str] = frozenset()

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
            case {"view": {"query": str(text)}} if self.name in _TABLE_SET:
                return text
        return None

    async def take_body(self, receive: Receive) -> Receive:
        """Read the JSON body; returns what gives it to the emulator once more. Raises Refused (400)."""
        content = bytearray()
        more = True
        while more:
            message = await receive()
            content += message.get("body", b"")
            more = message.get("more_body", False)
        try:
            if self.query.get("uploadType") == "multipart":
                self.upload = uploads.parts(_header(self.scope, b"content-type") or "", bytes(content))
                self.body = self.upload[0]
            else:
                self.body = json.loads(content or b"{}")
        except ValueError as error:
            raise Refused(400, f"Invalid JSON payload received: {error}", "parseError") from error
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": bytes(content), "more_body": False}

        return again


class _Answer:
    """What the emulator sends, on its way to the caller."""

    def __init__(self, gate: BigQueryGate, call: _Call, send: Send) -> None:
        self._gate = gate
        self._call = call
        self._send = send
        self._start: Message = {}
        self._held = bytearray()
        self._first = True

    async def __call__(self, message: Message) -> None:
        """Pass one message on, or hold it until the whole answer is there."""
        call = self._call
        if message["type"] == "http.response.start":
            self._start = message
            ok = message["status"] < 300
            upload = _value(message["headers"], b"x-guploader-uploadid")
            if call.name == "jobs.upload" and upload:
                self._gate.made(upload, call.email)
            if ok and not call.replaced:
                self._gate.succeeded(call)
            return
        body = message.get("body", b"")
        if self._first and call.name in _MAKES_JOB and (found := _JOB_ID.search(body)):
            self._gate.made(found[1].decode(), call.email)
        if self._start["status"] < 300 and call.name in _REWRITTEN:
            self._held += body
            if not message.get("more_body"):
                content = self._gate.rewrite(call, bytes(self._held))
                await self._begin(len(content))
                await self._send({"type": "http.response.body", "body": content})
            return
        if (
            self._start["status"] < 300
            and call.name == "jobs.query"
            and (refused := _failure(self._gate.placed(body, call.email)))
        ):
            await _answer(
                self._send, refused
            )  # BigQuery answers a failed query with an error, and not with no rows
            self._start["status"] = refused.code
            return
        if self._first:
            placed = self._gate.placed(body, call.email)
            length = _value(self._start["headers"], b"content-length")
            await self._begin(int(length) - len(body) + len(placed) if length else None)
            message = {**message, "body": placed}
            self._first = False
        await self._send(message)
        if self._start["status"] < 300 and call.replaced:
            self._held += body
            failed = b'"errorResult"' in self._held or b'"errors"' in self._held
            if not message.get("more_body") and not failed:
                self._gate.succeeded(call)

    async def _begin(self, length: int | None) -> None:
        """Send the start of the answer, with the length that its body has now."""
        headers = [pair for pair in self._start["headers"] if pair[0] != b"content-length"]
        if length is not None:
            headers.append((b"content-length", str(length).encode()))
        await self._send({**self._start, "headers": headers})


def _failure(body: bytes) -> Refused | None:
    """The error that a query's answer tells of."""
    if b'"errors":[{' not in body:
        return None
    error = json.loads(body)["errors"][0]
    return Refused(_CODES.get(error["reason"], 400), error["message"], error["reason"])


def _plain_table(path: dict[str, str]) -> dict[str, str]:
    """The table's name without a decorator of a partition."""
    return {"table": names.parts(names.table("", "", path["table"]))[2]} if "table" in path else {}


def _header(scope: Scope, name: bytes) -> str | None:
    return _value(scope["headers"], name)


def _value(headers: Any, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in headers if key.lower() == name), None)


async def _answer(send: Send, refused: Refused) -> None:
    content = json.dumps(refused.body(reasons=True)).encode()
    headers = [
        (b"content-type", b"application/json; charset=UTF-8"),
        (b"content-length", str(len(content)).encode()),
    ]
    if refused.code == 401:
        headers.append((b"www-authenticate", b'Bearer realm="https://accounts.google.com/"'))
    await send({"type": "http.response.start", "status": refused.code, "headers": headers})
    await send({"type": "http.response.body", "body": content})
