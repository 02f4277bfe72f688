"""The laptop's BigQuery: the emulator ``bqemulator`` (DuckDB beneath), run as a process of its own.

Everything about that package is in this file; the rest of the project speaks BigQuery. What is changed here,
because the emulator has no setting for it:

- It copies a table as a whole at each write, for ``FOR SYSTEM_TIME AS OF``: the cost of a day's small loads would
  grow with the square of the table. Here it keeps no history, and time travel reads the table as it is now.
- It keeps the rows of every query's result in memory. Here the oldest are dropped.
- It runs a job again whose request comes again. Here the second has BigQuery's answer, 409, and starts nothing.
- It leaves a table's ``lastModifiedTime`` at when the table was made. Here each write moves it.
- It cannot make a BIGNUMERIC column. Here one holds 20 digits before the point and 18 after it.
- Its gRPC server, of the Storage API, is not started: no client here speaks it, and no gate stands before it.
- It has sqlglot make a generator of DuckDB's SQL for each statement, and a compiled one parses seventeen templates
  when it is made, for longer than it then writes. Here one is used again.
- It installs the ``spatial`` extension over the network into HOME. Here it loads the packaged one in place.
- It writes to the table and to its catalog in separate transactions. After a kill between the two a table could be
  neither made nor dropped; here each start drops what its client never got an answer for.

What it does differently from BigQuery, as far as this project met it:

- A load job from an upload gets an id of the emulator's own: repeating the id of the client's does not make a load
  idempotent. Each load is atomic, also when the process is killed in the middle of it.
- Parquet columns go into the table by position, not by name.
- ``tables.patch`` with another schema changes what ``tables.get`` says, not the table; ``ALTER TABLE`` of a table
  that the API made changes the table only. A new column needs both.
- The signs of an INTERVAL's parts are garbled in results: select them with ``EXTRACT``.
- An upload in one request (``load_table_from_file`` with ``size``, up to 5 MB) is refused: leave ``size`` out.
- A table partitioned by ingestion time is accepted and reported so, but has no such column: ``_PARTITIONTIME`` is
  the current time in every query, so a filter on it finds all rows or none.
- Any location is accepted; jobs always report ``US``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import re
import sys
import threading
import time
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.iam.gate import Gate, Identity

if TYPE_CHECKING:
    from bqemulator.api.dependencies import AppContext
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOST = "127.0.0.1"
# What DuckDB may hold in memory before it spills to the data folder.
_MEMORY_LIMIT = "1GB"
_KEPT_RESULTS = 50
_KEPT_JOBS = 10_000
_JOBS_INSERT = re.compile(r"/bigquery/v2/projects/[^/]+/jobs")


def argv(data_dir: Path, rest_port: int, project: str, identity: Identity | None = None) -> list[str]:
    """The command line of the emulator's process. It stops cleanly on SIGTERM.

    With an ``identity`` a gate stands before it, see ``gate`` beside this file; without, it is open to all.
    """
    gate = ["--registry", str(identity.registry), "--token-key", str(identity.token_key)] if identity else []
    port = ["--rest-port", str(rest_port)]
    return [sys.executable, "-m", __name__, "--data-dir", str(data_dir), *port, "--project", project, *gate]


def is_ready(rest_port: int) -> bool:
    """Whether the emulator answers."""
    try:
        return requests.get(f"http://{HOST}:{rest_port}/readyz", timeout=2).ok
    except requests.RequestException:
        return False


def wait_ready(rest_port: int, timeout_s: float) -> None:
    """Wait until the emulator answers. Raises LaptopError after ``timeout_s`` seconds."""
    deadline = time.monotonic() + timeout_s
    while not is_ready(rest_port):
        if time.monotonic() > deadline:
            raise LaptopError(f"the BigQuery emulator does not answer on port {rest_port} after {timeout_s:.0f} s")
        time.sleep(0.05)


def _forget_unanswered(database: Path) -> None:
    """Make the catalog and the tables agree again after a kill between two transactions of one request.

    A table that only one of the two knows belongs to a request that was never answered.
    """
    import duckdb

    with duckdb.connect(str(database)) as connection:
        known = "SELECT table_name FROM duckdb_tables() WHERE schema_name = '_bqemulator_catalog'"
        if ("tables",) not in connection.execute(known).fetchall():
            return
        stored = "SELECT schema_name, table_name FROM duckdb_tables() WHERE contains(schema_name, '__')"
        listed = "SELECT project_id || '__' || dataset_id, table_id FROM _bqemulator_catalog.tables"
        tables_only = f"{listed} WHERE table_type = 'TABLE'"
        for schema, table in connection.execute(f"{stored} EXCEPT {listed}").fetchall():
            connection.execute(f'DROP TABLE "{schema}"."{table}"')
        for schema, table in connection.execute(f"{tables_only} EXCEPT {stored}").fetchall():
            connection.execute(
                "DELETE FROM _bqemulator_catalog.tables"
                " WHERE project_id || '__' || dataset_id = ? AND table_id = ?",
                [schema, table],
            )


def _keep_generators() -> None:
    """Have sqlglot use its generators again, in this process."""
    from sqlglot.dialects.dialect import Dialect

    idle: defaultdict[str, list[Any]] = defaultdict(list)

    def generate(self: Dialect, expression: Any, copy: bool = True, **options: Any) -> str:
        kept = idle[repr((type(self), self.settings, options))]
        try:
            generator = kept.pop()
        except IndexError:  # all are busy, in other threads or further out in this statement
            generator = self.generator(**options)
        sql = generator.generate(expression, copy=copy)
        kept.append(generator)  # not one that raised: it stopped half way
        return sql

    Dialect.generate = generate


async def _drop_old_results() -> None:
    from bqemulator.jobs.executor import JOB_RESULTS, JOB_SCHEMAS

    while True:
        for results in (JOB_RESULTS, JOB_SCHEMAS):
            for job in list(results)[:-_KEPT_RESULTS]:
                results.pop(job, None)
        await asyncio.sleep(30)


class _OnceAJob:
    """An ASGI application before the emulator's: a job's id is good for one ``jobs.insert``.

    A client that has lost the answer sends the request again. The emulator answers at the end of the statement, so
    here the second request waits for that, and its client finds the job done.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._ended: OrderedDict[str, asyncio.Event] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] != "http" or scope["method"] != "POST" or not _JOBS_INSERT.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        body = await _body(receive)
        job = _job_id(body)
        if job and (ended := self._ended.get(job)):
            await ended.wait()
            if job in self._ended:
                await _already_exists(send, job)
                return
        refused = False

        async def once() -> Message:
            nonlocal body
            if body is None:
                return await receive()
            whole, body = body, None
            return {"type": "http.request", "body": whole, "more_body": False}

        async def watch(message: Message) -> None:
            nonlocal refused
            refused = refused or (message["type"] == "http.response.start" and message["status"] >= 400)
            await send(message)

        if not job:
            await self._app(scope, once, send)
            return
        ended = self._ended[job] = asyncio.Event()
        if len(self._ended) > _KEPT_JOBS:
            self._ended.popitem(last=False)
        try:
            await self._app(scope, once, watch)
        finally:
            ended.set()
            if refused:  # then there is no such job
                self._ended.pop(job, None)


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _job_id(body: bytes) -> str | None:
    """The id that the client gives its job; None without one, or if this is no JSON."""
    try:
        return json.loads(body)["jobReference"]["jobId"]
    except (ValueError, KeyError, TypeError):
        return None


