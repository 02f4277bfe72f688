"""Each method of the API with its permissions and without one of them; what is refused reaches nothing."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from bqemulator.catalog.models import DatasetMeta, JobMeta, TableMeta

from omnipipe.laptop.iam.tokens import CLOUD_PLATFORM
from omnipipe.laptop.services.bigquery.gate.routes import ROUTES, route
from tests.laptop.conftest import PROJECT, grant
from tests.laptop.services.bigquery.gate.conftest import API, WHO, Before

TABLE = {"datasetId": "raw", "tableId": "t", "projectId": PROJECT}
NAMES = {"project": PROJECT, "dataset": "raw", "table": "t", "routine": "r", "model": "m", "job": "j"}
LOAD = {"destinationTable": TABLE, "createDisposition": "CREATE_NEVER"}
# What a method's body adds: method -> body, query, and the further permissions.
BODIES: dict[str, tuple[Any, str, set[str]]] = {
    "jobs.query": ({"query": "INSERT INTO raw.t (a) VALUES (1)"}, "", {"bigquery.tables.updateData"}),
    "jobs.insert": ({"configuration": {"load": LOAD}}, "", {"bigquery.tables.updateData"}),
    "jobs.upload": ({"configuration": {"load": LOAD}}, "uploadType=resumable", {"bigquery.tables.updateData"}),
    "tables.insert": ({"tableReference": TABLE}, "", set()),
}
# These ask who made the job; `datasets.list` shows what one may see. They have tests of their own.
OTHERWISE = {"jobs.get", "jobs.getQueryResults", "jobs.cancel", "jobs.continueUpload", "datasets.list"}


def test_a_name_is_judged_as_the_emulator_reads_it(before: Before) -> None:
    inputs = {"datasetId": "raw", "tableId": "tA"}
    grant(before.cloud, "gcp:bigquery/iamMember:IamMember", "roles/bigquery.dataViewer", WHO, **inputs)
    assert before.ask("GET", f"{API}/datasets/raw/tables/tA")[0] == 200
    assert before.ask("GET", f"{API}/datasets/raw/tables/t%41")[0] == 403  # the server has decoded it already


@pytest.mark.parametrize("name", [each.name for each in ROUTES if each.name not in OTHERWISE])
def test_a_method_needs_each_of_its_permissions_and_what_is_refused_reaches_nothing(
    before: Before, name: str
) -> None:
    (method,) = (each for each in ROUTES if each.name == name)
    body, query, further = BODIES.get(name, ({}, "", set()))
    needed = {permission for permission, _ in method.needs} | further
    path = method.path.format_map(NAMES)
    assert needed

    for missing in sorted(needed):
        before.permit(*needed - {missing})
        status, answer = before.ask(method.method, path, body, query)
        assert (status, answer["error"]["status"]) == (403, "PERMISSION_DENIED")
        assert missing in answer["error"]["message"]
        assert answer["error"]["errors"] == [
            {"message": answer["error"]["message"], "domain": "global", "reason": "accessDenied"}
        ]
    assert before.reached == []

    before.permit(*needed)
    assert before.ask(method.method, path, body, query)[0] == 200
    ((got_method, got_path, got_body),) = before.reached
    assert (got_method, got_path, json.loads(got_body)) == (method.method, path, body)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/bigquery/v2/projects"),
        ("POST", f"{API}/datasets/raw/tables/t/rowAccessPolicies"),
        ("GET", f"{API}/datasets/raw/tables/t/anything"),
        ("GET", "/admin/jobs"),
        ("GET", "/metrics"),
        ("GET", "/openapi.json"),
        ("DELETE", f"{API}/jobs/j"),
        ("GET", f"{API}/datasets/raw/tables/t/../../../other"),
    ],
)
def test_what_is_in_no_row_of_the_table_is_refused_but_to_the_owner(
    before: Before, method: str, path: str
) -> None:
    before.permit(*(permission for each in ROUTES for permission, _ in each.needs))

    status, answer = before.ask(method, path)
    assert status == 403
    assert "cannot tell which permissions" in answer["error"]["message"]
    assert before.reached == []

    assert before.ask(method, path, token=before.cloud.tokens.owner())[0] == 200


def test_without_a_valid_token_nothing_is_reached_but_the_probes(before: Before) -> None:
    before.permit("bigquery.tables.get")
    for token in (None, "nonsense", before.cloud.tokens.issue(WHO, "https://function")):
        status, answer = before.ask("GET", f"{API}/datasets/raw/tables/t", token=token)
        assert (status, answer["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert before.reached == []

    assert before.ask("GET", "/readyz", token=None)[0] == 200


@pytest.mark.parametrize(
    ("permission", "resource", "message"),
    [
        ("bigquery.jobs.create", "jobs.query",
         f"Access Denied: Project {PROJECT}: User does not have bigquery.jobs.create permission in project {PROJECT}."),
        ("bigquery.tables.get", "tables.get",
         f"Access Denied: Table {PROJECT}:raw.t: Permission bigquery.tables.get denied on table {PROJECT}:raw.t "
         "(or it may not exist)."),
        ("bigquery.tables.list", "tables.list",
         f"Access Denied: Dataset {PROJECT}:raw: Permission bigquery.tables.list denied on dataset {PROJECT}:raw "
         "(or it may not exist)."),
    ],
)  # fmt: skip
def test_a_denial_has_bigquerys_words(before: Before, permission: str, resource: str, message: str) -> None:
    (method,) = (each for each in ROUTES if each.name == resource)
    body, query, _ = BODIES.get(resource, ({}, "", set()))
    assert before.ask(method.method, method.path.format_map(NAMES), body, query)[1]["error"]["message"] == message


JOBS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "a query into a table": (
        {"query": {"query": "SELECT 1", "destinationTable": TABLE}},
        {"bigquery.tables.updateData", "bigquery.tables.create"},
    ),
    "a load that may make its table": (
        {"load": {"destinationTable": TABLE}},
        {"bigquery.tables.updateData", "bigquery.tables.create"},
    ),
    "a load that adds columns": (
        {"load": LOAD | {"schemaUpdateOptions": ["ALLOW_FIELD_ADDITION"]}},
        {"bigquery.tables.updateData", "bigquery.tables.update"},
    ),
    "a load from a bucket": (
        {"load": LOAD | {"sourceUris": ["gs://bucket/file.csv"]}},
        {"bigquery.tables.updateData", "storage.objects.get"},
    ),
    "a copy": (
        {"copy": {"sourceTable": TABLE | {"tableId": "s"}, "destinationTable": TABLE}},
        {"bigquery.tables.getData", "bigquery.tables.updateData", "bigquery.tables.create"},
    ),
    "an extract": (
        {"extract": {"sourceTable": TABLE, "destinationUris": ["gs://bucket/file.csv"]}},
        {"bigquery.tables.getData", "bigquery.tables.export", "storage.objects.create"},
    ),
}


@pytest.mark.parametrize("kind", JOBS)
def test_a_job_needs_each_permission_of_its_kind(before: Before, kind: str) -> None:
    configuration, further = JOBS[kind]
    needed = further | {"bigquery.jobs.create"}

    for missing in sorted(needed):
        before.permit(*needed - {missing})
        status, answer = before.ask("POST", f"{API}/jobs", {"configuration": configuration})
        assert (status, missing in answer["error"]["message"]) == (403, True), answer
    assert before.reached == []

    before.permit(*needed)
    assert before.ask("POST", f"{API}/jobs", {"configuration": configuration})[0] == 200


@pytest.mark.parametrize(
    ("path", "body", "query"),
    [
        (f"{API}/queries", {"query": "SELECT 1", "useLegacySql": True}, ""),
        (f"{API}/queries", {"query": "EXECUTE IMMEDIATE 'SELECT 1'"}, ""),
        (f"{API}/jobs", {"configuration": {}}, ""),
        (f"{API}/jobs", {"configuration": {"load": LOAD, "query": {"query": "SELECT 1"}}}, ""),
        (f"{API}/jobs", {"configuration": {"load": LOAD | {"sourceUris": ["file:///etc/passwd"]}}}, ""),
        (f"{API}/jobs", {"configuration": {"load": {}}}, ""),
        (f"{API}/jobs", {"configuration": {"copy": {"destinationTable": TABLE}}}, ""),
        (f"{API}/jobs", [], ""),
        (f"/upload{API}/jobs", {"configuration": {"load": LOAD}}, "uploadType=multipart"),
        (f"/upload{API}/jobs", {"configuration": {}}, "uploadType=resumable"),
    ],
)
def test_a_body_that_cannot_be_judged_is_refused(before: Before, path: str, body: Any, query: str) -> None:
    before.permit(*(permission for each in ROUTES for permission, _ in each.needs), "bigquery.tables.updateData")

    assert before.ask("POST", path, body, query)[0] in (400, 403)
    assert before.reached == []


def test_setting_a_policy_tag_needs_more_than_changing_the_table(before: Before) -> None:
    tag = f"projects/{PROJECT}/locations/eu/taxonomies/pii/policyTags/high"
    body = {"schema": {"fields": [{"name": "email", "type": "STRING", "policyTags": {"names": [tag]}}]}}
    needed = {
        "bigquery.tables.get",
        "bigquery.tables.update",
        "bigquery.tables.setCategory",
        "datacatalog.taxonomies.get",
    }

    for missing in ("bigquery.tables.setCategory", "datacatalog.taxonomies.get"):
        before.permit(*needed - {missing})
        status, answer = before.ask("PATCH", f"{API}/datasets/raw/tables/t", body)
        assert (status, missing in answer["error"]["message"]) == (403, True)
    assert before.reached == []
    assert before.tags.of(f"projects/{PROJECT}/datasets/raw/tables/t") == {}

    before.permit(*needed)
    assert before.ask("PATCH", f"{API}/datasets/raw/tables/t", body)[0] == 200
    assert before.tags.of(f"projects/{PROJECT}/datasets/raw/tables/t") == {"email": tag}


def test_a_path_is_of_one_method_at_most() -> None:
    for method in ROUTES:
        path = method.path.format_map(NAMES)
        assert [each.name for each in ROUTES if each.match(method.method, path)] == [method.name]
        found = route(method.method, path)
        assert found is not None
        assert found[0] is method


OTHER = f"sync@{PROJECT}.iam.gserviceaccount.com"
MAKING: dict[str, tuple[str, str, str, Any]] = {
    "jobs.query": ("POST", f"{API}/queries", "", {"query": "SELECT 1"}),
    "jobs.insert": ("POST", f"{API}/jobs", "", {"configuration": {"query": {"query": "SELECT 1"}}}),
    "jobs.continueUpload": ("PUT", f"/upload{API}/jobs", "upload_id=u", {}),
}
FOLLOWING = [("GET", f"{API}/jobs/made"), ("GET", f"{API}/queries/made"), ("POST", f"{API}/jobs/made/cancel")]


@pytest.mark.parametrize("way", MAKING)
def test_a_job_is_followed_by_its_maker_and_by_nobody_else(before: Before, way: str) -> None:
    now = datetime.now(UTC)
    before.catalog.upsert_job(
        JobMeta(
            project_id=PROJECT,
            job_id="made",
            job_type="QUERY",
            state="DONE",
            configuration={},
            creation_time=now,
            etag="e",
        )
    )
    for method, path in FOLLOWING:  # as after a restart: nobody knows whose it is
        assert before.ask(method, path)[0] == 403
    before.permit("bigquery.jobs.create")
    method, path, query, body = MAKING[way]
    assert before.ask(method, path, body, query)[0] == 200
    before.permit()

    other = before.cloud.tokens.issue(OTHER, CLOUD_PLATFORM)
    for method, path in FOLLOWING:
        assert before.ask(method, path)[0] == 200
        status, answer = before.ask(method, path, token=other)
        assert (status, answer["error"]["status"]) == (403, "PERMISSION_DENIED")
    before.permit("bigquery.jobs.get", "bigquery.jobs.update", to=OTHER)
    for method, path in FOLLOWING:
        assert before.ask(method, path, token=other)[0] == 200


def test_the_result_of_a_query_is_read_by_its_maker_and_by_nobody_else(before: Before) -> None:
    before.permit("bigquery.jobs.create")
    before.ask("POST", f"{API}/queries", {"query": "SELECT 1"})
    results = f"{API}/datasets/_bqemu_anonymous/tables"
    other = before.cloud.tokens.issue(OTHER, CLOUD_PLATFORM)
    for path in (f"{results}/anonmade", f"{results}/anonmade/data"):
        assert before.ask("GET", path)[0] == 200
        assert before.ask("GET", path, token=other)[0] == 403
    assert before.ask("GET", f"{results}/anonother/data")[0] == 403
    assert before.ask("GET", f"{API}/datasets/raw/tables/anonmade/data")[0] == 403


def test_a_job_that_is_not_there_is_told_by_bigquery(before: Before) -> None:
    assert before.ask("GET", f"{API}/jobs/none")[0] == 200
    assert [path for _, path, _ in before.reached] == [f"{API}/jobs/none"]


@pytest.mark.parametrize(
    ("view", "needed"),
    [
        ("SELECT table_name FROM raw.INFORMATION_SCHEMA.TABLES", {"bigquery.tables.get", "bigquery.tables.list"}),
        (
            "SELECT a, (SELECT COUNT(*) FROM raw.INFORMATION_SCHEMA.ROUTINES) AS n FROM (SELECT 1 AS a)",
            {"bigquery.routines.get", "bigquery.routines.list"},
        ),
    ],
)
def test_what_the_query_of_a_view_needs_is_asked_of_who_reads_the_view(
    before: Before, view: str, needed: set[str]
) -> None:
    now = datetime.now(UTC)
    ages = {"creation_time": now, "last_modified_time": now, "etag": "e"}
    before.catalog.create_dataset(DatasetMeta(project_id=PROJECT, dataset_id="staging", **ages))
    before.catalog.create_table(
        TableMeta(
            project_id=PROJECT, dataset_id="staging", table_id="v", table_type="VIEW", view_query=view, **ages
        )
    )
    reading = {"bigquery.jobs.create", "bigquery.tables.getData"}
    for missing in sorted(needed):
        before.permit(*reading, *needed - {missing})
        for sql in ("SELECT * FROM staging.v", "SELECT 1 AS a WHERE EXISTS (SELECT 1 FROM staging.v)"):
            status, answer = before.ask("POST", f"{API}/queries", {"query": sql})
            assert (status, missing in answer["error"]["message"]) == (403, True)
    assert before.reached == []

    before.permit(*reading, *needed)
    assert before.ask("POST", f"{API}/queries", {"query": "SELECT * FROM staging.v"})[0] == 200
