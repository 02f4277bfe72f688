"""The gate before the real emulator, with Google's own client: grants, views, policy tags, whose a job is."""

import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from google.api_core.exceptions import BadRequest, Forbidden
from google.cloud import bigquery

from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.home import Home
from omnipipe.laptop.iam.credentials import LocalCredentials
from omnipipe.laptop.iam.tokens import CLOUD_PLATFORM, OWNER
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.bigquery import emulator
from tests.laptop.conftest import PROJECT, grant
from tests.support.ports import free_ports

pytestmark = pytest.mark.servers

WHO = f"validate@{PROJECT}.iam.gserviceaccount.com"
OTHER = f"dbt@{PROJECT}.iam.gserviceaccount.com"
TAXONOMY = f"projects/{PROJECT}/locations/eu/taxonomies/1"
TAG = f"{TAXONOMY}/policyTags/2"
PROJECT_GRANT = "gcp:projects/iAMMember:IAMMember"
DATASET_GRANT = "gcp:bigquery/datasetIamMember:DatasetIamMember"
TABLE_GRANT = "gcp:bigquery/iamMember:IamMember"
TAG_GRANT = "gcp:datacatalog/policyTagIamMember:PolicyTagIamMember"
MASK_GRANT = "gcp:bigquerydatapolicy/dataPolicyIamMember:DataPolicyIamMember"


class Gated:
    """An emulator behind the gate, and clients for it."""

    def __init__(self, folder: Path) -> None:
        self.cloud = Cloud(Home(folder, "omnipipe", "dev"), PROJECT, "europe-west1", base_port=free_ports(2))
        self.cloud.home.prepare()
        self.data_dir = folder / "bigquery"
        self.port = free_ports(1)
        self.log = folder / "log"
        self.start()
        self.owner = self.client(OWNER)

    def start(self) -> None:
        command = emulator.argv(self.data_dir, self.port, PROJECT, self.cloud.identity)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        emulator.wait_ready(self.port, 30)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)

    def client(self, email: str) -> bigquery.Client:
        credentials = LocalCredentials(self.cloud.tokens, email)
        address = f"http://{emulator.HOST}:{self.port}"
        return bigquery.Client(PROJECT, credentials=credentials, client_options={"api_endpoint": address})

    def rows(self, sql: str, client: bigquery.Client | None = None) -> list[tuple]:
        return [tuple(row.values()) for row in (client or self.owner).query(sql).result()]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gated]:
    gated = Gated(tmp_path_factory.mktemp("gated"))
    owner = gated.owner
    for dataset in ("raw", "staging", "ops"):
        owner.create_dataset(dataset)
    string = [bigquery.SchemaField(name, "STRING") for name in ("id", "email")]
    owner.create_table(bigquery.Table(f"{PROJECT}.raw.customers", string))
    owner.create_table(bigquery.Table(f"{PROJECT}.ops.runs", string[:1]))
    gated.rows("INSERT INTO raw.customers VALUES ('1', 'ann@example.com')")
    gated.rows("CREATE VIEW staging.customers AS SELECT id, email FROM raw.customers")
    gated.rows("CREATE VIEW staging.ids AS SELECT id FROM staging.customers")
    yield gated
    gated.stop()


@pytest.fixture
def gated(running: Gated) -> Iterator[Gated]:
    """The emulator, with no grant but that of running jobs."""
    yield running
    for resource in running.cloud.registry:
        running.cloud.registry.remove(resource)


@pytest.fixture
def client(gated: Gated) -> bigquery.Client:
    grant(gated.cloud, PROJECT_GRANT, "roles/bigquery.jobUser", WHO)
    return gated.client(WHO)


def read(gated: Gated, dataset: str, table: str = "") -> None:
    """Let the account read a dataset, or a table of it."""
    if table:
        grant(gated.cloud, TABLE_GRANT, "roles/bigquery.dataViewer", WHO, datasetId=dataset, tableId=table)
    else:
        grant(gated.cloud, DATASET_GRANT, "roles/bigquery.dataViewer", WHO, datasetId=dataset)


def test_a_grant_counts_from_the_moment_that_it_is_registered(gated: Gated, client: bigquery.Client) -> None:
    with pytest.raises(
        Forbidden, match=f"Permission bigquery.tables.getData denied on table {PROJECT}:raw.customers"
    ):
        gated.rows("SELECT id FROM raw.customers", client)

    read(gated, "raw", "customers")
    assert gated.rows("SELECT id FROM raw.customers", client) == [("1",)]
    with pytest.raises(Forbidden, match=r"bigquery\.tables\.updateData denied"):
        gated.rows("INSERT INTO raw.customers VALUES ('2', 'x')", client)
    assert gated.rows("SELECT COUNT(*) FROM raw.customers") == [(1,)]


