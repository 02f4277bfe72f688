"""The simulated receiver: what it accepts, what it keeps, also when it is killed."""

import base64
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient
from standardwebhooks.webhooks import Webhook

from seed import webhook
from tests.seed.processes import start

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def signed(message_id: str, body: str, at: datetime | None = None, secret: str = SECRET) -> dict[str, str]:
    at = at or datetime.now(UTC)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, at, body),
    }


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(SECRET + "\n")
    return path


@pytest.fixture
def receiver(secret_file: Path, tmp_path: Path) -> FlaskClient:
    return webhook.app(secret_file, tmp_path / "received").test_client()


def post(receiver: FlaskClient, message_id: str, body: str = '{"n": 1}', **options: Any) -> int:
    return receiver.post("/webhook", data=body, headers=signed(message_id, body, **options)).status_code


def summary(receiver: FlaskClient) -> dict[str, Any]:
    response = receiver.get("/received")
    assert response.headers["X-Simulated"] == "true"
    assert response.json is not None
    return response.json


def test_a_message_is_kept_as_it_came(receiver: FlaskClient) -> None:
    assert post(receiver, "a", '{"city": "Zürich"}') == 200
    found = summary(receiver)
    assert (found["simulated"], found["received"], found["repeats"], found["rejected"]) == (True, 1, 0, 0)
    assert (found["latest"]["id"], found["latest"]["body"]) == ("a", '{"city": "Zürich"}')


def test_a_repeat_is_counted_and_dropped(receiver: FlaskClient) -> None:
    assert [post(receiver, "a"), post(receiver, "a"), post(receiver, "b")] == [200] * 3
    found = summary(receiver)
    assert (found["received"], found["repeats"]) == (2, 1)


def test_what_is_not_signed_right_is_rejected(receiver: FlaskClient, secret_file: Path) -> None:
    other = "whsec_" + base64.b64encode(bytes(32)).decode()
    body = '{"n": 1}'
    assert post(receiver, "a", secret=other) == 401
    assert post(receiver, "a", at=datetime.now(UTC) - timedelta(minutes=6)) == 401
    assert post(receiver, "a", at=datetime.now(UTC) + timedelta(minutes=6)) == 401
    assert receiver.post("/webhook", data=body).status_code == 401
    assert receiver.post("/webhook", data='{"n": 2}', headers=signed("a", body)).status_code == 401
    torn = signed("a", body) | {"webhook-signature": "torn"}
    assert receiver.post("/webhook", data=body, headers=torn).status_code == 401
    found = summary(receiver)
    assert (found["received"], found["rejected"]) == (0, 6)
    secret_file.write_text(other)
    assert post(receiver, "a", secret=other) == 200


def test_messages_come_in_pages(receiver: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "_PAGE", 2)
    for name in "abc":
        post(receiver, name)
    pages = [receiver.get(f"/received/messages?after={after}").json for after in (0, 2, 3)]
    assert [[message["id"] for message in page["messages"]] for page in pages if page] == [["a", "b"], ["c"], []]


def test_a_lost_answer_keeps_the_message(receiver: FlaskClient) -> None:
    receiver.put("/_faults", json={"mode": "lost", "times": 1})
    assert [post(receiver, "a"), post(receiver, "a")] == [504, 200]
    found = summary(receiver)
    assert (found["received"], found["repeats"]) == (1, 1)


def test_what_was_answered_survives_a_kill(secret_file: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "seed.webhook", "--secret-file", str(secret_file)]
    command += ["--data-dir", str(tmp_path / "received")]
    process, line = start(command)
    for number in range(20):
        headers = signed(f"m{number}", "{}")
        requests.post(f"{line['address']}/webhook", data="{}", headers=headers, timeout=5).raise_for_status()
    process.kill()
    process.wait(5)
    process, line = start(command)
    assert requests.get(f"{line['address']}/received", timeout=5).json()["received"] == 20
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0


def test_hostile_answers_keep_the_message(receiver: FlaskClient) -> None:
    for mode in ("cut", "drip", "endless"):
        receiver.put("/_faults", json={"mode": mode, "times": 1})
        answer = receiver.post("/webhook", data="{}", headers=signed(mode, "{}"), buffered=False)
        assert next(iter(answer.response))
        assert answer.headers.get("Content-Length") == ("1000" if mode == "cut" else None)
        answer.close()
    assert summary(receiver)["received"] == 3


def test_a_fault_for_some_messages_and_one_after_another(receiver: FlaskClient) -> None:
    then = {"mode": "status", "status": 503, "times": 1}
    fault = {"mode": "status", "status": 400, "times": 1, "then": then}
    receiver.put("/_faults", json=fault | {"containing": "Berlin"})
    berlin = '{"city": "Berlin"}'
    assert post(receiver, "a") == 200
    assert [post(receiver, "b", berlin) for _ in range(3)] == [400, 503, 200]
    assert receiver.put("/_faults", json=fault | {"then": {"mode": "unknown"}}).status_code == 400
