"""Workflows' executions API, on the real interpreter."""

import json
import logging
import time
from typing import Any

import jwt
import pytest
from flask import Flask, Response, request
from flask.testing import FlaskClient

from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.deployment import Deployment
from omnipipe.laptop.home import write_json
from tests.laptop.conftest import PROJECT, grant, owners_client, serving

WORKFLOW = "gcp:workflows/workflow:Workflow"
PLACE = f"projects/{PROJECT}/locations/europe-west1/workflows"
ACCOUNT = f"daily@{PROJECT}.iam.gserviceaccount.com"

GREET = """
main:
  params: [input]
  steps:
    - greet:
        return: '${"hello " + input.name + " from " + sys.get_env("WHERE")}'
"""
WAIT = """
main:
  steps:
    - before:
        assign: [{x: 1}]
    - wait:
        call: sys.sleep
        args: {seconds: 30}
"""


def started(cloud: Cloud) -> FlaskClient:
    """A service as it is after a start."""
    return owners_client(cloud)


@pytest.fixture
def client(cloud: Cloud) -> FlaskClient:
    return started(cloud)


def deploy(cloud: Cloud, source: str, **environment: str) -> str:
    """Deploy a workflow; the path of its executions."""
    inputs = {"name": "daily", "region": "europe-west1", "sourceContents": source}
    more = {"serviceAccount": f"projects/-/serviceAccounts/{ACCOUNT}", "userEnvVars": environment}
    id_, _ = Deployment(cloud).register(WORKFLOW, "daily-workflow", inputs | more, False)
    return f"/v1/{id_}/executions"


def follow(client: FlaskClient, execution: dict[str, Any]) -> dict[str, Any]:
    """The execution when it has ended."""
    deadline = time.monotonic() + 10
    while execution["state"] == "ACTIVE":
        assert time.monotonic() < deadline, execution
        time.sleep(0.02)
        execution = client.get(f"/v1/{execution['name']}").get_json()
    return execution


def start(client: FlaskClient, path: str, argument: Any = None) -> dict[str, Any]:
    answer = client.post(path, json={"argument": json.dumps(argument)})
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.get_json()


def wait_for_step(client: FlaskClient, execution: dict[str, Any], step: str) -> None:
    deadline = time.monotonic() + 10
    while execution["status"]["currentSteps"] != [{"routine": "main", "step": step}]:
        assert time.monotonic() < deadline, execution
        time.sleep(0.02)
        execution = client.get(f"/v1/{execution['name']}").get_json()


def test_an_execution_gets_its_argument_and_environment_and_gives_its_result(
    client: FlaskClient, cloud: Cloud
) -> None:
    path = deploy(cloud, GREET, WHERE="here")

    started = start(client, path, {"name": "you"})
    assert started["name"].startswith(path.removeprefix("/v1/"))
    ended = follow(client, started)

    assert (ended["state"], json.loads(ended["result"])) == ("SUCCEEDED", "hello you from here")
    assert json.loads(ended["argument"]) == {"name": "you"}
    assert ended["startTime"] < ended["endTime"]


def test_a_call_carries_the_workflows_own_account(client: FlaskClient, cloud: Cloud) -> None:
    function = Flask("function")

    @function.post("/")
    def answer() -> str:
        return request.headers["Authorization"].removeprefix("Bearer ")

    with serving(function) as url:
        call = f'{{call: http.post, args: {{url: "{url}/", auth: {{type: OIDC}}}}, result: answer}}'
        path = deploy(cloud, f"main: {{steps: [{{ask: {call}}}, {{done: {{return: '${{answer.body}}'}}}}]}}")
        ended = follow(client, start(client, path))

    claims = jwt.decode(json.loads(ended["result"]), options={"verify_signature": False})
    assert (claims["sub"], claims["aud"]) == (ACCOUNT, f"{url}/")


