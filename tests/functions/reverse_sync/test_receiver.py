"""Receivers in trouble, receivers that say "not now" or "gone", and when sending to them ends and begins again."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import destination  # pyright: ignore[reportMissingImports] - conftest.py says where
import exchange  # pyright: ignore[reportMissingImports]
import pytest
from flask import Flask, Response, redirect, request
from flask.testing import FlaskClient
from google.cloud import bigquery

from tests.functions.conftest import serving
from tests.functions.reverse_sync.conftest import SECRET, Receiver, call, post
from tests.functions.reverse_sync.kpis import NOON, dead_letters, deliveries, kpi, put, statuses, watermarks


class Scripted:
    """A receiver that answers each message by its webhook-id, and keeps the order and the time of the requests."""

    def __init__(self, answer: Callable[[str], Response]) -> None:
        self.app = Flask("scripted")
        self.requests: list[tuple[str, float]] = []

        def receive() -> Response:
            message = request.headers["webhook-id"]
            self.requests.append((message, time.monotonic()))
            return answer(message)

        self.app.add_url_rule("/", "receive", receive, methods=["POST"])

    @contextmanager
    def destination(self) -> Iterator[Any]:
        """Something that sends there."""
        with serving(self.app) as address, destination.Destination(address, SECRET, allow_private=True) as made:
            yield made

    def times(self, message: str) -> list[float]:
        """When the requests of a message came."""
        return [moment for id_, moment in self.requests if id_ == message]


def status(code: int, retry_after: str | None = None) -> Response:
    return Response("", code, {"Retry-After": retry_after} if retry_after else {})


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("code", [408, 425, 429, 500, 503, 307, 401, 404])
def test_only_failures_in_a_row_count(code: int) -> None:
    scripted = Scripted(lambda message: status(200 if message == "good" else code))
    with scripted.destination() as receiver:
        for _ in range(3):  # twelve failures, never five in a row
            assert [receiver.send("bad", "{}").http_status for _ in range(4)] == [code] * 4
            assert receiver.stopped is None
            assert receiver.send("good", "{}").outcome == "sent"
        for _ in range(5):
            assert receiver.stopped is None
            receiver.send("bad", "{}")
        assert receiver.stopped == f"5 messages in a row failed, last: answered {code}"
        sent = len(scripted.requests)
        assert receiver.send("good", "{}") == destination.Answer("unsent")
        assert len(scripted.requests) == sent


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("code", [400, 413, 422])
def test_a_refused_message_says_nothing_of_the_receiver(code: int) -> None:
    scripted = Scripted(lambda _: status(code))
    with scripted.destination() as receiver:
        assert [receiver.send("bad", "{}").http_status for _ in range(10)] == [code] * 10
        assert receiver.stopped is None
    assert len(scripted.requests) == 10  # a clear refusal is not tried again


@pytest.mark.parametrize("code", [408, 425, 429, 503])
def test_a_retry_after_takes_the_place_of_the_own_pause(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destination, "_PAUSE_S", 60)  # so a pause of its own would be seen, whichever is longer
    scripted = Scripted(lambda _: status(200) if len(scripted.requests) > 2 else status(code, "1"))
    with scripted.destination() as receiver:
        assert receiver.send("a", "{}").outcome == "sent"
    first, second, third = scripted.times("a")
    assert 1 <= second - first < 20
    assert 1 <= third - second < 20


def test_a_retry_after_as_a_date_is_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destination, "_PAUSE_S", 60)
    past = "Mon, 02 Mar 2026 12:00:00 GMT"
    scripted = Scripted(lambda _: status(200) if len(scripted.requests) > 1 else status(429, past))
    with scripted.destination() as receiver:
        assert receiver.send("a", "{}").outcome == "sent"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("nonsense", ["soon", "Mon, 99 Foo", "9" * 500])
def test_a_retry_after_that_cannot_be_read_is_none(nonsense: str) -> None:
    scripted = Scripted(lambda _: status(200) if len(scripted.requests) > 1 else status(429, nonsense))
    with scripted.destination() as receiver:
        assert receiver.send("a", "{}").outcome == "sent"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("code", [429, 503])
def test_a_retry_after_pauses_all_messages_and_not_that_one_alone(code: int) -> None:
    paused: list[float] = []

    def answer(message: str) -> Response:
        if message == "first" and not paused:
            paused.append(time.monotonic())
            return status(code, "2")
        return status(200)

    scripted = Scripted(answer)
    with scripted.destination() as receiver, ThreadPoolExecutor(4) as pool:
        first = pool.submit(receiver.send, "first", "{}")
        while not receiver._open_at:  # the pause has been heard of
            time.sleep(0.01)
        others = [pool.submit(receiver.send, f"other {number}", "{}") for number in range(3)]
        assert {future.result().outcome for future in (first, *others)} == {"sent"}
    assert all(moment - paused[0] >= 2 for _, moment in scripted.requests[1:])
    assert len(scripted.requests) == 5


def test_a_long_pause_ends_the_sending_of_this_run(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client
) -> None:
    put(client, *(kpi(number) for number in range(150)))
    receiver.fault(mode="status", status=429, retry_after=3600)
    began = time.monotonic()
    code, answer = call(sync)
    assert code == 500
    assert "nothing more was sent: the receiver asks for a pause of 3600 s" in answer["error"]
    assert time.monotonic() - began < 15
    assert statuses(client).count("unknown") <= 8  # those that were on their way
    receiver.heal()
    assert call(sync, "run-2")[1]["rows"] == 150


@pytest.mark.parametrize(
    "fault", [{"mode": "status", "status": 500}, {"mode": "hang", "seconds": 2}, {"mode": "drip"}]
)
def test_a_receiver_in_trouble_is_given_up_soon(
    receiver: Receiver,
    sync: FlaskClient,
    client: bigquery.Client,
    monkeypatch: pytest.MonkeyPatch,
    fault: dict[str, Any],
) -> None:
    put(client, *(kpi(number) for number in range(250)))
    receiver.fault(**fault)
    began = time.monotonic()
    with monkeypatch.context() as hasty:
        hasty.setattr(exchange, "_EXCHANGE_S", 0.5)
        code, answer = call(sync)
    assert code == 500
    assert "nothing more was sent: 5 messages in a row failed" in answer["error"]
    assert time.monotonic() - began < 20
    receiver.heal()
    assert call(sync, "run-2")[0] == 200
    assert len(set(receiver.days())) == 250


def test_the_time_of_a_run_is_bounded_and_what_it_did_not_reach_is_sent_by_the_next(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(client, *(kpi(number) for number in range(150)))
    with monkeypatch.context() as late:
        late.setattr(destination, "_SENDING_S", 0.0)
        code, answer = call(sync)
    assert code == 500
    assert "nothing more was sent: the 0 s of one run are used up" in answer["error"]
    assert set(statuses(client)) == {"unsent"}
    assert call(sync, "run-2")[1]["rows"] == 150


def test_a_redirect_is_not_followed(
    sync: FlaskClient, client: bigquery.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, elsewhere = Flask("moved"), []
    app.add_url_rule("/", "moved", lambda: redirect("/elsewhere", code=307), methods=["POST"])
    app.add_url_rule("/elsewhere", "elsewhere", lambda: elsewhere.append(1) or Response(), methods=["POST"])
    put(client, kpi(0))
    with serving(app) as address:
        monkeypatch.setenv("WEBHOOK_URL", address)
        code, answer = call(sync)
    assert (code, elsewhere) == (500, [])
    assert "answered 307" in answer["error"]


def gone(receiver: Receiver, sync: FlaskClient, client: bigquery.Client) -> None:
    """The receiver has said 410 in a run, and would take messages again."""
    put(client, *(kpi(number) for number in range(250)))
    receiver.fault(mode="status", status=410)
    code, answer = call(sync)
    assert code == 500
    assert "nothing more was sent: the receiver answered 410, gone" in answer["error"]
    assert statuses(client).count("failed") <= 8  # those that were on their way
    receiver.heal()


def test_gone_disables_the_destination_until_a_person_says_otherwise(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client
) -> None:
    gone(receiver, sync, client)
    before = deliveries(client)
    for number in range(7):  # longer than it takes to give something up
        code, answer = call(sync, f"later-{number}")
        assert code == 500
        assert answer["error"].startswith(
            "nothing was sent: the receiver answered 410 (gone) in run run-1 of 2026-03-02. When its owner says"
        )
        assert "omnipipe replay --all" in answer["error"]
    assert (deliveries(client), receiver.summary()["received"], dead_letters(client)) == (before, 0, [])
    assert post(sync, {"replay": "all"}) == (
        200,
        {"rows": 0, "message": "0 dead letters sent; the destination is asked again from now on"},
    )
    assert call(sync, "enabled")[1]["rows"] == 250
    assert len(set(receiver.days())) == 250


def test_another_address_is_asked_and_counts_as_enabled(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone(receiver, sync, client)
    monkeypatch.setenv("WEBHOOK_URL", f"{receiver.address}/webhook?again")
    assert call(sync, "moved")[1]["rows"] == 250
    assert call(sync, "after") == (200, {"rows": 0, "message": "0 messages sent"})


def test_gone_keeps_the_watermark(receiver: Receiver, sync: FlaskClient, client: bigquery.Client) -> None:
    put(client, kpi(0))
    call(sync)
    put(client, kpi(1, updated_at=NOON + timedelta(hours=5)))
    receiver.fault(mode="status", status=410)
    call(sync, "run-2")
    receiver.heal()
    post(sync, {"replay": "all"})
    reached = (NOON + timedelta(hours=5), "Zürich/2026-01-02")
    assert watermarks(client) == [(NOON, "Zürich/2026-01-01"), reached, reached]
    assert call(sync, "run-3")[1]["rows"] == 1
