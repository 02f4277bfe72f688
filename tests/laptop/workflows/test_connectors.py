"""Connectors against a real server on loopback."""

import itertools
import json

import pytest

from omnipipe.laptop.workflows import WorkflowError, parse

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
    hosts = ("run", "bigquery", "workflowexecutions")
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
        "omnipipe.laptop.workflows.execution.Execution.sleep", lambda self, seconds: slept.append(seconds)
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
    monkeypatch.setattr("omnipipe.laptop.workflows.execution.MAX_STEPS", 5)
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
