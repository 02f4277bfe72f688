"""What a receiver refuses for good: given up after a week of runs, kept, and sent again when a person says so."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sending  # pyright: ignore[reportMissingImports] - conftest.py says where
from flask.testing import FlaskClient
from google.cloud import bigquery

from omnipipe.contracts.tables import Kpi
from omnipipe.runtime import warehouse
from tests.functions.reverse_sync.conftest import Receiver, call, post
from tests.functions.reverse_sync.kpis import (
    NOON,
    change,
    dead_letters,
    deliveries,
    kpi,
    put,
    statuses,
    watermarks,
)
from tests.support.emulator import rows

REFUSED = "2026-01-03"  # the day of the row that the receiver refuses
KEY = f"Zürich/{REFUSED}"
LAST = sending.GIVE_UP_AFTER_RUNS


def refused(content: str = "a", hours: int = 0) -> Kpi:
    """The figures that are refused."""
    return kpi(2, content, NOON + timedelta(hours=hours))


@pytest.fixture
def given_up(receiver: Receiver, sync: FlaskClient, client: bigquery.Client) -> str:
    """One of five rows is a dead letter; its id."""
    put(client, *(kpi(number) for number in range(5)))
    receiver.fault(mode="status", status=400, containing=REFUSED)
    for number in range(LAST):
        call(sync, f"run-{number}")
    (letter,) = dead_letters(client)
    return letter["dead_letter_id"]


def test_a_refused_row_becomes_a_dead_letter_and_holds_nothing_up(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client
) -> None:
    put(client, *(kpi(number) for number in range(5)))
    receiver.fault(mode="status", status=400, containing=REFUSED)
    for number in range(1, LAST):
        put(client, kpi(10 + number, updated_at=NOON + timedelta(hours=5 * number)))  # business goes on
        code, answer = call(sync, f"run-{number}")
        assert code == 500
        assert (
            f"1 messages were not delivered, {5 if number == 1 else 1} were; {KEY}: answered 400"
            in answer["error"]
        )
        assert watermarks(client)[-1][0] == NOON + timedelta(hours=5 * number)
        assert not dead_letters(client)
    assert call(sync, "the-last") == (
        200,
        {"rows": 0, "message": "0 messages sent, 1 given up: see ops.dead_letters"},
    )

    (letter,) = dead_letters(client)
    of_the_key = f"SELECT * FROM ops.reverse_sync_deliveries WHERE key = '{KEY}' ORDER BY recorded_at"
    last = rows(client, of_the_key)[-1]
    assert (last["status"], last["delivery_id"]) == ("dead", letter["dead_letter_id"])
    assert (letter["origin"], letter["run_id"]) == ("webhook", "the-last")
    assert letter["reason"].startswith(f'Refused in {LAST} runs, last: answered 400: {{"error":true')
    assert f"`omnipipe replay {letter['dead_letter_id']}`" in letter["reason"]
    kept = json.loads(letter["payload"])
    assert (kept["key"], kept["webhook-id"], kept["http_status"]) == (KEY, letter["dead_letter_id"], 400)
    assert kept["answer"].startswith("answered 400: ")
    assert kept["message"]["data"] == warehouse.as_json(refused())

    before = deliveries(client)
    assert call(sync, "after") == (200, {"rows": 0, "message": "0 messages sent"})
    assert deliveries(client) == before


def test_a_body_that_is_too_large_becomes_a_dead_letter_too(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client
) -> None:
    put(client, kpi(0), replace(refused(), city="Z" * 30_000))
    for number in range(1, LAST):
        code, answer = call(sync, f"run-{number}")
        assert code == 500
        assert "a message of 30" in answer["error"]
    assert call(sync, "the-last")[0] == 200
    (letter,) = dead_letters(client)
    assert "the most that is sent is 20000" in letter["reason"]
    assert receiver.summary()["received"] == 1


def test_new_figures_of_the_key_are_tried_afresh(
    given_up: str, receiver: Receiver, sync: FlaskClient, client: bigquery.Client
) -> None:
    change(client, refused("b", hours=1))
    assert call(sync, "refused-again")[0] == 500  # it counts from the beginning
    receiver.heal()
    assert call(sync, "taken")[1]["rows"] == 1
    assert receiver.contents()[-1] == "b"
    assert [letter["dead_letter_id"] for letter in dead_letters(client)] == [given_up]


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_a_wrong_secret_or_address_gives_nothing_up(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client, status: int
) -> None:
    put(client, *(kpi(number) for number in range(3)))
    receiver.fault(mode="status", status=status)
    for number in range(LAST + 1):
        assert call(sync, f"run-{number}")[0] == 500
    assert not dead_letters(client)
    receiver.heal()
    assert call(sync, "mended")[1]["rows"] == 3


def test_what_has_no_clear_answer_is_never_given_up(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client
) -> None:
    put(client, kpi(0))
    receiver.fault(mode="status", status=429)
    for number in range(LAST + 1):
        assert call(sync, f"run-{number}")[0] == 500
    assert set(statuses(client)) == {"unknown"}
    assert not dead_letters(client)


def test_a_crash_while_giving_up_keeps_one_letter(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(client, refused())
    receiver.fault(mode="status", status=400)
    for number in range(1, LAST):
        call(sync, f"run-{number}")
    insert = warehouse.insert

    def crash(client: Any, table: Any, rows: Any) -> int:
        written = insert(client, table, rows)
        if table.name == "dead_letters":
            raise ConnectionError("killed")
        return written

    with monkeypatch.context() as crashing:
        crashing.setattr(warehouse, "insert", crash)
        assert call(sync, "killed")[0] == 500
    assert call(sync, "the-last")[1]["message"] == "0 messages sent, 1 given up: see ops.dead_letters"
    assert len(dead_letters(client)) == 1


def test_a_replay_sends_a_dead_letter_again_under_its_id(
    given_up: str, receiver: Receiver, sync: FlaskClient, client: bigquery.Client
) -> None:
    receiver.heal()
    assert post(sync, {"replay": [given_up]}) == (200, {"rows": 1, "message": "1 dead letters sent"})
    assert receiver.messages()[-1]["id"] == given_up
    (step,) = rows(client, "SELECT * FROM ops.step_runs WHERE step = 'replay'")
    assert (step["status"], step["rows"], step["run_id"][:7]) == ("succeeded", 1, "replay-")
    assert call(sync, "after")[1]["rows"] == 0
    change(client, refused("b", hours=1))
    call(sync, "changed")
    assert receiver.contents()[-1] == "b"


def test_a_replay_of_all_sends_dead_letters_and_nothing_that_was_not_validated_in_a_run(
    given_up: str, receiver: Receiver, sync: FlaskClient, client: bigquery.Client
) -> None:
    receiver.heal()
    put(client, kpi(20, "not validated", NOON + timedelta(days=1)))
    assert post(sync, {"replay": "all"}) == (200, {"rows": 1, "message": "1 dead letters sent"})
    assert "not validated" not in receiver.contents()
    assert call(sync, "the-day")[1]["rows"] == 1


def test_a_replay_that_is_refused_again_says_so_and_keeps_the_letter_once(
    given_up: str, sync: FlaskClient, receiver: Receiver, client: bigquery.Client
) -> None:
    code, answer = post(sync, {"replay": "all"})
    assert code == 500
    assert answer["error"].startswith(f"0 messages sent; refused again: {KEY}: answered 400")
    assert len(dead_letters(client)) == 1
    assert call(sync, "after") == (200, {"rows": 0, "message": "0 messages sent"})
    receiver.heal()
    assert post(sync, {"replay": "all"})[1]["rows"] == 1


def test_a_replay_never_sends_old_figures_over_new_ones(
    given_up: str, receiver: Receiver, sync: FlaskClient, client: bigquery.Client
) -> None:
    receiver.heal()
    change(client, refused("b", hours=1))
    before = receiver.contents()
    code, answer = post(sync, {"replay": [given_up]})
    assert code == 500
    assert f"not sent: {given_up}: no dead letter of this id waits" in answer["error"]
    assert "newer figures of its key took its place" in answer["error"]
    assert post(sync, {"replay": "all"}) == (200, {"rows": 0, "message": "0 dead letters sent"})
    assert receiver.contents() == before


@pytest.mark.parametrize("wanted", [None, [], "some", ["a", 1], {"id": "a"}, True])
def test_a_replay_of_nothing_that_can_be_told_is_refused(sync: FlaskClient, wanted: Any) -> None:
    code, answer = post(sync, {"replay": wanted})
    assert code == 400
    assert answer["error"].startswith('replay must be "all" or a list of ids of dead letters, not ')
