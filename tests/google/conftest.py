"""A Google on this machine: it answers as the APIs' references say, in the forms that Google's clients read.

The commands meet it by the clients that they use at Google, BigQuery's own among them.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from typer.testing import CliRunner, Result
from werkzeug import Request, Response
from werkzeug.serving import make_server

from omnipipe.cli import app
from omnipipe.google import api, executions

PLACE = "projects/omnipipe-dev/locations/europe-west1"
RUN_ID = "5f6b0d5e-0000-4000-8000-000000000001"
Answer = Callable[[dict[str, Any], dict[str, str]], Any]


@dataclass
class Simulated:
    """What it answers, by method and path; each answer takes the body and the query. ``asked`` is what it was asked."""

    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any], dict[str, str]]] = field(default_factory=list)

    def on(self, request: str, answer: Any) -> None:
        """Answer a request such as ``GET run/v2/…`` with a value, a function of body and query, or a list in turn."""
        if isinstance(answer, list):
            turns = iter(answer)
            self.answers[request] = lambda *_: next(turns)
        else:
            self.answers[request] = answer if callable(answer) else lambda *_: answer

    def bodies(self, request: str) -> list[dict[str, Any]]:
        """The bodies of the requests that were made."""
        return [body for what, body, _ in self.asked if what == request]

    def __call__(self, environ: Any, start: Any) -> Any:
        request = Request(environ)
        what = f"{request.method} {request.path.lstrip('/')}"
        body, query = json.loads(request.get_data() or b"{}"), request.args.to_dict()
        self.asked.append((what, body, query))
        answer = self.answers.get(what)
        found = answer(body, query) if answer else (404, f"Not found: {what}")
        status, value = found if isinstance(found, tuple) else (200, found)
        wrong = {"code": status, "message": value, "errors": [{"message": value, "reason": "x"}]}
        said = {"error": wrong} if isinstance(value, str) else value
        return Response(json.dumps(said), status, content_type="application/json")(environ, start)


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulated]:
    """The Google that the commands ask in this test."""
    simulated = Simulated()
    server = make_server("127.0.0.1", 0, simulated, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    monkeypatch.setattr(api, "ENDPOINT", f"http://127.0.0.1:{server.server_port}/{{host}}")
    monkeypatch.setattr(api, "credentials", AnonymousCredentials)
    monkeypatch.setattr(executions, "_POLL_S", 0.01)
    yield simulated
    server.shutdown()
    thread.join()
    server.server_close()


def omnipipe(*arguments: str) -> Result:
    """The command, in this process."""
    return CliRunner().invoke(app, [*arguments, "--stack", "dev"])


def refusal(*arguments: str) -> str:
    """What it says that a person can mend."""
    from omnipipe.laptop.errors import LaptopError

    done = omnipipe(*arguments)
    assert isinstance(done.exception, LaptopError), (done.exception, done.output)
    return str(done.exception)


def run_of_the_day(google: Simulated, state: str = "SUCCEEDED", **more: Any) -> None:
    """Let an execution of the workflow `daily` go from step to step to its end."""
    name = f"{PLACE}/workflows/daily/executions/{RUN_ID}"
    google.on(f"POST workflowexecutions/v1/{PLACE}/workflows/daily/executions", {"name": name, "state": "ACTIVE"})
    google.on(
        f"GET workflowexecutions/v1/{name}",
        [
            {"name": name, "state": "ACTIVE", "status": {"currentSteps": [{"routine": "main", "step": step}]}}
            for step in ("init", "capture", "dbt")
        ]
        + [{"name": name, "state": state, **more}],
    )


def table(google: Simulated, *columns: str, rows: list[list[str | None]]) -> None:
    """Let BigQuery answer every query with these rows; a column is ``name:TYPE``."""
    fields = [dict(zip(("name", "type"), each.split(":"), strict=True)) | {"mode": "NULLABLE"} for each in columns]
    job = {"projectId": "omnipipe-dev", "jobId": "j", "location": "EU"}
    answer = {
        "jobReference": job,
        "schema": {"fields": fields},
        "jobComplete": True,
        "totalRows": str(len(rows)),
        "rows": [{"f": [{"v": value} for value in row]} for row in rows],
    }

    def inserted(body: dict[str, Any], _: dict[str, str]) -> dict[str, Any]:
        return {
            "id": "omnipipe-dev:EU.j",
            "jobReference": job,
            "status": {"state": "DONE"},
            "configuration": {
                "query": {
                    "query": body["configuration"]["query"]["query"],
                    "destinationTable": {"projectId": "omnipipe-dev", "datasetId": "d", "tableId": "t"},
                }
            },
            "statistics": {"query": {"statementType": "SELECT", "totalBytesProcessed": "1048576"}},
        }

    def page(_: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
        count = int(query.get("maxResults", len(rows)))
        if not count:  # the client asks for the schema first, and gets no list of rows then
            return {key: value for key, value in answer.items() if key != "rows"}
        return answer | {"rows": answer["rows"][:count]}

    google.on("POST bigquery/bigquery/v2/projects/omnipipe-dev/jobs", inserted)
    google.on("GET bigquery/bigquery/v2/projects/omnipipe-dev/queries/j", page)
    google.on("GET bigquery/bigquery/v2/projects/omnipipe-dev/datasets/d/tables/t/data", page)


def at(text: str) -> datetime:
    """A moment."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def plain(text: str) -> str:
    """Without what colours it."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