async def _already_exists(send: Send, job: str) -> None:
    error = {"reason": "duplicate", "message": f"Already Exists: Job {job}"}
    answer = {"error": {"code": 409, "message": error["message"], "errors": [error], "status": "ALREADY_EXISTS"}}
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 409, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


class _NotServed:
    """In the place of the Storage API's gRPC server: no client here speaks it, and no gate stands before it."""

    async def start(self) -> None:
        pass

    async def stop(self, grace: float) -> None:
        pass


def _behind_gate(app: ASGIApp, context: AppContext, data_dir: Path, identity: Identity) -> ASGIApp:
    from bqemulator.api.middleware import GzipRequestMiddleware

    from omnipipe.laptop.iam.tokens import Tokens
    from omnipipe.laptop.registry import Registry
    from omnipipe.laptop.services.bigquery import googlesql
    from omnipipe.laptop.services.bigquery.gate.middleware import BigQueryGate
    from omnipipe.laptop.services.bigquery.gate.tags import PolicyTags

    threading.Thread(target=googlesql.language, daemon=True).start()  # ready when the first statement comes
    registry = Registry(identity.registry)
    gate = Gate(registry, Tokens(identity.token_key), context.settings.default_project_id)
    tags = PolicyTags(data_dir / "policy-tags.json")
    # The gate reads bodies as the emulator reads them.
    return GzipRequestMiddleware(BigQueryGate(app, context, gate, registry, tags))