def test_a_failure_gives_the_error_as_the_workflow_has_it(client: FlaskClient, cloud: Cloud) -> None:
    path = deploy(cloud, "main: {steps: [{fail: {raise: {code: 7, message: no luck}}}]}")

    ended = follow(client, start(client, path))

    assert ended["state"] == "FAILED"
    assert json.loads(ended["error"]["payload"]) == {"code": 7, "message": "no luck"}
    assert "fail" in ended["error"]["context"]


def test_an_error_that_is_no_json_still_ends_the_execution(client: FlaskClient, cloud: Cloud) -> None:
    function = Flask("function")

    @function.post("/")
    def answer() -> Response:
        return Response(b"\xff\xfe", 500, content_type="application/octet-stream")

    with serving(function) as url:
        path = deploy(cloud, f'main: {{steps: [{{ask: {{call: http.post, args: {{url: "{url}/"}}}}}}]}}')
        ended = follow(client, start(client, path))

    assert ended["state"] == "FAILED"
    assert json.loads(ended["error"]["payload"])["code"] == 500


def test_the_current_step_is_told_and_a_cancelled_execution_says_so(client: FlaskClient, cloud: Cloud) -> None:
    started = start(client, deploy(cloud, WAIT))
    wait_for_step(client, started, "wait")

    ended = client.post(f"/v1/{started['name']}:cancel").get_json()

    # At once, as on Google: whoever asks whether it still runs gets a no.
    assert ended["state"] == "CANCELLED"
    assert "was cancelled" in json.loads(ended["error"]["payload"])["message"]
    assert client.get(f"/v1/{started['name']}").get_json() == ended
    # What has ended stays as it is.
    assert client.post(f"/v1/{started['name']}:cancel").get_json() == ended


def test_an_execution_that_a_restart_cut_off_is_failed_and_an_ended_one_kept(
    client: FlaskClient, cloud: Cloud
) -> None:
    ended = follow(client, start(client, deploy(cloud, GREET, WHERE="here"), {"name": "you"}))
    cut_off = ended | {"name": ended["name"][:-1] + "x", "state": "ACTIVE"}
    del cut_off["result"], cut_off["endTime"]
    write_json(cloud.home.path("executions") / f"{cut_off['name'].rpartition('/')[2]}.json", cut_off)

    restarted = started(cloud)

    assert restarted.get(f"/v1/{ended['name']}").get_json() == ended
    found = restarted.get(f"/v1/{cut_off['name']}").get_json()
    assert (found["state"], "endTime" in found) == ("FAILED", True)
    assert "ended during this execution" in json.loads(found["error"]["payload"])["message"]


def test_what_it_logs_is_lost_without_the_right_to_write_logs(
    client: FlaskClient, cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    path = deploy(cloud, "main: {steps: [{say: {call: sys.log, args: {text: the words}}}]}")

    with caplog.at_level(logging.INFO, "workflows"):
        assert follow(client, start(client, path))["state"] == "SUCCEEDED"
        assert "the words" not in caplog.text
        assert "Permission 'logging.logEntries.create' denied" in caplog.text
        grant(cloud, "gcp:projects/iAMMember:IAMMember", "roles/logging.logWriter", ACCOUNT)
        assert follow(client, start(client, path))["state"] == "SUCCEEDED"
    assert "the words" in caplog.text


def test_an_unknown_workflow_or_execution_is_told_by_name(client: FlaskClient, cloud: Cloud) -> None:
    path = deploy(cloud, GREET)

    workflow = client.post(f"/v1/{PLACE}/dayly/executions", json={})
    execution = client.get(f"{path}/none")

    assert (workflow.status_code, execution.status_code) == (404, 404)
    assert f"{PLACE}/dayly" in workflow.get_json()["error"]["message"]


def test_an_argument_that_is_no_json_is_refused(client: FlaskClient, cloud: Cloud) -> None:
    answer = client.post(deploy(cloud, GREET), json={"argument": "{name: you}"})

    assert answer.status_code == 400
    assert answer.get_json()["error"]["status"] == "INVALID_ARGUMENT"
