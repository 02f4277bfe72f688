"""An API that is not enabled answers that, and nothing else."""

from collections.abc import Iterator

import pytest

from omnipipe.rehearsal import server
from omnipipe.rehearsal.control_plane import ControlPlane
from omnipipe.rehearsal.world import World
from tests.rehearsal.conftest import NUMBER, PROJECT, Client, clients, refusal

SERVICE = f"projects/{PROJECT}/services/secretmanager.googleapis.com"


@pytest.fixture
def google() -> Iterator[Client]:
    """Clients of a control plane in which no API is enabled yet."""
    with server.running(ControlPlane(World(PROJECT, NUMBER, enabled=()))) as address:
        yield clients(address)


def test_a_disabled_api_says_so_in_googles_words(google: Client) -> None:
    status, message, error = refusal(
        google("secretmanager", "v1").projects().secrets().list(parent=f"projects/{PROJECT}")
    )
    assert (status, error["status"]) == (403, "PERMISSION_DENIED")
    assert message.startswith(
        f"Secret Manager API has not been used in project {NUMBER} before or it is disabled. Enable it by visiting "
        f"https://console.developers.google.com/apis/api/secretmanager.googleapis.com/overview?project={NUMBER} then"
    )
    assert error["details"][0]["reason"] == "SERVICE_DISABLED"
    assert error["details"][0]["metadata"]["consumer"] == f"projects/{NUMBER}"


def test_an_enabled_api_answers(google: Client) -> None:
    services = google("serviceusage", "v1").services()
    assert services.get(name=SERVICE).execute()["state"] == "DISABLED"
    operation = services.enable(name=SERVICE, body={}).execute()
    assert operation["response"]["service"]["state"] == "ENABLED"
    assert google("secretmanager", "v1").projects().secrets().list(parent=f"projects/{PROJECT}").execute() == {}
    services.disable(name=SERVICE, body={}).execute()
    request = google("secretmanager", "v1").projects().secrets().list(parent=f"projects/{PROJECT}")
    assert refusal(request)[0] == 403


def test_several_are_enabled_at_once_but_not_too_many(google: Client) -> None:
    services = google("serviceusage", "v1").services()
    ids = ["run.googleapis.com", "storage.googleapis.com"]
    services.batchEnable(parent=f"projects/{PROJECT}", body={"serviceIds": ids}).execute()
    listed = services.list(parent=f"projects/{PROJECT}", filter="state:ENABLED").execute()["services"]
    assert [each["config"]["name"] for each in listed] == ids
    request = services.batchEnable(parent=f"projects/{PROJECT}", body={"serviceIds": ids * 11})
    assert refusal(request)[0] == 400


def test_what_is_no_service_of_googles_is_not_enabled(google: Client) -> None:
    request = google("serviceusage", "v1").services().enable(name=f"projects/{PROJECT}/services/run", body={})
    assert refusal(request)[0] == 403


def test_the_older_apis_tell_a_reason(google: Client) -> None:
    _, _, error = refusal(google("bigquery", "v2").datasets().list(projectId=PROJECT))
    assert error["errors"][0]["reason"] == "accessNotConfigured"
