"""Callbacks: endpoints on a port of their own, called over HTTP while the workflow runs."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from omnipipe.laptop.services.workflows.interpreter import Listener, WorkflowCancelled, WorkflowError, parse

WAIT = """
- create: {call: events.create_callback_endpoint, args: {http_callback_method: METHOD}, result: callback}
- tell: {call: sys.log, args: {data: "${callback.url}"}}
- wait: {call: events.await_callback, args: {callback: "${callback}", timeout: 20}, result: received}
- done: {return: "${received}"}
"""


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


class Running:
    """A workflow in a thread, until it has logged the address of its callback."""

    def __init__(self, outside, listener, source):
        self.outcome: Any = None
        environment = outside.environment(callbacks=listener.callbacks)
        workflow = parse(source, "w.yaml")

        def run():
            try:
                self.outcome = workflow.run(None, environment)
            except WorkflowError as error:
                self.outcome = error

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()
        deadline = time.monotonic() + 10
        while not outside.logs:
            assert time.monotonic() < deadline, self.outcome
            time.sleep(0.01)
        self.url = outside.logs[0][1]

    def end(self):
        self.thread.join(20)
        assert not self.thread.is_alive()
        return self.outcome


def test_a_call_ends_the_waiting_and_is_its_result(outside, listener):
    running = Running(outside, listener, WAIT.replace("METHOD", "POST"))
    answer = requests.post(f"{running.url}?a=1&b=", json={"ok": True}, headers={"x-who": "me"}, timeout=5)
    assert (answer.status_code, answer.json()) == (200, {})
    received = running.end()
    request = received["http_request"]
    assert (request["method"], request["body"], request["query"]) == ("POST", {"ok": True}, {"a": "1", "b": ""})
    assert request["headers"]["X-Who"] == "me"
    assert request["headers"]["Content-Type"] == "application/json"
    assert running.url.endswith(request["url"].partition("?")[0])
    assert received["type"] == "HTTP"
    assert received["received_time"].startswith("20")


def test_closing_lets_a_call_have_its_answer(outside):
    """The workflow may be over before the answer to the call that ended it is written."""
    listener = Listener()
    running = Running(outside, listener, WAIT.replace("METHOD", "POST"))
    codes = []
    content = "x" * 1_000_000
    caller = threading.Thread(
        target=lambda: codes.append(requests.post(running.url, content, timeout=20).status_code)
    )
    caller.start()
    running.end()
    listener.close()
    caller.join(20)
    assert codes == [200]
    with pytest.raises(requests.ConnectionError):
        requests.post(running.url, timeout=5)


def test_another_method_is_refused_and_the_workflow_waits_on(outside, listener):
    running = Running(outside, listener, WAIT.replace("METHOD", "GET"))
    wrong = requests.post(running.url, timeout=5)
    assert wrong.status_code == 405
    assert wrong.json()["error"]["message"] == "this callback endpoint expects GET, not POST"
    assert running.thread.is_alive()
    assert requests.get(running.url, timeout=5).status_code == 200
    request = running.end()["http_request"]
    assert (request["method"], request["body"], request["query"]) == ("GET", None, {})


def test_nobody_is_at_another_address(outside, listener):
    running = Running(outside, listener, WAIT.replace("METHOD", "POST"))
    other = requests.post(running.url[:-1] + "x", timeout=5)
    assert (other.status_code, other.json()["error"]["status"]) == (404, "NOT_FOUND")
    requests.post(running.url, timeout=5)
    running.end()


def test_a_body_that_is_not_the_json_it_claims_to_be_is_refused(outside, listener):
    running = Running(outside, listener, WAIT.replace("METHOD", "POST"))
    broken = requests.post(running.url, data="{", headers={"Content-Type": "application/json"}, timeout=5)
    assert broken.status_code == 400
    assert "not the application/json it claims to be" in broken.json()["error"]["message"]
    requests.post(running.url, data="text", headers={"Content-Type": "text/plain"}, timeout=5)
    assert running.end()["http_request"]["body"] == "text"


def test_a_call_before_the_waiting_is_kept_and_each_wait_takes_one(outside, listener):
    source = """
- create: {call: events.create_callback_endpoint, result: callback}
- tell: {call: sys.log, args: {data: "${callback.url}"}}
- first: {call: events.await_callback, args: ["${callback}", 20], result: a}
- later: {call: sys.sleep, args: {seconds: 0.5}}
- second: {call: events.await_callback, args: ["${callback}", 20], result: b}
- done: {return: ["${a.http_request.body}", "${b.http_request.body}"]}
"""
    running = Running(outside, listener, source)
    for body in (1, 2):
        requests.post(running.url, json=body, timeout=5)
    assert running.end() == [1, 2]


def test_nobody_calls(outside, listener):
    source = WAIT.replace("METHOD", "POST").replace("timeout: 20", "timeout: 0.1")
    error = Running(outside, listener, source).end()
    assert error.error == {
        "message": "TimeoutError: nobody called the callback endpoint within 0.1 s",
        "tags": ["TimeoutError"],
    }


def test_cancelling_ends_the_waiting(outside, listener):
    cancel = threading.Event()
    threading.Timer(0.2, cancel.set).start()
    started = time.monotonic()
    environment = outside.environment(callbacks=listener.callbacks)
    with pytest.raises(WorkflowCancelled):
        parse(WAIT.replace("METHOD", "POST"), "w").run(None, environment, cancel=cancel)
    assert time.monotonic() - started < 10


METHODS = "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"
ELSEWHERE = "http://127.0.0.1/x"
WRONG = {
    f"ValueError: 'FETCH' is no HTTP method: use one of {METHODS}": ("create", {"http_callback_method": "FETCH"}),
    "TypeError: http_callback_method must be a string, not an integer": ("create", {"http_callback_method": 1}),
    "TypeError: callback must be a map, not a string": ("await", {"callback": ELSEWHERE}),
    f"ValueError: '{ELSEWHERE}' is no callback endpoint that this execution has made": (
        "await",
        {"callback": {"url": ELSEWHERE}},
    ),
    "ValueError: None is no callback endpoint that this execution has made": ("await", {"callback": {}}),
    "ValueError: timeout must be over 0 and at most 31536000 seconds": ("await", {"callback": {}, "timeout": 0}),
    "TypeError: timeout must be a number, not a string": ("await", {"callback": {}, "timeout": "1"}),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_arguments(outside, listener, message):
    kind, args = WRONG[message]
    function = {"create": "events.create_callback_endpoint", "await": "events.await_callback"}[kind]
    source = json.dumps([{"a": {"call": function, "args": args}}])
    with pytest.raises(WorkflowError) as raised:
        parse(source, "w").run(None, outside.environment(callbacks=listener.callbacks))
    assert raised.value.error == {"message": message, "tags": [message.partition(":")[0]]}


def test_where_nobody_listens(outside):
    with pytest.raises(WorkflowError) as raised:
        parse(WAIT.replace("METHOD", "POST"), "w").run(None, outside.environment())
    assert raised.value.error == {
        "message": "SystemError: nobody here listens for callbacks",
        "tags": ["SystemError"],
    }
