"""Reverse sync against the simulated receiver and a real BigQuery emulator."""

import base64
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask, Response, redirect
from flask.testing import FlaskClient
from google.cloud import bigquery

from omnipipe.contracts.tables import KPIS, Kpi
from omnipipe.runtime import warehouse
from seed import webhook
from tests.functions.conftest import Patience, function_client, serving
from tests.runtime.emulator import rows

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def kpi(number: int, content: str = "a", updated_at: datetime = NOON) -> Kpi:
    return Kpi(
        city="Zürich",
        day=date(2026, 1, 1) + timedelta(days=number),
        trips=number,
        riders=1,
        revenue=Decimal("12.30"),
        mean_distance_km=2.5,
        cancellation_rate=None,
        wet_hours=None,
        mean_temperature_c=4.5,
        trips_wet=0,
        trips_dry=number,
        content_hash=content,
        updated_at=updated_at,
    )


class Receiver:
    """The simulated receiver, as seen from outside."""

    def __init__(self, address: str) -> None:
        self.address = address

    def fault(self, **fault: Any) -> None:
        requests.put(f"{self.address}/_faults", json=fault, timeout=5).raise_for_status()

    def heal(self) -> None:
        requests.delete(f"{self.address}/_faults", timeout=5).raise_for_status()

    def summary(self) -> dict[str, Any]:
        return requests.get(f"{self.address}/received", timeout=5).json()

    def messages(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            after = found[-1]["number"] if found else 0
            url = f"{self.address}/received/messages?after={after}"
            page = requests.get(url, timeout=5).json()["messages"]
            if not page:
                return found
            found += page

    def days(self) -> list[str]:
        return sorted(json.loads(message["body"])["data"]["day"] for message in self.messages())


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    with serving(webhook.app(secret, tmp_path / "received")) as address:
        monkeypatch.setenv("WEBHOOK_URL", f"{address}/webhook")
        yield Receiver(address)


@pytest.fixture
def sync(client: bigquery.Client, patience: Patience, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    return function_client("reverse_sync")


def call(function: FlaskClient, run_id: str = "run-1") -> tuple[int, dict[str, Any]]:
    response = function.post("/", json={"run_id": run_id, "run_date": "2026-03-02"})
    assert response.json is not None
    return response.status_code, response.json


def put(client: bigquery.Client, *kpis: Kpi) -> None:
    warehouse.load(client, KPIS, kpis)


def change(client: bigquery.Client, *kpis: Kpi) -> None:
    days = ", ".join(f"'{changed.day}'" for changed in kpis)
    rows(client, f"DELETE FROM analysis.kpis WHERE CAST(day AS STRING) IN ({days})")
    put(client, *kpis)


def watermarks(client: bigquery.Client) -> list[tuple[datetime, str]]:
    found = rows(client, "SELECT * FROM ops.reverse_sync_state ORDER BY recorded_at")
    return [(row["watermark_updated_at"], row["watermark_key"]) for row in found]


def deliveries(client: bigquery.Client) -> list[tuple[str, str, int | None]]:
    found = rows(client, "SELECT * FROM ops.reverse_sync_deliveries ORDER BY recorded_at, key")
    return [(row["key"], row["status"], row["http_status"]) for row in found]


def test_a_message_is_signed_and_holds_the_row(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client
) -> None:
    put(client, kpi(0))
    assert call(sync) == (200, {"rows": 1, "message": "1 messages sent"})
    (message,) = receiver.messages()
    assert json.loads(message["body"]) == {
        "type": "kpi.updated",
        "timestamp": "2026-03-02T12:00:00+00:00",
        "data": warehouse.as_json(kpi(0)),
    }
    (recorded,) = rows(client, "SELECT * FROM ops.reverse_sync_deliveries")
    assert recorded["delivery_id"] == message["id"]
    assert (recorded["key"], recorded["status"], recorded["http_status"]) == ("Zürich/2026-01-01", "sent", 200)
    assert watermarks(client) == [(NOON, "Zürich/2026-01-01")]
    assert rows(client, "SELECT step, status, `rows` FROM ops.step_runs") == [
        {"step": "reverse_sync", "status": "succeeded", "rows": 1}
    ]


def test_a_second_run_sends_nothing(receiver: Receiver, sync: FlaskClient, client: bigquery.Client) -> None:
    put(client, *(kpi(number) for number in range(250)))  # all of one time: only the key orders them
    assert call(sync)[1]["rows"] == 250
    assert call(sync, "run-2")[1]["rows"] == 0
    summary = receiver.summary()
    assert (summary["received"], summary["repeats"], summary["rejected"]) == (250, 0, 0)
    assert len(watermarks(client)) == 1


def test_only_what_changed_is_sent_also_when_it_changes_back(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client
) -> None:
    put(client, kpi(0, "a"), kpi(1, "a"))
    call(sync)
    for hours, content in ((1, "b"), (2, "a"), (3, "b")):
        change(client, kpi(0, content, NOON + timedelta(hours=hours)))
        assert call(sync, f"run-{hours}")[1]["rows"] == 1
    assert receiver.summary()["repeats"] == 0
    contents = [json.loads(message["body"])["data"]["content_hash"] for message in receiver.messages()]
    assert contents[2:] == ["b", "a", "b"]


def test_a_row_that_only_looks_newer_is_not_sent(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client
) -> None:
    put(client, kpi(0, "a"))
    call(sync)
    change(client, kpi(0, "a", NOON + timedelta(days=1)))
    assert call(sync, "run-2")[1]["rows"] == 0


def test_a_late_row_within_the_lag_is_sent(receiver: Receiver, sync: FlaskClient, client: bigquery.Client) -> None:
    put(client, kpi(5))
    call(sync)
    put(client, kpi(1, updated_at=NOON - timedelta(minutes=30)))
    assert call(sync, "run-2")[1]["rows"] == 1
    assert watermarks(client) == [(NOON, "Zürich/2026-01-06")]  # never back


def test_a_failed_row_does_not_stop_the_others_and_is_repaired(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client
) -> None:
    oversized = replace(kpi(3, updated_at=NOON + timedelta(minutes=3)), city="Z" * 30_000)
    normal = [kpi(number, updated_at=NOON + timedelta(minutes=number)) for number in range(6)]
    put(client, *normal[:3], oversized, *normal[4:])
    status, answer = call(sync)
    assert status == 500
    assert answer["error"].startswith("1 messages were not delivered, 5 were; ZZZ")
    assert receiver.summary()["received"] == 5
    assert watermarks(client) == [(NOON + timedelta(minutes=2), "Zürich/2026-01-03")]
    rows(client, "DELETE FROM analysis.kpis WHERE LENGTH(city) > 100")
    put(client, normal[3])
    assert call(sync, "run-2") == (200, {"rows": 1, "message": "1 messages sent"})
    assert receiver.days() == [f"2026-01-0{day}" for day in range(1, 7)]


@pytest.mark.parametrize("status", [400, 404, 302])
def test_an_answer_that_refuses_one_message_fails_that_message_only(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client, status: int
) -> None:
    put(client, *(kpi(number) for number in range(20)))
    receiver.fault(mode="status", status=status, times=2)
    code, answer = call(sync)
    assert code == 500
    assert f"answered {status}" in answer["error"]
    assert receiver.summary()["received"] == 18
    assert sorted(state for _, state, _ in deliveries(client)) == ["failed"] * 2 + ["sent"] * 18
    assert call(sync, "run-2")[1]["rows"] == 2
    assert len(receiver.days()) == 20


def test_a_redirect_is_not_followed(sync: FlaskClient, client: bigquery.Client, monkeypatch: Any) -> None:
    app, elsewhere = Flask("moved"), []
    app.add_url_rule("/", "moved", lambda: redirect("/elsewhere", code=307), methods=["POST"])
    app.add_url_rule("/elsewhere", "elsewhere", lambda: elsewhere.append(1) or Response(), methods=["POST"])
    put(client, kpi(0))
    with serving(app) as address:
        monkeypatch.setenv("WEBHOOK_URL", address)
        code, answer = call(sync)
    assert (code, elsewhere) == (500, [])
    assert "answered 307" in answer["error"]


@pytest.mark.parametrize("fault", [{"status": 429, "retry_after": 1}, {"status": 500}, {"status": 503}])
def test_a_passing_trouble_is_not_seen(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client, fault: dict[str, int]
) -> None:
    put(client, *(kpi(number) for number in range(4)))
    receiver.fault(mode="status", times=3, **fault)
    assert call(sync)[1] == {"rows": 4, "message": "4 messages sent"}
    assert [state for _, state, _ in deliveries(client)] == ["sent"] * 4


def test_gone_stops_the_destination_until_it_is_changed(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client
) -> None:
    put(client, *(kpi(number) for number in range(250)))
    receiver.fault(mode="status", status=410)
    code, answer = call(sync)
    assert code == 500
    assert "answered 410, gone" in answer["error"]
    assert len(deliveries(client)) <= 8  # those that were on their way
    assert watermarks(client) == []
    receiver.heal()
    assert call(sync, "run-2")[1]["rows"] == 250


@pytest.mark.parametrize("fault", [{"mode": "status", "status": 500}, {"mode": "hang", "seconds": 2}])
def test_a_receiver_in_trouble_is_given_up_soon(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client, patience: Patience, fault: dict[str, Any]
) -> None:
    put(client, *(kpi(number) for number in range(250)))
    receiver.fault(**fault)
    patience.read_timeout_s = 0.5 if fault["mode"] == "hang" else None
    began = time.monotonic()
    code, answer = call(sync)
    patience.read_timeout_s = None
    assert code == 500
    assert "nothing more was sent: 5 messages in a row failed" in answer["error"]
    assert time.monotonic() - began < 20
    receiver.heal()
    call(sync, "run-2")
    assert len(set(receiver.days())) == 250


def test_a_receiver_that_is_not_there(sync: FlaskClient, client: bigquery.Client, monkeypatch: Any) -> None:
    put(client, kpi(0))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("WEBHOOK_URL", f"http://127.0.0.1:{closed.getsockname()[1]}/")
        code, answer = call(sync)
    assert code == 500
    assert "Zürich/2026-01-01: no answer: " in answer["error"]
    assert "Connection refused" in answer["error"]
    assert deliveries(client) == [("Zürich/2026-01-01", "failed", None)]


def test_a_lost_answer_is_repeated_under_the_same_id(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client
) -> None:
    put(client, *(kpi(number) for number in range(10)))
    receiver.fault(mode="lost", times=4)
    assert call(sync)[1]["rows"] == 10
    summary = receiver.summary()
    assert (summary["received"], summary["repeats"]) == (10, 4)


def test_a_crash_between_send_and_mark_loses_nothing_and_repeats_under_the_same_ids(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(client, *(kpi(number) for number in range(250)))
    insert, calls = warehouse.insert, []

    def crash_at_the_second_batch(client: Any, table: Any, rows: Any) -> int:
        calls.append(table.name)
        if calls.count("reverse_sync_deliveries") == 2:
            raise ConnectionError("killed between send and mark")
        return insert(client, table, rows)

    with monkeypatch.context() as crashing:
        crashing.setattr(warehouse, "insert", crash_at_the_second_batch)
        code, answer = call(sync)
    assert (code, answer["error"]) == (500, "killed between send and mark")
    assert receiver.summary()["received"] == 200
    assert len(deliveries(client)) == 100
    assert watermarks(client) == []
    assert call(sync, "run-2")[1]["rows"] == 150
    summary = receiver.summary()
    assert (summary["received"], summary["repeats"]) == (250, 100)
    assert len(set(receiver.days())) == 250
    assert call(sync, "run-3")[1]["rows"] == 0


def test_a_wrong_secret_is_refused_by_the_receiver(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", "whsec_" + base64.b64encode(bytes(32)).decode())
    put(client, kpi(0))
    assert "answered 401" in call(sync)[1]["error"]
    assert receiver.summary()["rejected"] == 1


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("WEBHOOK_URL", "", "WEBHOOK_URL is not set"),
        ("WEBHOOK_URL", "ftp://example.com", "WEBHOOK_URL must begin with https://"),
        ("WEBHOOK_SECRET", "", "WEBHOOK_SECRET is not set"),
        ("WEBHOOK_SECRET", "whsec_c2hvcnQ=", "WEBHOOK_SECRET must be whsec_"),
        ("WEBHOOK_SECRET", "whsec_??", "WEBHOOK_SECRET must be whsec_"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_is_sent(
    receiver: Receiver,
    sync: FlaskClient,
    client: bigquery.Client,
    monkeypatch: Any,
    name: str,
    value: str,
    message: str,
) -> None:
    monkeypatch.setenv(name, value)
    put(client, kpi(0))
    code, answer = call(sync)
    assert code == 500
    assert message in answer["error"]
    assert receiver.summary()["received"] == 0
