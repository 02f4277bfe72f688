"""Reverse sync with the simulated receiver and a real BigQuery emulator."""

import base64
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient
from google.cloud import bigquery

from seed import webhook
from tests.functions.conftest import FUNCTIONS, function_client, serving

sys.path.insert(0, str(FUNCTIONS / "reverse_sync"))

import destination  # pyright: ignore[reportMissingImports]
import exchange  # pyright: ignore[reportMissingImports]

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


class Receiver:
    """The simulated receiver, as seen from outside."""

    def __init__(self, address: str) -> None:
        self.address = address

    def fault(self, **fault: Any) -> None:
        """Show a fault from now on."""
        requests.put(f"{self.address}/_faults", json=fault, timeout=5).raise_for_status()

    def heal(self) -> None:
        """Show no fault."""
        requests.delete(f"{self.address}/_faults", timeout=5).raise_for_status()

    def summary(self) -> dict[str, Any]:
        """Counts of what it got."""
        return requests.get(f"{self.address}/received", timeout=5).json()

    def messages(self) -> list[dict[str, Any]]:
        """What it keeps, each id once, oldest first."""
        found: list[dict[str, Any]] = []
        while True:
            after = found[-1]["number"] if found else 0
            url = f"{self.address}/received/messages?after={after}"
            page = requests.get(url, timeout=5).json()["messages"]
            if not page:
                return found
            found += page

    def days(self) -> list[str]:
        """The day of each message."""
        return sorted(json.loads(message["body"])["data"]["day"] for message in self.messages())

    def contents(self) -> list[str]:
        """The content of each message, oldest first: the last is what the receiver goes by."""
        return [json.loads(message["body"])["data"]["content_hash"] for message in self.messages()]


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver, which WEBHOOK_URL names."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    with serving(webhook.app(secret, tmp_path / "received")) as address:
        monkeypatch.setenv("WEBHOOK_URL", f"{address}/webhook")
        yield Receiver(address)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of milliseconds after a try that failed, and half a second for a whole exchange."""
    monkeypatch.setattr(destination, "_PAUSE_S", 0.002)
    monkeypatch.setattr(exchange, "_EXCHANGE_S", 0.5)


@pytest.fixture
def sync(client: bigquery.Client, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """The function, in its environment; the receivers of these tests are on loopback. Pauses are short."""
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    monkeypatch.setenv("WEBHOOK_ALLOW_PRIVATE", "true")
    monkeypatch.setattr(destination, "_PAUSE_S", 0.002)
    return function_client("reverse_sync")


def call(function: FlaskClient, run_id: str = "run-1") -> tuple[int, dict[str, Any]]:
    """Call it as the workflow does."""
    return post(function, {"run_id": run_id, "run_date": "2026-03-02"})


def post(function: FlaskClient, body: Any) -> tuple[int, dict[str, Any]]:
    """Call it with any body."""
    response = function.post("/", json=body)
    assert response.json is not None
    return response.status_code, response.json
