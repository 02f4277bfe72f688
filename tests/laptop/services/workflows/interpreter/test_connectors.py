"""Connectors against a real server on loopback."""

import base64
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from omnipipe.laptop.emulators import configured_endpoints
from omnipipe.laptop.services.workflows.interpreter import Environment, WorkflowError, execution, parse
from omnipipe.laptop.services.workflows.interpreter.connector_table import CONNECTORS
from omnipipe.laptop.services.workflows.interpreter.rest_calls import REST_CALLS

from .conftest import as_json

RUN = "googleapis.run.v2.projects.locations.jobs.run"
QUERY = "googleapis.bigquery.v2.jobs.query"
INSERT = "googleapis.bigquery.v2.jobs.insert"
EXECUTIONS = "googleapis.workflowexecutions.v1.projects.locations.workflows.executions"
JOB = "projects/p/locations/l/jobs/dbt"
OPERATION = "projects/p/locations/l/operations/1"
FAST = {"polling_policy": {"initial_delay": 0.01, "multiplier": 2, "max_delay": 0.02}}


@pytest.fixture
def call(outside, server):
    """Call a connector, with every service on the test's server."""
    hosts = ("run", "eu-run", "bigquery", "workflowexecutions", "storage", "secretmanager")
    environment = outside.environment(endpoints={f"{host}.googleapis.com": server.url for host in hosts})

    def run(connector, **args):
        source = json.dumps([{"a": {"call": connector, "args": args, "result": "r"}}, {"b": {"return": "${r}"}}])
        return parse(source, "w.json").run(None, environment)

    return run


def error_of(call, connector, **args):
    with pytest.raises(WorkflowError) as raised:
        call(connector, **args)
    return raised.value.error


def seen(server):
    return [(request.method, request.path) for request in server.requests]


def test_run_job_waits_for_the_operation_and_gives_its_response(call, server, outside):
    server.answers(
        as_json({"name": OPERATION}),
        as_json({"name": OPERATION, "done": False}),
        as_json({"name": OPERATION, "done": True, "response": {"succeededCount": 1}}),
    )
    body = {"overrides": {"containerOverrides": [{"env": [{"name": "RUN_ID", "value": "7"}]}]}}
    assert call(RUN, name=JOB, body=body, connector_params=FAST) == {"succeededCount": 1}
    assert seen(server) == [
        ("POST", f"/v2/{JOB}:run"),
        ("GET", f"/v2/{OPERATION}"),
        ("GET", f"/v2/{OPERATION}"),
    ]
    assert server.requests[0].json == body
    assert {request.headers["Authorization"] for request in server.requests} == {"Bearer OAuth2-token"}
    assert set(outside.tokens) == {("OAuth2", "https://www.googleapis.com/auth/cloud-platform")}


def test_run_job_without_overrides(call, server):
    server.answers(as_json({"name": OPERATION, "done": True, "response": {}}))
    assert call(RUN, name=JOB) == {}
    assert server.requests[0].json == {}


def test_the_polling_delays_grow_as_documented(call, server, monkeypatch):
    slept = []
    monkeypatch.setattr(
        execution.Execution,
        "sleep",
        lambda self, seconds: slept.append(seconds),
    )
    polls = itertools.count()
    server.answer = lambda request: as_json({"name": OPERATION, "done": next(polls) == 25})
    call(RUN, name=JOB)
    assert slept[:4] == [1, 1.25, 1.5625, 1.953125]
    assert slept[-1] == 60
    assert len(slept) == 25


def test_a_failed_operation_is_an_operation_error(call, server):
    failed = {"name": OPERATION, "done": True, "error": {"code": 9, "message": "task 0 failed"}}
    server.answers(as_json({"name": OPERATION}), as_json(failed))
    assert error_of(call, RUN, name=JOB, connector_params=FAST) == {
        "message": "OperationError: task 0 failed",
        "tags": ["OperationError"],
        "error": {"code": 9, "message": "task 0 failed"},
        "operation": failed,
    }


def test_an_operation_that_does_not_end_in_time(call, server):
    server.answers(as_json({"name": OPERATION}))
    assert error_of(call, RUN, name=JOB, connector_params={**FAST, "timeout": 0.1}) == {
        "message": "TimeoutError: the connector call took over 0.1 s",
        "tags": ["TimeoutError"],
    }


def test_skip_polling_gives_the_operation(call, server):
    server.answers(as_json({"name": OPERATION}))
    assert call(RUN, name=JOB, connector_params={"skip_polling": True}) == {"name": OPERATION}
    assert len(server.requests) == 1


