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


def failure(request: Any) -> tuple[int, str]:
    """The code (google.rpc's) and the message of the operation that a request begins, and that fails."""
    error = request.execute()["error"]
    return error["code"], error["message"]


def make_account(google: Client, id_: str = "runner") -> str:
    """A service account of the project: its address."""
    accounts = google("iam", "v1").projects().serviceAccounts()
    return accounts.create(name=f"projects/{PROJECT}", body={"accountId": id_}).execute()["email"]


def make_key(google: Client, location: str = "europe-west1") -> str:
    """A key for encryption: its name."""
    rings = google("cloudkms", "v1").projects().locations().keyRings()
    ring = rings.create(parent=f"projects/{PROJECT}/locations/{location}", keyRingId="ring", body={}).execute()
    keys, body = rings.cryptoKeys(), {"purpose": "ENCRYPT_DECRYPT"}
    return keys.create(parent=ring["name"], cryptoKeyId="key", body=body).execute()["name"]


def grant(resources: Any, name: str, role: str, email: str, **condition: str) -> None:
    """Let an account have a role on one of a client's resources, and nobody else any."""
    binding = {"role": role, "members": [f"serviceAccount:{email}"]}
    more = {"condition": {"title": "only", **condition}} if condition else {}
    resources.setIamPolicy(resource=name, body={"policy": {"bindings": [binding | more]}}).execute()
