"""Retries that end, against a real server on loopback."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import requests
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from omnipipe.runtime import http


@dataclass
class Server:
    """Answers each request with the next of ``answers``, and 200 when there are no more."""

    url: str = ""
    answers: list[Callable[[], Response]] = field(default_factory=list)
    requests: int = 0


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    @Request.application
    def application(_: Request) -> Response:
        state.requests += 1
        return state.answers.pop(0)() if state.answers else Response("fine")

    running = make_server("127.0.0.1", 0, application, threaded=True)
    state.url = f"http://127.0.0.1:{running.server_port}/"
    threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
    yield state
    running.shutdown()


def answer(status: int, **headers: str) -> Callable[[], Response]:
    return lambda: Response("no", status, {name.replace("_", "-"): value for name, value in headers.items()})


def hang() -> Response:
    time.sleep(1.5)
    return Response("late")


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_passing_trouble_is_retried_for_any_method(server: Server, status: int) -> None:
    server.answers = [answer(status)]
    assert http.session().post(server.url, data=b"x").text == "fine"
    assert server.requests == 2


@pytest.mark.parametrize("status", [400, 404, 410])
def test_a_lasting_answer_is_not_retried(server: Server, status: int) -> None:
    server.answers = [answer(status)]
    assert http.session().get(server.url).status_code == status
    assert server.requests == 1


def test_the_last_answer_is_returned_when_the_retries_are_used_up(server: Server) -> None:
    server.answers = [answer(500)] * 10
    assert http.session(retries=1).get(server.url).status_code == 500
    assert server.requests == 2


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of each wait between two tries. A busy machine makes a test take longer, and none of these."""
    waited, sleep = [], time.sleep

    def record(seconds: float) -> None:
        waited.append(seconds)
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", record)
    return waited


def test_retry_after_is_waited_for(server: Server, waits: list[float]) -> None:
    server.answers = [answer(429, Retry_After="1")]
    assert http.session().get(server.url).ok
    assert waits == [1]


def test_a_retry_after_takes_the_place_of_the_own_pause(server: Server, waits: list[float]) -> None:
    """Its own pauses would be 0, 1 and 2 s and more: the last one would not fit into the budget."""
    server.answers = [answer(503, Retry_After="1")] * 3
    assert http.session(retries=3, budget_s=3.9).get(server.url).text == "fine"
    assert waits == [1, 1, 1]


def test_a_retry_after_beyond_the_budget_ends_the_request_at_once(server: Server, waits: list[float]) -> None:
    server.answers = [answer(429, Retry_After="3600")] * 5
    assert http.session(budget_s=5).get(server.url).status_code == 429
    assert waits == []
    assert server.requests == 1


def test_the_budget_holds_over_several_waits(server: Server, waits: list[float]) -> None:
    server.answers = [answer(503, Retry_After="1")] * 10
    assert http.session(retries=10, budget_s=1.5).get(server.url).status_code == 503
    assert waits == [1]
    assert server.requests == 2


def test_a_request_has_a_timeout_and_is_retried_after_it(server: Server) -> None:
    server.answers = [hang]
    assert http.session(timeout_s=(1, 0.5)).get(server.url).text == "fine"
    server.answers = [hang] * 5
    with pytest.raises(requests.RequestException) as raised:
        http.session(retries=1, timeout_s=(1, 0.2)).get(server.url)
    assert http.cause(raised.value) == "Read timed out. (read timeout=0.2)"
    with pytest.raises(requests.RequestException) as raised:
        http.session(retries=0, timeout_s=(1, 0.2)).get(server.url)
    assert http.cause(raised.value) == "Read timed out. (read timeout=0.2)"


def test_a_refused_connection_is_named_in_few_words() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        with pytest.raises(requests.ConnectionError) as raised:
            http.session(retries=1).get(url)
    assert http.cause(raised.value) == "Failed to establish a new connection: [Errno 111] Connection refused"