def test_each_poll_is_a_step(call, server, monkeypatch):
    monkeypatch.setattr(execution, "MAX_STEPS", 5)
    server.answers(as_json({"name": OPERATION}))
    policy = {"polling_policy": {"initial_delay": 0.001, "max_delay": 0.001}}
    assert error_of(call, RUN, name=JOB, connector_params=policy)["tags"] == ["ResourceLimitError"]
    assert len(server.requests) == 5


def test_an_answer_that_is_no_operation(call, server):
    server.answers(as_json([1]))
    assert error_of(call, RUN, name=JOB)["tags"] == ["ResponseTypeError"]


def test_a_failed_poll_is_tried_again(call, server):
    server.answers(
        as_json({"name": OPERATION}),
        as_json({}, 502),
        as_json({"name": OPERATION, "done": True, "response": {"ok": 1}}),
    )
    assert call(RUN, name=JOB, connector_params=FAST) == {"ok": 1}
    assert len(server.requests) == 3


@pytest.mark.parametrize(("code", "requests"), [(503, 2), (429, 2), (502, 1), (500, 1)])
def test_a_post_is_retried_only_where_it_cannot_have_worked(call, server, code, requests):
    server.answers(as_json({"error": "x"}, code), as_json({"jobComplete": True}))
    if requests == 2:
        assert call(QUERY, projectId="p", body={"query": "SELECT 1"}) == {"jobComplete": True}
    else:
        assert error_of(call, QUERY, projectId="p", body={"query": "SELECT 1"})["code"] == code
    assert len(server.requests) == requests


def test_a_404_is_an_http_error(call, server):
    server.answers(as_json({"error": {"message": "no such job"}}, 404))
    error = error_of(call, RUN, name=JOB)
    assert (error["tags"], error["code"], error["body"]) == (
        ["HttpError"],
        404,
        {"error": {"message": "no such job"}},
    )


def test_bigquery_query(call, server):
    server.answers(as_json({"rows": []}))
    body = {"query": "SELECT 1", "useLegacySql": False}
    assert call(QUERY, projectId="my-project", body=body) == {"rows": []}
    assert seen(server) == [("POST", "/bigquery/v2/projects/my-project/queries")]
    assert server.requests[0].json == body


def test_bigquery_insert_waits_for_the_job(call, server):
    job = {"jobReference": {"projectId": "p", "jobId": "j", "location": "EU"}}
    done = {**job, "status": {"state": "DONE"}}
    server.answers(as_json({**job, "status": {"state": "RUNNING"}}), as_json(done))
    assert call(INSERT, projectId="p", body={"configuration": {}}, connector_params=FAST) == done
    assert seen(server) == [("POST", "/bigquery/v2/projects/p/jobs"), ("GET", "/bigquery/v2/projects/p/jobs/j")]
    assert server.requests[1].query == [("location", "EU")]


def test_bigquery_insert_of_a_job_that_fails(call, server):
    reason = {"reason": "invalidQuery", "message": "Syntax error"}
    job = {"jobReference": {"projectId": "p", "jobId": "j"}, "status": {"state": "DONE", "errorResult": reason}}
    server.answers(as_json(job))
    assert error_of(call, INSERT, projectId="p", body={}) == {
        "message": "OperationError: Syntax error",
        "tags": ["OperationError"],
        "error": reason,
        "operation": job,
    }


def test_bigquery_get_and_results(call, server):
    call("googleapis.bigquery.v2.jobs.get", projectId="p", jobId="j", location="EU")
    call("googleapis.bigquery.v2.jobs.getQueryResults", projectId="p", jobId="j", maxResults=5)
    assert [(request.path, request.query) for request in server.requests] == [
        ("/bigquery/v2/projects/p/jobs/j", [("location", "EU")]),
        ("/bigquery/v2/projects/p/queries/j", [("maxResults", "5")]),
    ]


def test_run_a_workflow_waits_and_decodes_its_result(call, server):
    name = "projects/the-project/locations/europe-west1/workflows/child/executions/e"
    server.answers(
        as_json({"name": name, "state": "ACTIVE"}),
        as_json({"name": name, "state": "SUCCEEDED", "result": '{"rows": 3}'}),
    )
    result = call(f"{EXECUTIONS}.run", workflow_id="child", argument={"a": 1}, connector_params=FAST)
    assert result == {"rows": 3}
    assert seen(server) == [
        ("POST", "/v1/projects/the-project/locations/europe-west1/workflows/child/executions"),
        ("GET", f"/v1/{name}"),
    ]
    assert server.requests[0].json == {"argument": '{"a": 1}'}


def test_run_a_workflow_that_fails(call, server):
    failed = {"name": "n", "state": "FAILED", "error": {"payload": '"no"', "context": "in step"}}
    server.answers(as_json(failed))
    error = error_of(call, f"{EXECUTIONS}.run", workflow_id="child", project_id="p", location="l")
    assert (error["tags"], error["error"], error["operation"]) == (["OperationError"], failed["error"], failed)
    assert server.requests[0].json == {}


