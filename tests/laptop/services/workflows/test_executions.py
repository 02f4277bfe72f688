"""Workflows' executions API, on the real interpreter."""

import json
import logging
import time
from typing import Any

import jwt
import pytest
from flask import Flask, Response, request
from flask.testing import FlaskClient

from omnipipe.laptop import server
from omnipipe.laptop.cloud import GOOGLE, Cloud
from omnipipe.laptop.deployment import Deployment
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.home import write_json
from omnipipe.laptop.services.workflows.interpreter import Environment, parse
from tests.laptop.conftest import PROJECT, Emulator, grant, owners_client, serving

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


CALLBACK = """
main:
  steps:
    - create: {call: events.create_callback_endpoint, args: {http_callback_method: PUT}, result: callback}
    - wait: {call: events.await_callback, args: {callback: "${callback}", timeout: 20}, result: received}
    - done: {return: ["${callback.url}", "${received.http_request.body}", "${received.http_request.query}"]}
"""


def test_a_callback_on_the_laptops_own_address(client: FlaskClient, cloud: Cloud) -> None:
    url = {}
    told = Flask("told")  # the service that the workflow gives the address to

    @told.post("/")
    def take() -> str:
        url["is"] = request.get_json()["url"]
        return ""

    with serving(told) as address:
        source = CALLBACK.replace(
            "    - wait:",
            f'    - tell: {{call: http.post, args: {{url: "{address}/", body: "${{callback}}"}}}}\n    - wait:',
        )
        started = start(client, deploy(cloud, source))
        wait_for_step(client, started, "wait")
        called = url["is"].removeprefix(cloud.google)
        stranger = server.application(cloud, server.apis(cloud)).test_client()
        wrong = client.post(called)
        answers = [stranger.put(called).status_code, wrong.status_code, client.put(called[:-1] + "x").status_code]
        call = client.put(f"{called}?a=b", json={"approved": True})
        ended = follow(client, started)

    assert answers == [401, 405, 404]
    assert wrong.get_json()["error"]["message"] == "this callback endpoint expects PUT, not POST"
    assert (call.status_code, call.get_json()) == (200, {})
    assert json.loads(ended["result"]) == [url["is"], {"approved": True}, {"a": "b"}]
    assert url["is"].startswith(f"{cloud.google}/v1/{started['name']}/callbacks/")
    over = client.put(called)
    assert (over.status_code, "its execution is over" in over.get_json()["error"]["message"]) == (404, True)


def test_connectors_reach_what_this_machine_has_under_the_workflows_own_grants(cloud: Cloud) -> None:
    """Storage, Secret Manager and Cloud Run by their connectors, over HTTP, each with its grant and once without."""
    source = """
main:
  steps:
    - init: {assign: [{missing: ""}]}
    - write:
        call: googleapis.storage.v1.objects.insert
        args: {bucket: landing, uploadType: media, name: "in/a.json", body: {n: 1}}
    - read:
        call: googleapis.storage.v1.objects.get
        args: {bucket: landing, object: '${text.url_encode("in/a.json")}', alt: media}
        result: content
    - list: {call: googleapis.storage.v1.objects.list, args: {bucket: landing, prefix: in/}, result: listed}
    - add: {call: googleapis.secretmanager.v1.projects.secrets.addVersionString, args: {secret_id: s, data: geheim}}
    - secret: {assign: [{text: '${googleapis.secretmanager.v1.projects.secrets.versions.accessString("s")}'}]}
    - by_number:
        call: googleapis.secretmanager.v1.projects.secrets.versions.access
        args: {name: '${"projects/" + sys.get_env("GOOGLE_CLOUD_PROJECT_NUMBER") + "/secrets/s/versions/1"}'}
        result: version
    - publish:
        try: {call: googleapis.pubsub.v1.projects.topics.publish, args: {topic: t, body: {}}}
        except: {as: e, assign: [{missing: "${e.message}"}]}
    - done: {return: ["${content}", "${listed.items[0].name}", "${text}", "${version.payload.data}", "${missing}"]}
"""
    deployment = Deployment(cloud)
    deployment.register("gcp:storage/bucket:Bucket", "landing", {"name": "landing"}, False)
    deployment.register("gcp:secretmanager/secret:Secret", "s", {"secretId": "s"}, False)
    grants = {
        ("gcp:secretmanager/secretIamMember:SecretIamMember", "secretId", "s"): [
            "roles/secretmanager.secretAccessor",
            "roles/secretmanager.secretVersionAdder",
        ],
        ("gcp:storage/bucketIAMMember:BucketIAMMember", "bucket", "landing"): ["roles/storage.objectUser"],
    }
    app = server.application(cloud, server.apis(cloud))
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = cloud.as_owner()["Authorization"]
    path = deploy(cloud, source)
    with serving(app, cloud.ports.of(GOOGLE)):
        refused = []
        for (type_, key, name), roles in grants.items():
            for role in roles:
                ended = follow(client, start(client, path))
                error = json.loads(ended["error"]["payload"])
                refused.append((error["code"], error["body"]["error"]["message"].split("'")[1]))
                grant(cloud, type_, role, ACCOUNT, **{key: name})
        ended = follow(client, start(client, path))

    assert refused == [(403, "storage.objects.create")] * 3
    assert ended["state"] == "SUCCEEDED", ended
    missing = (
        "SystemError: nothing on this machine answers for pubsub.googleapis.com: "
        "set PUBSUB_EMULATOR_HOST to an emulator's HOST:PORT"
    )
    assert json.loads(ended["result"]) == [{"n": 1}, "in/a.json", "geheim", "Z2VoZWlt", missing]


