"""What the functions meet in these tests: a real BigQuery emulator, and simulators of the outside world."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import functions_framework
import google.auth
import pytest
from flask import Flask
from flask.testing import FlaskClient
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from werkzeug.serving import make_server

from omnipipe.runtime import http
from tests.support import emulator

FUNCTIONS = Path(__file__).parents[2] / "functions"


@pytest.fixture
def client(bigquery_address: str, monkeypatch: pytest.MonkeyPatch) -> bigquery.Client:
    """A client of an emulator whose declared tables are empty; the functions find the same emulator."""
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", bigquery_address)
    monkeypatch.setenv("BIGQUERY_LOCATION", "EU")
    monkeypatch.setattr(google.auth, "default", lambda **_: (AnonymousCredentials(), emulator.PROJECT))
    created = emulator.client()
    emulator.recreate_tables(created)
    return created


@dataclass
class Patience:
    """How long the functions wait for an answer, in seconds; None for as long as they do on Google."""

    read_timeout_s: float | None = None


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> Patience:
    """The retries of runtime.http, with a hundredth of the waits between them."""
    session, mine = http.session, Patience()

    def quick(*, timeout_s: tuple[float, float], budget_s: float, **options: int) -> object:
        timeout_s = timeout_s[0], mine.read_timeout_s or timeout_s[1]
        created = session(timeout_s=timeout_s, budget_s=budget_s / 10, **options)
        for adapter in created.adapters.values():
            adapter.max_retries.backoff_factor /= 100  # type: ignore[attr-defined]  # of HTTPAdapter
            adapter.max_retries.backoff_jitter /= 100  # type: ignore[attr-defined]  # of HTTPAdapter
        return created

    monkeypatch.setattr(http, "session", quick)
    return mine


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """Serve ``app`` on loopback and yield its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def function_client(name: str) -> FlaskClient:
    """Return a test client of the function ``name``, loaded by functions-framework as on Google."""
    app = functions_framework.create_app(name, str(FUNCTIONS / name / "main.py"))
    assert isinstance(app, Flask)
    return app.test_client()
