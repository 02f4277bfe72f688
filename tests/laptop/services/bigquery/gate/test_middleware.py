"""What becomes of the emulator's answers: which pass, which are watched, and what is changed in the others."""

import json
from typing import Any

import pytest

from omnipipe.laptop.iam.tokens import CLOUD_PLATFORM
from omnipipe.laptop.registry import Resource
from tests.laptop.conftest import PROJECT, grant
from tests.laptop.services.bigquery.gate.conftest import API, WHO, Before

TABLE = f"projects/{PROJECT}/datasets/raw/tables/t"
TAG = f"projects/{PROJECT}/locations/eu/taxonomies/pii/policyTags/high"
TAGGED = [{"name": "email", "type": "STRING", "policyTags": {"names": [TAG]}}]
FAILED = {"errors": [{"reason": "notFound", "message": "Dataset p:d was not found in location US"}]}
RESULT = {"projectId": "p", "datasetId": "_bqemu_anonymous", "tableId": "anonj"}
JOB = {
    "jobReference": {"projectId": "p", "jobId": "j", "location": "US"},
    "configuration": {"query": {"query": "SELECT 1", "destinationTable": RESULT}},
}


def say(before: Before, status: int, content: Any) -> None:
    """Have the emulator answer something, in two parts."""
    text = json.dumps(content, separators=(",", ":")).encode()
    before.answers = (status, [text[:20], text[20:]])


@pytest.fixture
def owner(before: Before) -> str:
    return before.cloud.tokens.owner()


@pytest.fixture
def located(before: Before) -> None:
    inputs = {"datasetId": "raw", "location": "EU"}
    before.cloud.registry.put(Resource("gcp:bigquery/dataset:Dataset", "raw", inputs, {}, "raw"))


def test_data_passes_as_it_comes(before: Before, located: None) -> None:
    before.permit("bigquery.tables.getData")
    say(before, 200, {"rows": [{"f": [{"v": "was not found in location US"}]}]})
    _, first, second, end = before.messages("GET", f"{API}/datasets/raw/tables/t/data")
    assert [first["body"], second["body"], end["body"]] == [*before.answers[1], b""]


@pytest.mark.usefixtures("located")
def test_a_failed_query_is_answered_with_its_error_once(before: Before, owner: str) -> None:
    say(before, 200, FAILED)
    start, body = before.messages("POST", f"{API}/queries", {"query": "SELECT 1"}, token=owner)
    assert start["status"] == 404
    error = json.loads(body["body"])["error"]
    assert (error["message"], error["status"]) == ("Dataset p:d was not found in location EU", "NOT_FOUND")


@pytest.mark.usefixtures("located")
@pytest.mark.parametrize("status", [200, 404])
def test_a_job_is_where_the_datasets_are(before: Before, owner: str, status: int) -> None:
    say(before, status, JOB | FAILED)
    for method, path, body in (("POST", "jobs", {}), ("GET", "jobs/j", None), ("GET", "queries/j", None)):
        said, content = before.ask(method, f"{API}/{path}", body, token=owner)
        assert said == status
        assert content["jobReference"]["location"] == "EU"
        assert content["errors"][0]["message"].endswith("in location EU")


def test_the_table_of_results_is_kept_from_the_owner_whose_client_would_ask_the_storage_api(
    before: Before, owner: str
) -> None:
    before.permit("bigquery.jobs.get")
    say(before, 200, JOB)
    assert before.ask("GET", f"{API}/jobs/j")[1] == JOB
    assert before.ask("GET", f"{API}/jobs/j", token=owner)[1]["configuration"] == {"query": {"query": "SELECT 1"}}


@pytest.mark.parametrize(
    ("status", "content", "kept"), [(200, JOB, False), (200, JOB | FAILED, True), (404, JOB, True)]
)
def test_a_table_loses_its_tags_when_it_was_replaced(
    before: Before, status: int, content: Any, kept: bool
) -> None:
    before.tags.set(TABLE, TAGGED)
    grant(before.cloud, "gcp:projects/iAMMember:IAMMember", "roles/bigquery.admin", WHO)
    say(before, status, content)
    query = {"query": "CREATE OR REPLACE TABLE raw.t AS SELECT 1 AS a"}

    before.ask("POST", f"{API}/queries", query | {"dryRun": True})
    before.ask("POST", f"{API}/jobs", {"configuration": {"query": query, "dryRun": True}})
    assert before.tags.of(TABLE)
    before.ask("POST", f"{API}/jobs", {"configuration": {"query": query}})
    assert bool(before.tags.of(TABLE)) is kept


@pytest.mark.parametrize("path", [f"{API}/datasets/raw/tables/t", f"{API}/datasets/raw"])
def test_tags_go_with_their_table_and_stay_when_it_could_not_be_removed(
    before: Before, owner: str, path: str
) -> None:
    before.tags.set(TABLE, TAGGED)
    before.answers = (400, [])
    assert before.ask("DELETE", path, token=owner) == (400, None)
    assert before.tags.of(TABLE)
    before.answers = (204, [])
    assert before.ask("DELETE", path, token=owner) == (204, None)
    assert not before.tags.of(TABLE)


def test_a_table_is_shown_with_its_tags_and_an_error_as_it_is(before: Before, owner: str) -> None:
    before.tags.set(TABLE, TAGGED)
    say(before, 200, {"schema": {"fields": [{"name": "email", "type": "STRING"}]}})
    assert before.ask("GET", f"{API}/datasets/raw/tables/t", token=owner)[1] == {"schema": {"fields": TAGGED}}

    for method, path in (("GET", "datasets/raw/tables/t"), ("GET", "datasets")):
        say(before, 404, {"error": {"code": 404}})
        assert before.ask(method, f"{API}/{path}", token=owner) == (404, {"error": {"code": 404}})


def test_a_schema_that_was_refused_sets_no_tags(before: Before, owner: str) -> None:
    say(before, 400, {"error": {"code": 400}})
    before.ask("PATCH", f"{API}/datasets/raw/tables/t", {"schema": {"fields": TAGGED}}, token=owner)
    assert not before.tags.of(TABLE)


def test_the_job_of_an_upload_in_one_request_is_its_callers(before: Before) -> None:
    before.permit("bigquery.jobs.create", "bigquery.tables.updateData")
    say(before, 200, JOB)
    load = {"destinationTable": {"datasetId": "raw", "tableId": "t"}, "createDisposition": "CREATE_NEVER"}
    before.ask("POST", f"/upload{API}/jobs", {"configuration": {"load": load}}, "uploadType=resumable")
    before.permit()
    assert before.ask("GET", f"{API}/jobs/j")[0] == 200
    other = before.cloud.tokens.issue(f"sync@{PROJECT}.iam.gserviceaccount.com", CLOUD_PLATFORM)
    assert before.ask("GET", f"{API}/jobs/j", token=other)[0] == 403
