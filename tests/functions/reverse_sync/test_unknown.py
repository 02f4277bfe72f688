"""What has no clear answer: the receiver may have it, so the ledger goes by that until it is told otherwise."""

from datetime import timedelta
from typing import Any

import exchange  # pyright: ignore[reportMissingImports] - conftest.py says where
import pytest
from flask.testing import FlaskClient
from google.cloud import bigquery

from omnipipe.contracts.tables import Kpi
from omnipipe.runtime import warehouse
from tests.functions.reverse_sync.conftest import Receiver, call
from tests.functions.reverse_sync.kpis import NOON, change, deliveries, kpi, put, statuses

LATER = NOON + timedelta(hours=1)


def at(hours: int, content: str) -> Kpi:
    """The figures of the one key of these tests, as they were some hours later."""
    return kpi(0, content, NOON + timedelta(hours=hours))


@pytest.mark.parametrize("mode", ["lost", "cut", "drip"])
def test_figures_that_go_back_after_an_unknown_answer_are_sent_again_under_a_new_id(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    put(client, at(0, "A"))
    call(sync)
    change(client, at(1, "B"))
    receiver.fault(mode=mode)  # it keeps B, and no answer says so
    with monkeypatch.context() as hasty:
        hasty.setattr(exchange, "_EXCHANGE_S", 0.3)
        assert call(sync, "run-2")[0] == 500
    assert statuses(client) == ["sent", "unknown"]
    receiver.heal()
    change(client, at(2, "A"))
    assert call(sync, "run-3") == (200, {"rows": 1, "message": "1 messages sent"})
    assert receiver.contents() == ["A", "B", "A"]  # a repeat of an id is kept once, so all three ids differ
    assert call(sync, "run-4")[1]["rows"] == 0


def test_figures_that_go_back_to_what_is_confirmed_before_the_unknown_is_sent_again_have_their_row_looked_at(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client
) -> None:
    """As above, with a row whose time went back too, and so far behind the watermark that no scan meets it."""
    put(client, at(0, "A"))
    call(sync)
    change(client, at(24, "B"))
    receiver.fault(mode="lost")
    call(sync, "run-2")
    receiver.heal()
    change(client, at(0, "A"))
    assert call(sync, "run-3")[1]["rows"] == 1
    assert receiver.contents() == ["A", "B", "A"]


def test_a_crash_between_send_and_mark_leaves_the_attempt_known(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(client, at(0, "A"))
    call(sync)
    change(client, at(1, "B"))
    insert, calls = warehouse.insert, []

    def crash(client: Any, table: Any, rows: Any) -> int:
        calls.append(table.name)
        if calls == ["reverse_sync_deliveries"] * 2:
            raise ConnectionError("killed between send and mark")
        return insert(client, table, rows)

    with monkeypatch.context() as crashing:
        crashing.setattr(warehouse, "insert", crash)
        assert call(sync, "run-2")[0] == 500
    assert receiver.contents() == ["A", "B"]
    change(client, at(2, "A"))
    assert call(sync, "run-3")[1]["rows"] == 1
    assert receiver.contents() == ["A", "B", "A"]


def test_an_unknown_message_is_repeated_under_its_id_as_long_as_its_figures_stay(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client
) -> None:
    put(client, at(0, "A"))
    receiver.fault(mode="lost")
    call(sync)
    call(sync, "run-2")
    receiver.heal()
    assert call(sync, "run-3")[1]["rows"] == 1
    assert receiver.contents() == ["A"]
    assert receiver.summary()["repeats"] > 0
    assert statuses(client) == ["unknown", "unknown", "sent"]


@pytest.mark.parametrize("status", [302, 307, 408, 425, 429, 500, 504])
def test_what_is_no_clear_answer(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client, status: int
) -> None:
    put(client, at(0, "A"))
    receiver.fault(mode="status", status=status)
    assert f"answered {status}" in call(sync)[1]["error"]
    assert deliveries(client) == [("Zürich/2026-01-01", "unknown", status)]


def test_a_clear_refusal_leaves_the_receiver_with_what_it_had(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client
) -> None:
    put(client, at(0, "A"))
    call(sync)
    change(client, at(1, "B"))
    receiver.fault(mode="status", status=422)
    call(sync, "run-2")
    assert statuses(client) == ["sent", "failed"]
    change(client, at(2, "A"))
    assert call(sync, "run-3")[1]["rows"] == 0


def test_a_refusal_after_an_unclear_try_is_no_clear_refusal(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client
) -> None:
    """The first try's answer was lost; the receiver then refuses what it has already, say with 409."""
    put(client, at(0, "A"))
    call(sync)
    change(client, at(1, "B"))
    receiver.fault(mode="lost", times=1, then={"mode": "status", "status": 409})
    call(sync, "run-2")
    assert deliveries(client)[1:] == [("Zürich/2026-01-01", "unknown", 409)]
    receiver.heal()
    change(client, at(2, "A"))
    assert call(sync, "run-3")[1]["rows"] == 1
    assert receiver.contents() == ["A", "B", "A"]


def test_what_did_not_leave_because_sending_stopped_is_pending_and_no_more(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client
) -> None:
    numbers = range(60)
    put(client, *(kpi(number, "A") for number in numbers))
    call(sync)
    change(client, *(kpi(number, "B", LATER) for number in numbers))
    receiver.fault(mode="status", status=500)
    assert "nothing more was sent" in call(sync, "run-2")[1]["error"]
    last = {key: status for key, status, _ in deliveries(client)}
    unsent = [key for key, status in last.items() if status == "unsent"]
    assert len(unsent) >= 40
    assert set(last.values()) == {"unknown", "unsent"}
    receiver.heal()
    change(client, *(kpi(number, "A", LATER + timedelta(hours=1)) for number in numbers))
    # The receiver has A of all that did not leave; only the others are sent again.
    assert call(sync, "run-3")[1]["rows"] == 60 - len(unsent)
    assert call(sync, "run-4")[1]["rows"] == 0


def test_what_did_not_leave_is_sent_by_the_next_run(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client
) -> None:
    put(client, *(kpi(number) for number in range(150)))
    receiver.fault(mode="status", status=500)
    call(sync)
    receiver.heal()
    assert call(sync, "run-2")[1]["rows"] == 150
    assert len(set(receiver.days())) == 150