def test_without_the_right_to_run_jobs_the_right_to_read_is_not_enough(gated: Gated) -> None:
    read(gated, "raw")
    message = f"Access Denied: Project {PROJECT}: User does not have bigquery.jobs.create permission"
    with pytest.raises(Forbidden, match=message):
        gated.rows("SELECT id FROM raw.customers", gated.client(WHO))
    query = f"http://{emulator.HOST}:{gated.port}/bigquery/v2/projects/{PROJECT}/queries"
    answer = requests.post(query, json={"query": "SELECT 1"}, timeout=10)
    assert (answer.status_code, answer.headers["WWW-Authenticate"].split()[0]) == (401, "Bearer")
    assert "missing required authentication credential" in answer.json()["error"]["message"]


def test_a_view_is_read_with_what_is_beneath_it(gated: Gated, client: bigquery.Client) -> None:
    read(gated, "staging")
    for view in ("staging.customers", "staging.ids"):
        with pytest.raises(Forbidden, match=f"tables.getData denied on table {PROJECT}:raw.customers"):
            gated.rows(f"SELECT id FROM {view}", client)

    read(gated, "raw", "customers")
    assert gated.rows("SELECT id FROM staging.ids", client) == [("1",)]


def test_an_authorized_view_needs_nothing_beneath_it(gated: Gated, client: bigquery.Client) -> None:
    read(gated, "staging")
    dataset = gated.owner.get_dataset("raw")
    before = list(dataset.access_entries)
    view = {"projectId": PROJECT, "datasetId": "staging", "tableId": "customers"}
    dataset.access_entries = [*before, bigquery.AccessEntry(None, "view", view)]
    gated.owner.update_dataset(dataset, ["access_entries"])
    try:
        assert gated.rows("SELECT id FROM staging.ids", client) == [("1",)]
        with pytest.raises(Forbidden):
            gated.rows("SELECT id FROM raw.customers", client)
    finally:
        dataset.access_entries = before
        gated.owner.update_dataset(dataset, ["access_entries"])


def test_another_case_of_a_name_is_no_way_around(gated: Gated, client: bigquery.Client) -> None:
    read(gated, "staging")
    with pytest.raises(Forbidden, match=r"Not found: Table .*staging\.CUSTOMERS"):
        gated.rows("SELECT id FROM staging.CUSTOMERS", client)


def test_a_wildcard_needs_each_table_that_it_finds(gated: Gated, client: bigquery.Client) -> None:
    for number in (1, 2):
        gated.rows(f"CREATE TABLE IF NOT EXISTS ops.part_{number} AS SELECT {number} AS n")
    read(gated, "ops", "part_1")
    with pytest.raises(Forbidden, match=r"ops\.part_2"):
        gated.rows("SELECT n FROM `ops.part_*`", client)

    read(gated, "ops", "part_2")
    assert sorted(gated.rows("SELECT n FROM `ops.part_*`", client)) == [(1,), (2,)]


def test_a_script_is_refused_as_a_whole(gated: Gated, client: bigquery.Client) -> None:
    write = {"datasetId": "ops", "tableId": "runs"}
    grant(gated.cloud, TABLE_GRANT, "roles/bigquery.dataEditor", WHO, **write)
    with pytest.raises(Forbidden, match=r"raw\.customers"):
        gated.rows("INSERT INTO ops.runs VALUES ('1'); SELECT email FROM raw.customers", client)
    assert gated.rows("SELECT COUNT(*) FROM ops.runs") == [(0,)]

    gated.rows("INSERT INTO ops.runs VALUES ('1'); DELETE FROM ops.runs WHERE TRUE", client)


