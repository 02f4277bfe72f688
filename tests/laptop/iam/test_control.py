"""Before the control services: each request with its permission and without."""

import time
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient

from omnipipe.laptop import server
from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.iam import control
from omnipipe.laptop.iam.bindings import CUSTOM_ROLE
from omnipipe.laptop.iam.gate import Gate
from omnipipe.laptop.iam.tokens import CLOUD_PLATFORM
from omnipipe.laptop.lookups import PROJECT_NUMBER
from omnipipe.laptop.registry import Resource
from tests.laptop.conftest import PROJECT, grant

WHO = f"daily@{PROJECT}.iam.gserviceaccount.com"
PLACE = f"projects/{PROJECT}/locations/europe-west1"
JOB = f"{PLACE}/jobs/dbt"
EXECUTIONS = f"{PLACE}/workflows/daily/executions"
SECRET = f"projects/{PROJECT}/secrets/s"
V1 = f"/apis/run.googleapis.com/v1/namespaces/{PROJECT}"
OVERRIDES = {"overrides": {"containerOverrides": [{"env": []}]}}
PROJECT_GRANT = "gcp:projects/iAMMember:IAMMember"

# Method, path, body, permission, resource in Google's words. What they are about is not there: 404 means let in.
REQUESTS: list[tuple[str, str, Any, str, str]] = [
    ("POST", f"/v2/{JOB}:run", {}, "run.jobs.run", JOB),
    ("POST", f"/v2/{JOB}:run", None, "run.jobs.run", JOB),
    ("POST", f"/v2/{JOB}:run", OVERRIDES, "run.jobs.runWithOverrides", JOB),
    ("GET", f"/v2/{JOB}", None, "run.jobs.get", JOB),
    ("GET", f"/v2/{PLACE}/operations/1", None, "run.operations.get", f"projects/{PROJECT}"),
    ("POST", f"/v1/{EXECUTIONS}", {}, "workflows.executions.create", f"projects/{PROJECT}"),
    ("GET", f"/v1/{EXECUTIONS}/1", None, "workflows.executions.get", f"projects/{PROJECT}"),
    ("POST", f"/v1/{EXECUTIONS}/1:cancel", None, "workflows.executions.cancel", f"projects/{PROJECT}"),
    ("PUT", f"/v1/{EXECUTIONS}/1/callbacks/2", None, "workflows.callbacks.send", f"projects/{PROJECT}"),
    ("OPTIONS", f"/v1/{EXECUTIONS}/1/callbacks/2", None, "workflows.callbacks.send", f"projects/{PROJECT}"),
    ("POST", f"{V1}/jobs/dbt:run", {}, "run.jobs.run", JOB),
    ("POST", f"{V1}/jobs/dbt:run", OVERRIDES, "run.jobs.runWithOverrides", JOB),
    ("GET", f"{V1}/jobs/dbt", None, "run.jobs.get", JOB),
    ("GET", f"{V1}/executions/dbt-1", None, "run.executions.get", f"projects/{PROJECT}"),
    ("GET", f"/v1/{SECRET}/versions/1:access", None, "secretmanager.versions.access", f"{SECRET}/versions/1"),
    ("POST", f"/v1/{SECRET}:addVersion", {}, "secretmanager.versions.add", SECRET),
    ("GET", f"/v1/{PLACE}/streams/cdc/objects", None, "datastream.objects.list", f"projects/{PROJECT}"),
    # the project by its number, as Google takes it too
    ("POST", f"/v1/projects/{PROJECT_NUMBER}/secrets/s:addVersion", {}, "secretmanager.versions.add", SECRET),
]


@pytest.fixture
def client(cloud: Cloud) -> FlaskClient:
    return server.application(cloud, server.apis(cloud)).test_client()


def permit(cloud: Cloud, *permissions: str) -> None:
    """Grant exactly these permissions, on the project, by a role of the program's own."""
    role = f"projects/{PROJECT}/roles/test"
    cloud.registry.put(Resource(CUSTOM_ROLE, "test", {"permissions": list(permissions)}, {}, role))
    grant(cloud, PROJECT_GRANT, role, WHO)


def asked(client: FlaskClient) -> set[str]:
    """Every permission that a route asks for."""
    needs = [need for view in client.application.view_functions.values() if (need := getattr(view, "need", None))]
    return {need.permission for need in needs} | {need.with_overrides for need in needs if need.with_overrides}


