"""The port on which one key counts, before a real emulator behind its gate, asked by Google's own client."""

from collections.abc import Iterator

import pytest
import requests
from google.api_core.exceptions import Forbidden, ServiceUnavailable
from google.cloud import bigquery
from google.oauth2.credentials import Credentials

from omnipipe.laptop.cloud import BIGQUERY, Cloud
from omnipipe.laptop.iam.tokens import CLOUD_PLATFORM, OWNER
from omnipipe.laptop.processes import Spec, clean_environment
from omnipipe.laptop.services.bigquery import emulator, proxy
from tests.laptop.conftest import serving

pytestmark = pytest.mark.servers
KEY = "the-key-that-was-printed"
GONE = "not running: bigquery"


@pytest.fixture
def behind_its_gate(cloud: Cloud) -> Cloud:
    data = cloud.home.path("bigquery")
    argv = emulator.argv(data, cloud.ports.of(BIGQUERY), cloud.project, cloud.identity)
    cloud.start(Spec(BIGQUERY, argv, clean_environment()), port_name=BIGQUERY)
    cloud.bigquery()
    return cloud


@pytest.fixture
def port(cloud: Cloud, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a proxy; as whom it asks is the test's parameter, else the owner."""
    email = getattr(request, "param", OWNER)
    app = proxy.application(
        cloud.bigquery_url, KEY, lambda: cloud.tokens.issue(email, CLOUD_PLATFORM), lambda: GONE
    )
    with serving(app) as address:
        yield address


def client(address: str) -> bigquery.Client:
    return bigquery.Client("omnipipe-test", credentials=Credentials(KEY), client_options={"api_endpoint": address})


def test_who_has_the_key_asks_as_the_owner_and_uploads_through_the_same_port(
    behind_its_gate: Cloud, port: str
) -> None:
    owner = client(port)
    owner.create_dataset("d")
    table = bigquery.Table("omnipipe-test.d.t", [bigquery.SchemaField("a", "INT64")])
    owner.create_table(table)
    owner.load_table_from_json([{"a": 1}, {"a": 2}], table).result()
    assert [row.a for row in owner.query("SELECT a FROM d.t ORDER BY a").result()] == [1, 2]


@pytest.mark.parametrize("port", ["nobody@omnipipe-test.iam.gserviceaccount.com"], indirect=True)
def test_as_a_workload_its_grants_count(behind_its_gate: Cloud, port: str) -> None:
    with pytest.raises(Forbidden):
        client(port).query("SELECT 1").result()


@pytest.mark.parametrize("key", ["another", ""])
def test_who_has_not_the_key_asks_nothing(cloud: Cloud, port: str, key: str) -> None:
    given = {"Authorization": f"Bearer {key}"}
    refused = requests.get(f"{port}/bigquery/v2/projects/p/datasets", headers=given, timeout=10)
    assert refused.status_code == 401
    assert "takes the token that `omnipipe proxy bigquery` has printed" in refused.json()["error"]["message"]


def test_a_client_of_a_bigquery_that_is_gone_is_told_so_at_once(cloud: Cloud, port: str) -> None:
    with pytest.raises(ServiceUnavailable, match=GONE):
        client(port).query("SELECT 1").result()