def test_an_upload_needs_the_table_and_is_its_callers(gated: Gated, client: bigquery.Client) -> None:
    def load() -> Any:
        config = bigquery.LoadJobConfig(source_format="NEWLINE_DELIMITED_JSON", create_disposition="CREATE_NEVER")
        return client.load_table_from_file(io.BytesIO(b'{"id": "7"}\n'), "ops.runs", job_config=config).result()

    with pytest.raises(Forbidden, match=f"bigquery.tables.updateData denied on table {PROJECT}:ops.runs"):
        load()
    grant(gated.cloud, TABLE_GRANT, "roles/bigquery.dataEditor", WHO, datasetId="ops", tableId="runs")
    assert load().output_rows == 1
    assert client.insert_rows_json("ops.runs", [{"id": "8"}]) == []
    gated.rows("DELETE FROM ops.runs WHERE TRUE")

    place = f"http://{emulator.HOST}:{gated.port}/upload/bigquery/v2/projects/{PROJECT}/jobs"
    mine, others = (
        {"Authorization": f"Bearer {gated.cloud.tokens.issue(who, CLOUD_PLATFORM)}"} for who in (WHO, OTHER)
    )
    table = {"projectId": PROJECT, "datasetId": "ops", "tableId": "runs"}
    load_job = {"destinationTable": table, "createDisposition": "CREATE_NEVER"}
    begun = requests.post(
        f"{place}?uploadType=resumable", json={"configuration": {"load": load_job}}, headers=mine, timeout=10
    )
    assert requests.put(begun.headers["Location"], data=b"{}", headers=others, timeout=10).status_code == 403
    assert requests.put(begun.headers["Location"], data=b"{}", timeout=10).status_code == 401


def test_the_results_of_a_query_are_its_makers(gated: Gated, client: bigquery.Client) -> None:
    read(gated, "raw")
    job = client.query("SELECT id FROM raw.customers")
    assert [tuple(row.values()) for row in job.result()] == [("1",)]
    id_, destination = str(job.job_id), str(job.destination)
    assert client.get_job(id_).state == "DONE"
    assert client.get_table(destination).num_rows == 1

    grant(gated.cloud, PROJECT_GRANT, "roles/bigquery.jobUser", OTHER)
    other = gated.client(OTHER)
    for ask in (
        lambda: other.get_job(id_),
        lambda: other.cancel_job(id_),
        lambda: other._connection.api_request("GET", f"/projects/{PROJECT}/queries/{id_}"),
        lambda: other.get_table(destination),
    ):
        with pytest.raises(Forbidden):
            ask()
    grant(gated.cloud, PROJECT_GRANT, "roles/bigquery.admin", OTHER)
    assert other.get_job(id_).state == "DONE"


def test_a_list_has_the_datasets_that_one_may_see(gated: Gated, client: bigquery.Client) -> None:
    def listed(who: bigquery.Client) -> list[str]:
        return sorted(dataset.dataset_id for dataset in who.list_datasets())

    assert listed(client) == []
    read(gated, "staging")
    assert listed(client) == ["staging"]
    assert listed(gated.owner) == ["ops", "raw", "staging"]


def test_who_asks_is_the_tokens_account_and_not_a_headers(gated: Gated, client: bigquery.Client) -> None:
    assert gated.rows("SELECT SESSION_USER()", client) == [(WHO,)]
    client._http.headers["X-Bqemu-Caller"] = f"serviceAccount:{OTHER}"
    assert gated.rows("SELECT SESSION_USER()", client) == [(WHO,)]


def test_a_table_without_a_dataset_is_refused_in_bigquerys_words(client: bigquery.Client, gated: Gated) -> None:
    with pytest.raises(BadRequest, match='Table "customers" must be qualified with a dataset'):
        gated.rows("SELECT 1 FROM customers", client)


def test_the_storage_apis_port_is_not_served(gated: Gated) -> None:
    listening = Path(f"/proc/{gated.process.pid}/net/tcp").read_text()
    mine = {
        link.readlink().name.removeprefix("socket:[").removesuffix("]")
        for link in Path(f"/proc/{gated.process.pid}/fd").iterdir()
        if link.is_symlink() and "socket:" in str(link.readlink())
    }
    ports = {
        int(line.split()[1].split(":")[1], 16)
        for line in listening.splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[9] in mine
    }
    assert ports == {gated.port}


@pytest.fixture
def tagged(gated: Gated) -> Iterator[str]:
    """A table of its own with a tag on a column, as dbt sets it, and the account may read it."""
    gated.rows("CREATE OR REPLACE TABLE staging.people AS SELECT '1' AS id, 'ann' AS name")
    for type_, id_, title in (
        ("gcp:datacatalog/taxonomy:Taxonomy", TAXONOMY, "pii"),
        ("gcp:datacatalog/policyTag:PolicyTag", TAG, "high"),
    ):
        gated.cloud.registry.put(Resource(type_, title, {"displayName": title}, {}, id_))
    set_tag(gated.owner)
    read(gated, "staging", "people")
    yield "staging.people"
    gated.owner.delete_table("staging.people", not_found_ok=True)