def as_(cloud: Cloud, email: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {cloud.tokens.issue(email, CLOUD_PLATFORM)}"}


@pytest.mark.parametrize(("method", "path", "body", "permission", "resource"), REQUESTS)
def test_a_request_needs_its_permission(
    client: FlaskClient, cloud: Cloud, method: str, path: str, body: Any, permission: str, resource: str
) -> None:
    permit(cloud, *asked(client) - {permission})

    refused = client.open(path, method=method, json=body, headers=as_(cloud, WHO))

    assert refused.status_code == 403
    message = f"Permission '{permission}' denied on resource '{resource}' (or resource may not exist)."
    assert refused.get_json() == {"error": {"code": 403, "message": message, "status": "PERMISSION_DENIED"}}
    permit(cloud, permission)
    assert client.open(path, method=method, json=body, headers=as_(cloud, WHO)).status_code == 404
    assert client.open(path, method=method, json=body, headers=cloud.as_owner()).status_code == 404


def test_every_need_of_a_route_has_a_case(client: FlaskClient) -> None:
    alone = {"run.jobs.list"}  # a list is not missing where nothing is in it: a test of its own
    assert {permission for *_, permission, _ in REQUESTS} | alone == asked(client)


def test_a_list_of_jobs_needs_its_permission(client: FlaskClient, cloud: Cloud) -> None:
    permit(cloud, "run.jobs.get", "run.jobs.run")
    assert client.get(f"{V1}/jobs", headers=as_(cloud, WHO)).status_code == 403
    permit(cloud, "run.jobs.list")
    assert client.get(f"{V1}/jobs", headers=as_(cloud, WHO)).get_json()["items"] == []


def test_a_grant_on_one_job_is_none_on_another(client: FlaskClient, cloud: Cloud) -> None:
    job = "gcp:cloudrunv2/jobIamMember:JobIamMember"
    grant(cloud, job, "roles/run.invoker", WHO, location="europe-west1", name="dbt")

    def run(name: str, body: Any) -> int:
        return client.post(f"/v2/{PLACE}/jobs/{name}:run", json=body, headers=as_(cloud, WHO)).status_code

    assert (run("dbt", {}), run("dbt", OVERRIDES), run("migrate", {})) == (404, 403, 403)


@pytest.mark.parametrize("path", [f"/v2/{PLACE}/operations/1", f"/v1/{EXECUTIONS}/1"])
def test_without_a_valid_access_token_nobody_is_known(client: FlaskClient, cloud: Cloud, path: str) -> None:
    claims = {"email": WHO, "aud": CLOUD_PLATFORM, "exp": int(time.time()) - 1}
    expired = jwt.encode(claims, cloud.identity.token_key.read_text() if cloud.tokens else "", "HS256")

    answers = [
        client.get(path),
        client.get(path, headers={"Authorization": "Basic eDp5"}),
        client.get(path, headers={"Authorization": "Bearer "}),
        client.get(path, headers={"Authorization": f"Bearer {expired}"}),
        client.get(path, headers={"Authorization": f"Bearer {cloud.tokens.issue(WHO, 'https://service')}"}),
        client.get(path, headers={"Authorization": "Bearer nonsense"}),
    ]

    assert [answer.status_code for answer in answers] == [401] * 6
    said = [answer.get_json()["error"] for answer in answers]
    assert {error["status"] for error in said} == {"UNAUTHENTICATED"}
    assert [error["message"].startswith("Request is missing required") for error in said] == [True] * 3 + [
        False
    ] * 3
    assert "expired" in said[3]["message"]


def test_what_needs_no_token_needs_none_and_what_is_nowhere_is_not_found(client: FlaskClient) -> None:
    assert client.get("/healthz").status_code == 200
    assert client.get("/v9/anything").status_code == 404


def test_a_route_that_does_not_say_what_it_needs_is_for_nobody(cloud: Cloud) -> None:
    app = Flask("other")
    control.guard(app, Gate(cloud.registry, cloud.tokens, PROJECT))
    reached = []
    app.add_url_rule("/v2/new", "new.method", lambda: reached.append(1) or "")

    answer = app.test_client().get("/v2/new", headers=cloud.as_owner())

    assert (answer.status_code, reached) == (403, [])
    assert "does not know what new.method needs" in answer.get_json()["error"]["message"]