async def _serve(data_dir: Path, rest_port: int, project: str, identity: Identity | None) -> None:
    # Imported here: the other functions of this file are used by processes that should stay small.
    from bqemulator import server
    from bqemulator.catalog.models import SnapshotMeta
    from bqemulator.config import LogLevel, PersistenceMode, Settings
    from bqemulator.storage import type_map
    from bqemulator.storage.engine import DuckDBEngine
    from bqemulator.versioning.snapshots import SnapshotManager
    from duckdb_extension_spatial import __file__ as spatial

    class Engine(DuckDBEngine):
        def _apply_session_pragmas(self) -> None:
            super()._apply_session_pragmas()
            self.execute(f"SET memory_limit = '{_MEMORY_LIMIT}'")

        def _load_spatial(self) -> None:
            (extension,) = Path(spatial).parent.glob("extensions/*/spatial.duckdb_extension")
            self.execute(f"LOAD '{extension}'")

    class NoHistory(SnapshotManager):
        def capture(
            self, project_id: str, dataset_id: str, table_id: str, *, kind: str = "AUTO"
        ) -> SnapshotMeta | None:
            if kind == "AUTO":
                table = self._catalog.get_table(project_id, dataset_id, table_id)
                if table is not None:
                    self._catalog.update_table(table.model_copy(update={"last_modified_time": self._clock.now()}))
                return None
            return super().capture(project_id, dataset_id, table_id, kind=kind)

    # The server makes its parts itself and takes them from no argument.
    server.DuckDBEngine = Engine  # pyright: ignore[reportPrivateImportUsage] - replaced on purpose
    server.SnapshotManager = NoHistory  # pyright: ignore[reportPrivateImportUsage] - as above
    server.build_grpc_server = lambda _: (_NotServed(), 0)  # pyright: ignore[reportPrivateImportUsage] - as above
    emulator = server.create_app  # pyright: ignore[reportPrivateImportUsage] - as above

    def application(context: AppContext) -> ASGIApp:
        app: ASGIApp = _OnceAJob(emulator(context))
        return _behind_gate(app, context, data_dir, identity) if identity else app

    server.create_app = application  # pyright: ignore[reportPrivateImportUsage, reportAttributeAccessIssue] - an ASGI application takes FastAPI's place
    type_map._BQ_TO_DUCKDB["BIGNUMERIC"] = "DECIMAL(38, 18)"

    settings = Settings(
        rest_host=HOST,
        rest_port=rest_port,
        persistence_mode=PersistenceMode.PERSISTENT,
        data_dir=data_dir,
        upload_staging_dir=data_dir / "uploads",
        default_project_id=project,
        log_level=LogLevel.WARNING,
        enable_format_extensions=False,  # would be fetched over the network
        tracing_enabled=False,
    )
    _keep_generators()
    _forget_unanswered(Path(settings.duckdb_path()))
    trimming = asyncio.create_task(_drop_old_results())
    try:
        await server.EmulatorServer(settings)._run_forever_async()
    finally:
        trimming.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await trimming


def main() -> None:
    """Run the emulator until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog=f"python -m {__spec__.name}", description="BigQuery on this machine")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--rest-port", type=int, required=True)
    parser.add_argument("--project", required=True)
    parser.add_argument("--registry", type=Path)
    parser.add_argument("--token-key", type=Path)
    arguments = parser.parse_args()
    # Of what DuckDB has no counterpart for, such as partitions, the translation of each statement would say so.
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    arguments.data_dir.mkdir(parents=True, exist_ok=True)
    identity = Identity(arguments.registry, arguments.token_key) if arguments.registry else None
    asyncio.run(_serve(arguments.data_dir, arguments.rest_port, arguments.project, identity))


if __name__ == "__main__":
    main()
