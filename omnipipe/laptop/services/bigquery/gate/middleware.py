"""The gate as an ASGI application around the emulator's: what is refused never reaches it."""

from __future__ import annotations

import json
import logging
import re
from functools import partial

from bqemulator.api.dependencies import AppContext
from bqemulator.row_access.identity import CALLER_HEADER
from starlette.types import ASGIApp, Receive, Scope, Send

from omnipipe.laptop.iam.bindings import member
from omnipipe.laptop.iam.gate import Gate, Refused
from omnipipe.laptop.iam.tokens import OWNER
from omnipipe.laptop.registry import Registry
from omnipipe.laptop.services.bigquery import googlesql
from omnipipe.laptop.services.bigquery.gate import jobs, names, uploads
from omnipipe.laptop.services.bigquery.gate.answers import Answer, header, refusal, rewrite, watch
from omnipipe.laptop.services.bigquery.gate.call import TABLE_SET, Call
from omnipipe.laptop.services.bigquery.gate.makers import Makers
from omnipipe.laptop.services.bigquery.gate.rights import Rights
from omnipipe.laptop.services.bigquery.gate.statements import Columns, Read
from omnipipe.laptop.services.bigquery.gate.tags import PolicyTags

log = logging.getLogger("iam")
_OPEN = {"/healthz", "/readyz"}
_MAKES_JOB = {"jobs.query", "jobs.insert", "jobs.upload", "jobs.continueUpload"}
_OWN = {"jobs.get", "jobs.getQueryResults", "jobs.cancel", "jobs.continueUpload"}
_JOB_ID = re.compile(rb'"jobId":"([^"\\]+)"')
_JOB_LOCATION = re.compile(rb'("jobReference":\{[^{}]*"location":")US"')
_RESULT_TABLE = re.compile(rb',"destinationTable":\{[^{}]*"datasetId":"_bqemu_anonymous"[^{}]*\}')
# The reasons of failed queries: https://cloud.google.com/bigquery/docs/error-messages
_CODES = {"notFound": 404, "accessDenied": 403}
_DATASET = "gcp:bigquery/dataset:Dataset"
_NOTHING: frozenset[str] = frozenset()


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
        self._makers = Makers()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] != "http" or scope["path"] in _OPEN:
            await self._app(scope, receive, send)
            return
        email = None
        try:
            email = self._gate.caller(header(scope["headers"], b"authorization"))
            call = Call(scope, email)
            receive = await call.take_body(receive)
            # The emulator's engine takes more than BigQuery.
            if (statement := call.statement) and (problem := googlesql.problem(statement)):
                raise Refused(400, problem, "invalidQuery")
            replaced = _NOTHING if email == OWNER else self._check(call)
        except Refused as refused:
            log.warning("%s: %s %s: %s", email, scope["method"], scope["path"], refused.message)
            await refusal(refused).give(send)
            return
        scope["headers"] = [
            *(pair for pair in scope["headers"] if pair[0] != CALLER_HEADER.encode()),
            (CALLER_HEADER.encode(), member(email).encode()),  # what SESSION_USER() says
        ]
        responder = self._responder(call, replaced, send)
        if call.upload:
            await uploads.carry_out(self._app, scope, *call.upload, responder)
        else:
            await self._app(scope, receive, responder)

    # --- before the emulator: may the caller do this?

    def _check(self, call: Call) -> frozenset[str]:
        """Which tables the request replaces, once it is carried out. Raises Refused."""
        if call.route is None:
            raise names.unknown(f"{call.scope['method']} {call.scope['path']}")
        rights = self._rights(call.email)
        if call.name in _OWN:
            self._require_own(rights, call)
            return _NOTHING
        if self._makers.of_result(call.path.get("dataset", ""), call.path.get("table", "")) == call.email:
            return _NOTHING
        for permission, resource in call.route.needs:
            rights.need(permission, resource.format_map(call.path | _plain_table(call.path)))
        try:
            return self._check_body(rights, call)
        except (KeyError, TypeError, AttributeError) as error:
            raise Refused(400, f"Invalid value: the request does not have {error}", "invalid") from error

    def _check_body(self, rights: Rights, call: Call) -> frozenset[str]:
        project = call.path["project"]
        match call.name:
            case "jobs.query":
                return jobs.query(rights, call.body, project)
            case "jobs.insert":
                return jobs.job(rights, call.body, project)
            case "jobs.upload":
                if call.query.get("uploadType") not in ("resumable", "multipart"):
                    raise names.unknown("an upload of another kind")
                jobs.load(rights, call.body["configuration"]["load"], project)
            case "tables.insert" | "tables.patch" | "tables.update":
                jobs.table(rights, call.body, call.table)
            case "tabledata.list":
                selected = call.query.get("selectedFields")
                columns = frozenset((selected or "").lower().replace(".", ",").split(","))
                rights.read(Read(call.table, Columns(names=columns) if selected else Columns(star=True)))
        return _NOTHING

    def _require_own(self, rights: Rights, call: Call) -> None:
        """A job or an upload of the caller's own; of another's with the permission, if there is one for it."""
        id_ = call.query.get("upload_id") or call.path.get("job", "")
        maker = self._makers.of(id_)
        if maker == call.email or (maker is None and self._catalog.get_job(call.path["project"], id_) is None):
            return  # what is not there is told by the emulator
        needs = call.route.needs if call.route else ()
        if not needs:
            raise names.unknown("an upload of somebody else's")
        for permission, resource in needs:
            rights.need(permission, resource.format_map(call.path))

    def _rights(self, email: str) -> Rights:
        return Rights(email, self._gate.bindings(), self._catalog, self._tags, self._registry)

    # --- behind the emulator: what becomes of its answer?

    def _responder(self, call: Call, replaced: frozenset[str], send: Send) -> Send:
        """Choose, once for each request, whether its answer passes, is watched or is rewritten."""
        match call.name:
            case "datasets.list":
                return rewrite(send, partial(self._list, call))
            case "tables.get" | "tables.insert" | "tables.patch" | "tables.update":
                return rewrite(send, partial(self._tag, call))
            case "tables.delete":
                return watch(send, lambda: self._tags.drop(call.table))
            case "datasets.delete":
                return watch(
                    send, lambda: self._tags.drop(names.dataset(call.path["project"], call.path["dataset"]))
                )
            case name if name.startswith("jobs."):
                return rewrite(send, partial(self._job, call, replaced))
        return send

    def _list(self, call: Call, answer: Answer) -> Answer:
        """A list of datasets, without those that the caller must not see."""
        if not answer.ok:
            return answer
        content = json.loads(answer.body)
        rights = self._rights(call.email)
        content["datasets"] = [
            each
            for each in content.get("datasets", [])
            if rights.may(
                "bigquery.datasets.get",
                names.dataset(call.path["project"], each["datasetReference"]["datasetId"]),
            )
        ]
        return answer.saying(json.dumps(content).encode())

    def _tag(self, call: Call, answer: Answer) -> Answer:
        """A table, with the policy tags of its columns; they are those of the request, if it sets the schema."""
        if not answer.ok:
            return answer
        if call.name in TABLE_SET and "schema" in call.body:
            self._tags.set(call.table, call.body["schema"].get("fields") or [])
        content = json.loads(answer.body)
        self._tags.add_to(call.table, (content.get("schema") or {}).get("fields") or [])
        return answer.saying(json.dumps(content).encode())

    def _job(self, call: Call, replaced: frozenset[str], answer: Answer) -> Answer:
        """A job, where the stack's datasets are; a failed query as an error, and not as one with no rows."""
        if call.name in _MAKES_JOB:
            self._remember_maker(call.email, answer)
        body = self._place(answer.body)
        if answer.ok and call.name == "jobs.query" and (refused := _failure(body)):
            return refusal(refused)
        if answer.ok and b'"errorResult"' not in body and b'"errors"' not in body:
            for table in replaced:
                self._tags.drop(table)
        if call.email == OWNER:
            # A client would ask the Storage API for a table of results, which is not served here. dbt, which is
            # another, wants it.
            body = _RESULT_TABLE.sub(b"", body)
        return answer.saying(body)

    def _remember_maker(self, email: str, answer: Answer) -> None:
        if upload := header(answer.headers, b"x-guploader-uploadid"):
            self._makers.remember(upload, email)
        if job := _JOB_ID.search(answer.body):
            self._makers.remember(job[1].decode(), email)

    def _place(self, body: bytes) -> bytes:
        """An answer with the location of the stack's datasets: the emulator's is always US."""
        locations = (dataset.inputs["location"] for dataset in self._registry.of_type(_DATASET))
        location = next(locations, "US").encode()
        body = body.replace(b"was not found in location US", b"was not found in location " + location)
        return _JOB_LOCATION.sub(rb"\g<1>" + location + b'"', body)


def _failure(body: bytes) -> Refused | None:
    """The error that a query's answer tells of."""
    if b'"errors":[{' not in body:
        return None
    error = json.loads(body)["errors"][0]
    return Refused(_CODES.get(error["reason"], 400), error["message"], error["reason"])


def _plain_table(path: dict[str, str]) -> dict[str, str]:
    """The table's name without a decorator of a partition."""
    return {"table": names.parts(names.table("", "", path["table"]))[2]} if "table" in path else {}