def test_create_and_get_a_workflows_execution(call, server):
    call(f"{EXECUTIONS}.create", parent="projects/p/locations/l/workflows/w", body={"argument": "{}"})
    call(f"{EXECUTIONS}.get", name="projects/p/locations/l/workflows/w/executions/e", view="FULL")
    assert seen(server) == [
        ("POST", "/v1/projects/p/locations/l/workflows/w/executions"),
        ("GET", "/v1/projects/p/locations/l/workflows/w/executions/e"),
    ]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"name": 1}, "TypeError: name must be a string"),
        (
            {"connector_params": {"retries": 1}},
            "ValueError: connector_params is a map of timeout, polling_policy, skip_polling, scopes",
        ),
        (
            {"connector_params": {"polling_policy": {"delay": 1}}},
            "ValueError: polling_policy is a map of initial_delay, multiplier, max_delay",
        ),
        (
            {"connector_params": {"skip_polling": 1}},
            "TypeError: skip_polling of connector_params must be a boolean",
        ),
        ({"connector_params": {"timeout": 0}}, "ValueError: timeout of connector_params must be a number over 0"),
    ],
)
def test_wrong_arguments(call, server, args, message):
    assert error_of(call, RUN, **{"name": JOB, **args}) == {
        "message": message,
        "tags": [message.partition(":")[0]],
    }
    assert server.requests == []


ONE_REQUEST = yaml.safe_load((Path(__file__).parent / "cases" / "requests.yaml").read_text())


@pytest.mark.parametrize("case", ONE_REQUEST, ids=lambda case: case["connector"])
def test_one_request(call, server, case):
    server.answers(as_json({"the": "answer"}))
    name, args, (method, path) = case["connector"], case["args"], case["request"].split()
    if name.startswith("bigquery."):
        args, path = {"projectId": "p", **args}, f"/bigquery/v2/projects/p/{path}"
    if name.startswith("run.v1."):
        path = f"/apis/run.googleapis.com/v1/{path}"
    assert call(f"googleapis.{name}", **args) == {"the": "answer"}
    [request] = server.requests
    assert (request.method, request.path, dict(request.query)) == (method, path, case.get("query", {}))
    assert (request.json if request.body else None) == case.get("body")


V1_RUN = "googleapis.run.v1.namespaces.jobs.run"


def v1_execution(status: str | None, **more: Any) -> Any:
    conditions = [{"type": "Started", "status": "True"}]
    if status:
        conditions.append({"type": "Completed", "status": status, **more})
    return as_json(
        {"metadata": {"name": "dbt-1", "namespace": "p"}, "status": {"conditions": conditions} if status else {}}
    )


def test_run_a_job_by_the_older_api_waits_for_its_execution(call, server):
    server.answers(v1_execution(None), v1_execution("Unknown"), v1_execution("True"))
    args = {"name": "namespaces/p/jobs/dbt", "location": "eu", "body": {"overrides": {"taskCount": 2}}}
    result = call(V1_RUN, **args, connector_params=FAST)
    assert result["status"]["conditions"][1] == {"type": "Completed", "status": "True"}
    assert seen(server) == [
        ("POST", "/apis/run.googleapis.com/v1/namespaces/p/jobs/dbt:run"),
        ("GET", "/apis/run.googleapis.com/v1/namespaces/p/executions/dbt-1"),
        ("GET", "/apis/run.googleapis.com/v1/namespaces/p/executions/dbt-1"),
    ]
    assert server.requests[0].json == {"overrides": {"taskCount": 2}}


def test_a_job_of_the_older_api_that_fails(call, server):
    server.answers(v1_execution("False", message="task 0 failed"))
    error = error_of(call, V1_RUN, name="namespaces/p/jobs/dbt", location="eu")
    assert (error["message"], error["tags"]) == ("OperationError: task 0 failed", ["OperationError"])


def test_a_location_that_is_not_here(call, server):
    assert error_of(call, V1_RUN, name="namespaces/p/jobs/dbt", location="us-central1") == {
        "message": "SystemError: nothing on this machine answers for us-central1-run.googleapis.com: "
        "call what this machine has",
        "tags": ["SystemError"],
    }


def test_a_service_that_is_not_here_says_how_to_give_it_one_and_is_not_tried_again(call, server, monkeypatch):
    monkeypatch.setattr(
        execution.Execution,
        "sleep",
        lambda self, seconds: pytest.fail("it waits"),
    )
    args = {"topic": "projects/p/topics/t", "body": {"messages": [{"data": "eA=="}]}}
    assert error_of(call, "googleapis.pubsub.v1.projects.topics.publish", **args) == {
        "message": "SystemError: nothing on this machine answers for pubsub.googleapis.com: "
        "set PUBSUB_EMULATOR_HOST to an emulator's HOST:PORT",
        "tags": ["SystemError"],
    }


