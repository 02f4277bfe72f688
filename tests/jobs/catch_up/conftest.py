"""The job's modules, and its surroundings: a captured PostgreSQL, a real BigQuery, and Datastream's API."""

import importlib.util
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from flask import Flask, Response, jsonify, request
from google.auth.credentials import AnonymousCredentials

from omnipipe.laptop.home import PROJECT_ROOT
from omnipipe.runtime import cloud_sql
from tests.laptop.conftest import PROJECT, serving
from tests.laptop.conftest import emulated as emulated  # the same servers as the laptop's own tests
from tests.laptop.conftest import postgres as postgres
from tests.laptop.services.datastream.conftest import Pipeline
from tests.laptop.services.datastream.conftest import pipeline as pipeline

FOLDER = PROJECT_ROOT / "jobs" / "catch_up"
STREAM = f"projects/{PROJECT}/locations/europe-west1/streams/cdc"
sys.path.insert(0, str(FOLDER))


class AccessToken(AnonymousCredentials):
    """Credentials as those of a service account, without asking for them."""

    def refresh(self, _: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - its name
        """Get a token."""
        self.token = "an-access-token"


class Datastream:
    """What Datastream says of its stream's tables: pages of backfill states by table, or an error."""

    def __init__(self) -> None:
        self.pages: list[dict[str, str]] = [{"trips": "COMPLETED", "heartbeat": "COMPLETED"}]
        self.error: tuple[int, dict[str, Any]] | None = None
        self.asked: list[str] = []

    def app(self) -> Flask:
        """Answer for it."""
        app = Flask("datastream")

        @app.get(f"/v1/{STREAM}/objects")
        def objects() -> Response | tuple[Response, int]:
            self.asked.append(request.headers["Authorization"])
            if self.error:
                return jsonify(self.error[1]), self.error[0]
            number = int(request.args.get("pageToken") or 0)
            found = [
                {
                    "sourceObject": {"postgresqlIdentifier": {"schema": "public", "table": table}},
                    "backfillJob": {"state": state},
                }
                for table, state in self.pages[number].items()
            ]
            more = {"nextPageToken": str(number + 1)} if number + 1 < len(self.pages) else {}
            return jsonify({"streamObjects": found} | more)

        return app


@pytest.fixture
def datastream(monkeypatch: pytest.MonkeyPatch) -> Iterator[Datastream]:
    """Datastream's API, and an access token to ask it with."""
    import datastream_api  # pyright: ignore[reportMissingImports] - beside the job's main.py

    made = Datastream()
    monkeypatch.setattr("google.auth.default", lambda **_: (AccessToken(), PROJECT))
    with serving(made.app()) as address:
        monkeypatch.setattr(datastream_api, "_ADDRESS", address)
        yield made


@pytest.fixture
def job(pipeline: Pipeline, datastream: Datastream, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The job's main module, in its environment, with the heartbeat's table captured into raw; no worker runs yet."""
    dataset = {"singleTargetDataset": {"datasetId": f"{PROJECT}:raw"}}
    pipeline.stream["destinationConfig"]["bigqueryDestinationConfig"] |= dataset
    client = pipeline.emulator.client
    client.delete_dataset("raw", delete_contents=True, not_found_ok=True)
    client.create_dataset("raw")
    platform = (PROJECT_ROOT / "jobs" / "migrate" / "platform.sql").read_text()
    pipeline.publish("heartbeat, trips", platform, "CREATE TABLE trips (id bigint PRIMARY KEY)")
    given = {
        "PGHOST": str(pipeline.postgres.socket_dir),
        "PGPORT": "5432",
        "PGDATABASE": pipeline.name,
        "PGUSER": "app",
        "SLOT": pipeline.name,
        "STREAM": STREAM,
        "CAPTURED_WITHIN_S": "20",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(cloud_sql, "login_token", lambda: "app")
    spec = importlib.util.spec_from_file_location("catch_up_main", FOLDER / "main.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    pipeline.kill() if pipeline.process and pipeline.process.poll() is None else None
    client.delete_dataset("raw", delete_contents=True)