def set_tag(client: bigquery.Client) -> None:
    table = client.get_table("staging.people")
    fields = [field.to_api_repr() for field in table.schema]
    for field in fields:
        if field["name"] == "name":
            field["policyTags"] = {"names": [TAG]}
    table.schema = [bigquery.SchemaField.from_api_repr(field) for field in fields]
    client.update_table(table, ["schema"])


def test_a_tagged_column_needs_a_reader_of_its_tag(gated: Gated, client: bigquery.Client, tagged: str) -> None:
    assert gated.rows(f"SELECT id FROM {tagged}", client) == [("1",)]
    assert gated.rows(f"SELECT * EXCEPT (name) FROM {tagged}", client) == [("1",)]
    message = (
        "User has neither fine-grained reader nor masked get permission to get data protected by policy tag "
        f'"pii : high" on column {PROJECT}.staging.people.name.'
    )
    for sql in (
        "SELECT name FROM {}",
        "SELECT * FROM {}",
        "SELECT id FROM {} WHERE name = 'ann'",
        "SELECT p FROM {} p",
    ):
        with pytest.raises(Forbidden, match=message):
            gated.rows(sql.format(tagged), client)
    with pytest.raises(Forbidden, match=message):
        list(client.list_rows(client.get_table(tagged)))

    grant(gated.cloud, TAG_GRANT, "roles/datacatalog.categoryFineGrainedReader", WHO, policyTag=TAG)
    assert gated.rows(f"SELECT name FROM {tagged}", client) == [("ann",)]
    assert [tuple(row.values()) for row in client.list_rows(client.get_table(tagged))] == [("1", "ann")]


def test_a_masked_reader_may_read_and_a_reader_of_another_tag_not(
    gated: Gated, client: bigquery.Client, tagged: str
) -> None:
    other = TAG.replace("policyTags/2", "policyTags/3")
    grant(gated.cloud, TAG_GRANT, "roles/datacatalog.categoryFineGrainedReader", WHO, policyTag=other)
    with pytest.raises(Forbidden):
        gated.rows(f"SELECT name FROM {tagged}", client)

    policy = f"projects/{PROJECT}/locations/eu/dataPolicies/mask"
    inputs = {"policyTag": TAG, "dataPolicyId": "mask"}
    gated.cloud.registry.put(Resource("gcp:bigquerydatapolicy/dataPolicy:DataPolicy", "mask", inputs, {}, policy))
    masked = {"location": "eu", "dataPolicyId": "mask"}
    grant(gated.cloud, MASK_GRANT, "roles/bigquerydatapolicy.maskedReader", WHO, **masked)
    assert gated.rows(f"SELECT name FROM {tagged}", client) == [("ann",)]


def test_a_view_over_a_tagged_column_is_no_way_around(gated: Gated, client: bigquery.Client, tagged: str) -> None:
    gated.rows(f"CREATE OR REPLACE VIEW staging.masked AS SELECT SUBSTR(name, 1, 1) AS initial FROM {tagged}")
    read(gated, "staging", "masked")
    with pytest.raises(Forbidden, match="policy tag"):
        gated.rows("SELECT initial FROM staging.masked", client)


def test_tags_are_shown_survive_a_restart_and_go_with_their_table(
    gated: Gated, client: bigquery.Client, tagged: str
) -> None:
    def shown() -> dict[str, tuple[str, ...]]:
        fields = gated.owner.get_table(tagged).schema
        return {field.name: field.policy_tags.names for field in fields if field.policy_tags}

    assert shown() == {"name": (TAG,)}
    gated.stop()
    gated.start()
    assert shown() == {"name": (TAG,)}

    editor = {"role": "roles/bigquery.dataEditor", "member": WHO, "datasetId": "staging"}
    grant(gated.cloud, DATASET_GRANT, **editor)
    grant(gated.cloud, TAG_GRANT, "roles/datacatalog.categoryFineGrainedReader", WHO, policyTag=TAG)
    with pytest.raises(BadRequest):
        gated.rows(f"CREATE OR REPLACE TABLE {tagged} AS SELECT no_such_column FROM {tagged}", client)
    replaced = f"CREATE OR REPLACE TABLE {tagged} AS SELECT id, name FROM {tagged}"
    client.query(replaced, job_config=bigquery.QueryJobConfig(dry_run=True))
    assert shown() == {"name": (TAG,)}
    gated.rows(replaced, client)
    assert shown() == {}
    set_tag(gated.owner)
    gated.owner.delete_table(tagged)
    assert json.loads((gated.data_dir / "policy-tags.json").read_text()) == {}
