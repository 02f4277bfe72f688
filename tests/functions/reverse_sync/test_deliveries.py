"""What is sent, in which order, and what is marked: also when a message fails or the function is cut off."""

import base64
import json
import socket
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from google.cloud import bigquery

from omnipipe.runtime import warehouse
from tests.functions.reverse_sync.conftest import SECRET, Receiver, call
from tests.functions.reverse_sync.kpis import NOON, change, deliveries, kpi, put, statuses, watermarks
from tests.support.emulator import rows


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
    before, recorded = rows(client, "SELECT * FROM ops.reverse_sync_deliveries ORDER BY recorded_at")
    assert before["delivery_id"] == recorded["delivery_id"] == message["id"]
    assert before["status"] == "attempting"
    assert (recorded["key"], recorded["status"], recorded["http_status"]) == ("Zürich/2026-01-01", "sent", 200)
    assert watermarks(client) == [(NOON, "Zürich/2026-01-01")]
    assert rows(client, "SELECT step, status, `rows` FROM ops.step_runs") == [
        {"step": "reverse_sync", "status": "succeeded", "rows": 1}
    ]


def test_without_a_destination_the_step_is_skipped(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOK_URL", "")
    put(client, kpi(0))
    assert call(sync) == (200, {"rows": None, "message": "no destination"})
    assert receiver.summary()["received"] == 0
    assert rows(client, "SELECT step, status, message FROM ops.step_runs") == [
        {"step": "reverse_sync", "status": "skipped", "message": "no destination"}
    ]
    answer = sync.post("/", json={"replay": "all"})
    assert answer.status_code == 500
    assert "there is no destination: set webhookUrl" in answer.get_json()["error"]


def test_a_variable_that_is_not_given_at_all_is_a_mistake(
    receiver: Receiver, sync: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WEBHOOK_URL")
    code, answer = call(sync)
    assert code == 500
    assert "WEBHOOK_URL is not set" in answer["error"]


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


def test_a_failed_row_stops_neither_the_others_nor_the_watermark_and_is_repaired(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client
) -> None:
    put(client, *(kpi(number, updated_at=NOON + timedelta(hours=2 * number)) for number in range(6)))
    receiver.fault(mode="status", status=400, containing="2026-01-03")
    status, answer = call(sync)
    assert status == 500
    assert answer["error"] == (
        "1 messages were not delivered, 5 were; Zürich/2026-01-03: answered 400: "
        '{"error":true,"reason":"simulated fault 400"}'
    )
    assert receiver.summary()["received"] == 5
    assert watermarks(client) == [(NOON + timedelta(hours=10), "Zürich/2026-01-06")]
    receiver.heal()
    assert call(sync, "run-2") == (200, {"rows": 1, "message": "1 messages sent"})
    assert receiver.days() == [f"2026-01-0{day}" for day in range(1, 7)]
    assert receiver.summary()["repeats"] == 0


@pytest.mark.parametrize(
    "fault",
    [{"status": 408}, {"status": 425}, {"status": 429, "retry_after": 1}, {"status": 500}, {"status": 503}],
)
def test_a_passing_trouble_is_not_seen(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client, fault: dict[str, int]
) -> None:
    put(client, *(kpi(number) for number in range(4)))
    receiver.fault(mode="status", times=3, **fault)
    assert call(sync)[1] == {"rows": 4, "message": "4 messages sent"}
    assert statuses(client) == ["sent"] * 4


def test_a_receiver_that_is_not_there(sync: FlaskClient, client: bigquery.Client, monkeypatch: Any) -> None:
    put(client, kpi(0))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("WEBHOOK_URL", f"http://127.0.0.1:{closed.getsockname()[1]}/")
        code, answer = call(sync)
    assert code == 500
    assert "Zürich/2026-01-01: no connection: [Errno 111] Connection refused" in answer["error"]
    assert deliveries(client) == [("Zürich/2026-01-01", "unsent", None)]


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

    def crash_after_the_second_batch(client: Any, table: Any, rows: Any) -> int:
        calls.append(table.name)
        if calls.count("reverse_sync_deliveries") == 4:
            raise ConnectionError("killed between send and mark")
        return insert(client, table, rows)

    with monkeypatch.context() as crashing:
        crashing.setattr(warehouse, "insert", crash_after_the_second_batch)
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


@pytest.mark.parametrize("known", [0, 1])
def test_while_a_key_is_replaced_a_receiver_that_knows_either_takes_the_messages(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client, monkeypatch: pytest.MonkeyPatch, known: int
) -> None:
    keys = ["whsec_" + base64.b64encode(bytes(32)).decode()]
    keys.insert(known, SECRET)  # the receiver's
    monkeypatch.setenv("WEBHOOK_SECRET", " ".join(keys))
    put(client, kpi(0))
    assert call(sync)[0] == 200
    assert (receiver.summary()["received"], receiver.summary()["rejected"]) == (1, 0)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("WEBHOOK_URL", "ftp://example.com", "WEBHOOK_URL cannot be asked: it must begin with https://"),
        ("WEBHOOK_URL", "https://", "WEBHOOK_URL cannot be asked: it must begin with https://"),
        ("WEBHOOK_URL", "https://me:secret@example.com/", "it must not hold a user or a password"),
        ("WEBHOOK_URL", f"https://{'x' * 64}.example.com/", "WEBHOOK_URL cannot be asked: "),
        ("WEBHOOK_URL", "https://example.com:port/", "WEBHOOK_URL cannot be asked: "),
        ("WEBHOOK_ALLOW_PRIVATE", "", "WEBHOOK_ALLOW_PRIVATE is not set"),
        ("WEBHOOK_ALLOW_PRIVATE", "yes", "WEBHOOK_ALLOW_PRIVATE is 'yes': it must be true or false"),
        ("WEBHOOK_SECRET", "", "WEBHOOK_SECRET is not set"),
        ("WEBHOOK_SECRET", "whsec_c2hvcnQ=", "WEBHOOK_SECRET must be whsec_"),
        ("WEBHOOK_SECRET", "whsec_??", "WEBHOOK_SECRET must be whsec_"),
        ("WEBHOOK_SECRET", f"{SECRET} whsec_??", "WEBHOOK_SECRET must be whsec_"),
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
