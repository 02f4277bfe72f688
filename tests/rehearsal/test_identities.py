"""Which accounts there are: who does not exist yet is granted nothing."""

from collections.abc import Iterator
from typing import Any

import pytest

from omnipipe.rehearsal import server
from omnipipe.rehearsal.control_plane import ControlPlane
from omnipipe.rehearsal.world import World
from tests.rehearsal.conftest import NUMBER, PROJECT, Client, clients, refusal

PARENT = f"projects/{PROJECT}"


def set_policy(google: Client, member: str) -> Any:
    body = {"policy": {"bindings": [{"role": "roles/viewer", "members": [member]}]}}
    return google("cloudresourcemanager", "v1").projects().setIamPolicy(resource=PROJECT, body=body)


def agent(domain: str, kind: str = "service") -> str:
    return f"serviceAccount:{kind}-{NUMBER}@{domain}.iam.gserviceaccount.com"


@pytest.mark.parametrize(
    ("host", "member"),
    [
        ("artifactregistry", agent("gcp-sa-artifactregistry")),
        ("secretmanager", agent("gcp-sa-secretmanager")),
        ("sqladmin", agent("gcp-sa-cloud-sql")),
    ],
)
def test_an_agent_is_there_once_it_was_asked_for(google: Client, host: str, member: str) -> None:
    status, message, _ = refusal(set_policy(google, member))
    assert (status, message) == (400, f"Service account {member.partition(':')[2]} does not exist.")
    services = google("serviceusage", "v1beta1").services()
    services.generateServiceIdentity(parent=f"{PARENT}/services/{host}.googleapis.com").execute()
    set_policy(google, member).execute()


def test_an_agent_is_there_once_it_was_looked_up(google: Client) -> None:
    bigquery, storage = agent("bigquery-encryption", "bq"), agent("gs-project-accounts")
    for member in (bigquery, storage):
        assert refusal(set_policy(google, member))[0] == 400
    google("bigquery", "v2").projects().getServiceAccount(projectId=PROJECT).execute()
    google("storage", "v1").projects().serviceAccount().get(projectId=PROJECT).execute()
    for member in (bigquery, storage):
        set_policy(google, member).execute()


def test_an_agent_is_there_once_its_service_was_used(google: Client) -> None:
    assert refusal(set_policy(google, agent("gs-project-accounts")))[0] == 400
    google("storage", "v1").buckets().insert(project=PROJECT, body={"name": "p-dev-code"}).execute()
    set_policy(google, agent("gs-project-accounts")).execute()


@pytest.mark.parametrize(
    "member",
    [
        agent("gcp-sa-unheard-of"),
        "serviceAccount:reader@another-project.iam.gserviceaccount.com",
        "serviceAccount:service-987@gs-project-accounts.iam.gserviceaccount.com",
        "serviceAccount:987-compute@developer.gserviceaccount.com",
    ],
)
def test_who_is_not_known_here_is_taken_to_be_there(google: Client, member: str) -> None:
    set_policy(google, member).execute()


def test_an_address_in_the_projects_name_alone_is_nobodys(google: Client) -> None:
    email = f"runner@{PROJECT}.gserviceaccount.com"
    status, message, _ = refusal(set_policy(google, f"serviceAccount:{email}"))
    assert (status, message) == (400, f"Service account {email} does not exist.")


@pytest.mark.parametrize("kind", ["principal", "principalSet"])
def test_a_principal_names_its_pool_as_a_whole(google: Client, kind: str) -> None:
    member = f"{kind}://iam.googleapis.com/github/attribute.repository/a"
    status, message, _ = refusal(set_policy(google, member))
    words = f"The member {member} is of an unknown type. Please set a valid type prefix for the member."
    assert (status, message) == (400, words)
    set_policy(google, f"{kind}://iam.googleapis.com/locations/global/workforcePools/staff/group/data").execute()


def test_a_pool_is_there_before_its_principals(google: Client) -> None:
    name = f"projects/{NUMBER}/locations/global/workloadIdentityPools/github"
    member = f"principalSet://iam.googleapis.com/{name}/attribute.repository_id/1"
    status, message, _ = refusal(set_policy(google, member))
    assert (status, message.startswith(f"Identity Pool does not exist ({name}).")) == (400, True)
    pools, place = google("iam", "v1").projects().locations().workloadIdentityPools(), f"{PARENT}/locations/global"
    pools.create(parent=place, workloadIdentityPoolId="github", body={}).execute()
    set_policy(google, member).execute()
    pools.delete(name=f"{place}/workloadIdentityPools/github").execute()
    set_policy(google, member).execute()  # who was granted already is not asked for again
    set_policy(google, "user:a@example.com").execute()
    assert refusal(set_policy(google, member))[0] == 400


@pytest.fixture
def bare() -> Iterator[Client]:
    """Clients of a project in which no API is enabled."""
    with server.running(ControlPlane(World(PROJECT, NUMBER, enabled=()))) as address:
        yield clients(address)


@pytest.mark.parametrize(
    ("api", "member"),
    [
        ("compute", f"serviceAccount:{NUMBER}-compute@developer.gserviceaccount.com"),
        ("run", agent("serverless-robot-prod")),
    ],
)
def test_other_agents_come_with_their_api(bare: Client, api: str, member: str) -> None:
    assert refusal(set_policy(bare, member))[0] == 400
    name = f"{PARENT}/services/{api}.googleapis.com"
    bare("serviceusage", "v1").services().enable(name=name, body={}).execute()
    set_policy(bare, member).execute()