@pytest.mark.parametrize("form", ["{}", "http://{}"])
def test_an_emulator_is_called_without_credentials(server, form):
    server.answers(as_json({"messageIds": ["1"]}))
    given = {"PUBSUB_EMULATOR_HOST": form.format(server.url.removeprefix("http://")), "STORAGE_EMULATOR_HOST": ""}
    endpoints = configured_endpoints(given)
    assert endpoints == {"pubsub.googleapis.com": server.url}
    args = {"topic": "projects/p/topics/t", "body": {"messages": [{"data": "eA=="}]}}
    source = [{"a": {"call": "googleapis.pubsub.v1.projects.topics.publish", "args": args, "result": "r"}}]
    source.append({"b": {"return": "${r}"}})
    environment = Environment("p", "l", "w", "e", "1", "a@p", endpoints=endpoints)
    assert parse(json.dumps(source), "w").run(None, environment) == {"messageIds": ["1"]}
    [request] = server.requests
    assert (request.method, request.path, request.json) == (
        "POST",
        "/v1/projects/p/topics/t:publish",
        args["body"],
    )
    assert "Authorization" not in request.headers


@pytest.mark.parametrize(
    ("body", "kind", "content"),
    [
        ("text é", "text/plain; charset=utf-8", "text é".encode()),
        ('${text.encode("raw")}', "application/octet-stream", b"raw"),
        ([1], "application/json; charset=utf-8", b"[1]"),
    ],
)
def test_the_content_of_an_object_is_sent_as_it_is(call, server, body, kind, content):
    call("googleapis.storage.v1.objects.insert", bucket="b", name="n", uploadType="media", body=body)
    assert (server.requests[0].headers["Content-Type"], server.requests[0].body) == (kind, content)


ACCESS_STRING = "googleapis.secretmanager.v1.projects.secrets.versions.accessString"


def secret(data: bytes) -> Any:
    return as_json({"name": "n", "payload": {"data": base64.b64encode(data).decode()}})


def test_a_secrets_text_by_name_and_by_position_in_an_expression(call, server, outside):
    server.answers(secret("geheim é".encode()))
    assert call(ACCESS_STRING, secret_id="s") == "geheim é"
    assert call(ACCESS_STRING, secret_id="s", version="3", project_id="other") == "geheim é"
    environment = outside.environment(endpoints={"secretmanager.googleapis.com": server.url})
    source = '- a: {return: "${' + ACCESS_STRING + '(\\"s\\", \\"2\\", \\"p\\") + \\"!\\"}"}'
    assert parse(source, "w").run(None, environment) == "geheim é!"
    assert [request.path for request in server.requests] == [
        "/v1/projects/the-project/secrets/s/versions/latest:access",
        "/v1/projects/other/secrets/s/versions/3:access",
        "/v1/projects/p/secrets/s/versions/2:access",
    ]


def test_a_secret_that_is_no_text(call, server):
    server.answers(secret(b"\xff"), as_json({}))
    assert error_of(call, ACCESS_STRING, secret_id="s")["tags"] == ["ResponseTypeError"]
    assert error_of(call, ACCESS_STRING, secret_id="s")["tags"] == ["ResponseTypeError"]


def test_a_secret_version_of_something_else_than_text(call, server):
    name = "googleapis.secretmanager.v1.projects.secrets.addVersionString"
    assert error_of(call, name, secret_id="s", data=1) == {
        "message": "TypeError: data must be a string, not an integer",
        "tags": ["TypeError"],
    }
    assert server.requests == []


def test_every_connector_has_a_test():
    with_more_requests = {RUN, V1_RUN, QUERY, INSERT, ACCESS_STRING, f"{EXECUTIONS}.run", f"{EXECUTIONS}.get"}
    with_more_requests |= {f"googleapis.bigquery.v2.jobs.{method}" for method in ("get", "getQueryResults")}
    with_more_requests |= {"googleapis.pubsub.v1.projects.topics.publish"}
    assert with_more_requests | {f"googleapis.{case['connector']}" for case in ONE_REQUEST} == set(CONNECTORS)


def test_every_rest_call_in_an_error_is_of_a_connector_that_is_not_here():
    assert not {f"googleapis.{name}" for name in REST_CALLS} & set(CONNECTORS)
    for verb, url in REST_CALLS.values():
        assert verb in ("GET", "POST", "PUT", "PATCH", "DELETE")
        assert url.startswith("https://")
