"""An answer is watched as it goes by, or held until it is whole and rewritten."""

import asyncio
from typing import Any

import pytest

from omnipipe.laptop.iam.gate import Refused
from omnipipe.laptop.services.bigquery.gate.answers import Answer, header, refusal, rewrite, watch

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4"), (b"etag", b"e")]}
PARTS = [
    {"type": "http.response.body", "body": b"ab", "more_body": True},
    {"type": "http.response.body", "body": b"cd", "more_body": True},
    {"type": "http.response.body", "body": b"", "more_body": False},
]


class Caller:
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    async def send(self, message: Any) -> None:
        self.messages.append(message)


def answer(responder: Any, *messages: Any) -> None:
    async def emulator() -> None:
        for message in messages:
            await responder(message)

    asyncio.run(emulator())


def test_what_is_watched_goes_by_as_it_comes_and_is_told_before_the_caller_hears() -> None:
    caller, events = Caller(), []
    answer(watch(caller.send, lambda: events.append(list(caller.messages))), START, *PARTS)
    assert caller.messages == [START, *PARTS]
    assert events == [[]]


@pytest.mark.parametrize("status", [300, 404, 500])
def test_of_what_was_not_carried_out_nobody_is_told(status: int) -> None:
    caller, events = Caller(), []
    answer(watch(caller.send, lambda: events.append(status)), START | {"status": status}, *PARTS)
    assert events == []
    assert caller.messages[0]["status"] == status


def test_what_is_rewritten_is_held_until_it_is_whole_and_sent_with_its_new_length() -> None:
    caller = Caller()
    responder = rewrite(caller.send, lambda whole: whole.saying(whole.body + b"efghijkl"))
    answer(responder, START, *PARTS[:2])
    assert caller.messages == []
    answer(responder, PARTS[2])
    assert caller.messages == [
        START | {"headers": [(b"content-length", b"12"), (b"etag", b"e")]},
        {"type": "http.response.body", "body": b"abcdefghijkl"},
    ]


def test_an_answer_without_a_length_gets_none() -> None:
    assert Answer(204, [], b"").saying(b"x").headers == []


def test_a_refusal_is_answered_as_google_answers_it() -> None:
    denied = refusal(Refused(403, "no", "accessDenied"))
    assert (denied.status, denied.ok) == (403, False)
    assert header(denied.headers, b"content-length") == str(len(denied.body))
    assert header(denied.headers, b"www-authenticate") is None
    assert header(refusal(Refused(401, "who?", "required")).headers, b"www-authenticate") is not None
