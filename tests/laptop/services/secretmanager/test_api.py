"""Secret Manager's API: a version's data, and a further version."""

import base64
import threading
from typing import Any

import pytest
from flask.testing import FlaskClient

from omnipipe.laptop import server
from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.deployment import Deployment
from omnipipe.laptop.lookups import PROJECT_NUMBER
from omnipipe.laptop.services.secretmanager import resources as secretmanager
from tests.laptop.conftest import PROJECT, owners_client

SECRET = f"projects/{PROJECT}/secrets/password"
NUMBERED = f"projects/{PROJECT_NUMBER}/secrets/password"


@pytest.fixture
def client(cloud: Cloud) -> FlaskClient:
    Deployment(cloud).register(secretmanager.SECRET, "secret", {"secretId": "password"}, False)
    return owners_client(cloud)


def payload(data: bytes) -> Any:
    return {"payload": {"data": base64.b64encode(data).decode()}}


def data(answer: Any) -> bytes:
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return base64.b64decode(answer.get_json()["payload"]["data"])


def test_versions_are_added_and_read_by_number_and_as_the_latest(client: FlaskClient, cloud: Cloud) -> None:
    for number, text in enumerate(("one", "zwei é"), 1):
        made = client.post(f"/v1/{SECRET}:addVersion", json=payload(text.encode())).get_json()
        assert (made["name"], made["state"]) == (f"{NUMBERED}/versions/{number}", "ENABLED")

    latest = client.get(f"/v1/{SECRET}/versions/latest:access")
    assert (data(latest), latest.get_json()["name"]) == ("zwei é".encode(), f"{NUMBERED}/versions/2")
    assert data(client.get(f"/v1/{NUMBERED}/versions/1:access")) == b"one"
    assert secretmanager.read(cloud, "password", "latest") == "zwei é"
    assert (cloud.home.directory / "secrets/password/2").stat().st_mode & 0o777 == 0o600


def test_versions_added_at_once_have_numbers_of_their_own(client: FlaskClient, cloud: Cloud) -> None:
    service = server.application(cloud, server.apis(cloud))
    path = f"/v1/{SECRET}:addVersion"

    def add(number: int) -> None:
        service.test_client().post(path, json=payload(str(number).encode()), headers=cloud.as_owner())

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert {secretmanager.read(cloud, "password", str(number)) for number in range(1, 9)} == set("01234567")


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("GET", f"{SECRET}/versions/1:access", f"Secret Version [{NUMBERED}/versions/1] not found."),
        ("GET", f"{SECRET}/versions/latest:access", f"Secret Version [{NUMBERED}/versions/latest] not found."),
        ("GET", f"projects/{PROJECT}/secrets/other/versions/1:access", "secrets/other] not found."),
        ("POST", f"projects/{PROJECT}/secrets/other:addVersion", "secrets/other] not found."),
        ("GET", "projects/elsewhere/secrets/password/versions/1:access", "not found."),
    ],
)
def test_what_is_not_there_is_told_and_not_made(
    client: FlaskClient, cloud: Cloud, method: str, path: str, words: str
) -> None:
    answer = client.open(f"/v1/{path}", method=method, json=payload(b"x") if method == "POST" else None)
    assert (answer.status_code, words in answer.get_json()["error"]["message"]) == (404, True)
    assert [folder.name for folder in (cloud.home.directory / "secrets").iterdir()] == ["password"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "payload.data must be"),
        ({"payload": {"data": "no base64"}}, "payload.data must be"),
        (payload(b"x" * 65_537), "over the limit of 65536 bytes"),
        (payload(b"\xff"), "not UTF-8"),
    ],
)
def test_data_that_cannot_be_kept_is_refused(client: FlaskClient, cloud: Cloud, body: Any, words: str) -> None:
    answer = client.post(f"/v1/{SECRET}:addVersion", json=body)
    assert (answer.status_code, words in answer.get_json()["error"]["message"]) == (400, True)
    assert list((cloud.home.directory / "secrets/password").iterdir()) == []
