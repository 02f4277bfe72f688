"""The port: on this machine only, one for all hosts of Google's, and it forgets when it is told."""

import json
import time
from collections.abc import Iterator

import pytest
import requests

from omnipipe.rehearsal import server
from omnipipe.rehearsal.control_plane import ControlPlane
from omnipipe.rehearsal.world import World
from tests.rehearsal.conftest import PROJECT

TOPIC = f"/pubsub/v1/projects/{PROJECT}/topics/events"


@pytest.fixture
def address() -> Iterator[str]:
    with server.running(ControlPlane(World(PROJECT))) as address:
        yield address


def send(method: str, url: str, data: bytes | None = None) -> tuple[int, str]:
    answer = requests.request(method, url, data=data, headers={"Content-Type": "application/json"}, timeout=5)
    return answer.status_code, answer.text


def test_it_listens_on_this_machine_only(address: str) -> None:
    assert address.startswith("http://127.0.0.1:")


def test_a_request_may_have_to_wait() -> None:
    asked: list[tuple[str, ...]] = []

    def late(*request: str) -> float:
        asked.append(request)
        return 0.2

    with server.running(ControlPlane(World(PROJECT)), late=late) as address:
        began = time.monotonic()
        assert send("PUT", f"{address}{TOPIC}?alt=json", b"{}")[0] == 200
        assert time.monotonic() - began >= 0.2
    assert asked == [("PUT", "pubsub", f"/v1/projects/{PROJECT}/topics/events?alt=json")]


def test_it_forgets_when_it_is_told(address: str) -> None:
    assert send("PUT", address + TOPIC, b"{}")[0] == 200
    assert send("GET", address + TOPIC)[0] == 200
    assert send("POST", f"{address}/-/reset") == (200, "{}")
    assert send("GET", address + TOPIC)[0] == 404


def test_what_is_no_json_is_refused(address: str) -> None:
    status, text = send("PUT", address + TOPIC, b"{")
    assert (status, json.loads(text)["error"]["status"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("path", ["/nobody/v1/projects", "/pubsub/v9/projects", "/"])
def test_who_is_not_google_is_not_found(address: str, path: str) -> None:
    assert send("GET", address + path)[0] == 404


def test_a_number_in_an_address_stands_for_the_project(address: str) -> None:
    send("PUT", address + TOPIC, b"{}")
    status, text = send("GET", address + TOPIC.replace(PROJECT, World.number))
    assert (status, json.loads(text)["name"]) == (200, f"projects/{PROJECT}/topics/events")


def test_a_mistake_of_a_rule_is_told_as_the_rehearsals_own(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def mistaken(*_: object) -> None:
        raise KeyError("databaseVersion")

    monkeypatch.setattr(ControlPlane, "answer", mistaken)
    status, text = send("GET", address + TOPIC)
    assert status == 501  # 500 would be asked again for half an hour
    message = json.loads(text)["error"]["message"]
    assert message == "The rehearsal has a mistake of its own here: KeyError: 'databaseVersion'"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_as_a_proxy_it_refuses_the_way_out_and_names_the_host(address: str, scheme: str) -> None:
    try:
        answer = requests.get(f"{scheme}://example.com/prices", proxies={scheme: address}, timeout=5)
        told = f"{answer.status_code} {answer.reason}"
    except requests.exceptions.ProxyError as error:
        told = str(error)
    assert "403 the rehearsal has no way to example.com" in told


def test_an_upload_at_the_root_of_the_host_is_one_to_storage(address: str) -> None:
    """So Google's Go client sends it, whatever path its endpoint has."""
    send("POST", f"{address}/storage/storage/v1/b?project={PROJECT}", b'{"name": "files-of-mine"}')
    media = b'--x\r\nContent-Type: application/json\r\n\r\n{"name": "a"}\r\n--x\r\n\r\nhello\r\n--x--\r\n'
    made = requests.post(
        f"{address}/upload/storage/v1/b/files-of-mine/o?uploadType=multipart",
        data=media,
        headers={"Content-Type": "multipart/related; boundary=x"},
        timeout=5,
    )
    assert (made.status_code, made.json()["size"]) == (200, "5")
