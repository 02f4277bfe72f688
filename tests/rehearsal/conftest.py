"""A control plane of its own for each test, asked as Google is: with Google's client library."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import googleapiclient
import pytest
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError

from omnipipe.rehearsal import server
from omnipipe.rehearsal.control_plane import ControlPlane
from omnipipe.rehearsal.world import World

DOCUMENTS = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
PROJECT = "p-dev"
NUMBER = "123456789"

Client = Callable[[str, str], Any]


def clients(address: str) -> Client:
    """Makes a client of an API's version from the document that the library ships."""

    def client(name: str, version: str) -> Any:
        document = json.loads((DOCUMENTS / f"{name}.{version}.json").read_bytes())
        document["rootUrl"] = f"{address}/{name}/"
        document.pop("mtlsRootUrl", None)
        return build_from_document(document, credentials=Credentials("of nobody"), always_use_jwt_access=False)

    return client


@pytest.fixture
def plane() -> ControlPlane:
    """A control plane with an empty project, in which all APIs are enabled."""
    return ControlPlane(World(PROJECT, NUMBER))


@pytest.fixture
def google(plane: ControlPlane) -> Iterator[Client]:
    """Clients of the control plane."""
    with server.running(plane) as address:
        yield clients(address)


def refusal(request: Any) -> tuple[int, str, dict[str, Any]]:
    """The status, the message and the whole error that a request is refused with."""
    with pytest.raises(HttpError) as caught:
        request.execute()
    body = json.loads(caught.value.content)["error"]
    return caught.value.resp.status, body["message"], body