def test_datasets_and_tables_by_their_connectors_in_the_emulator(cloud: Cloud, emulated: Emulator) -> None:
    source = f"""
main:
  steps:
    - init: {{assign: [{{code: 0}}]}}
    - make:
        call: googleapis.bigquery.v2.datasets.insert
        args: {{projectId: {PROJECT}, body: {{datasetReference: {{datasetId: by_connector}}}}}}
    - table:
        call: googleapis.bigquery.v2.tables.insert
        args:
          projectId: {PROJECT}
          datasetId: by_connector
          body: {{tableReference: {{tableId: t}}, schema: {{fields: [{{name: n, type: INTEGER}}]}}}}
    - rows:
        call: googleapis.bigquery.v2.tabledata.insertAll
        args: {{projectId: {PROJECT}, datasetId: by_connector, tableId: t, body: {{rows: [{{json: {{n: 7}}}}]}}}}
    - read:
        call: googleapis.bigquery.v2.tabledata.list
        args: {{projectId: {PROJECT}, datasetId: by_connector, tableId: t}}
        result: read
    - list:
        call: googleapis.bigquery.v2.tables.list
        args: {{projectId: {PROJECT}, datasetId: by_connector}}
        result: listed
    - drop_table:
        call: googleapis.bigquery.v2.tables.delete
        args: {{projectId: {PROJECT}, datasetId: by_connector, tableId: t}}
    - drop:
        call: googleapis.bigquery.v2.datasets.delete
        args: {{projectId: {PROJECT}, datasetId: by_connector, deleteContents: true}}
    - gone:
        try: {{call: googleapis.bigquery.v2.datasets.get, args: {{projectId: {PROJECT}, datasetId: by_connector}}}}
        except: {{as: e, assign: [{{code: "${{e.code}}"}}]}}
    - done: {{return: ["${{read.rows[0].f[0].v}}", "${{listed.tables[0].tableReference.tableId}}", "${{code}}"]}}
"""
    environment = Environment(
        PROJECT, "europe-west1", "w", "e", "1", "a@p", endpoints={"bigquery.googleapis.com": emulated.endpoint}
    )
    assert parse(source, "w.yaml").run(None, environment) == ["7", "t", 404]


def test_a_workflow_that_this_machine_cannot_run_is_not_deployed(cloud: Cloud) -> None:
    with pytest.raises(LaptopError) as refused:
        deploy(
            cloud, "- a: {call: googleapis.batch.v1.projects.locations.jobs.create, args: {parent: p, body: {}}}"
        )
    assert "the workflow daily has steps that the laptop cannot run: daily.yaml:1: step 'a'" in str(refused.value)
    assert "call http.post on https://batch.googleapis.com/v1/{parent}/jobs" in str(refused.value)
    assert cloud.registry.of_type(WORKFLOW) == []
