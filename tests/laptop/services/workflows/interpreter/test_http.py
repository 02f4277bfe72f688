"""`http.*` against a real server on loopback."""

import gzip
import json
import socket
import threading
import time
from contextlib import suppress

import pytest

from omnipipe.laptop.services.workflows.interpreter import Environment, WorkflowError, parse

from .conftest import as_json


def call(outside, function, args, **environment):
    """Run one call and return its result."""
    source = json.dumps([{"a": {"call": function, "args": args, "result": "r"}}, {"b": {"return": "${r}"}}])
    return parse(source, "w.json").run(None, outside.environment(**environment))


def error_of(outside, function, args, **environment):
    with pytest.raises(WorkflowError) as raised:
        call(outside, function, args, **environment)
    return raised.value.error


def test_get_sends_query_and_headers_and_decodes_json(outside, server):
    server.answers(
        (200, {"content-type": "application/json; charset=utf-8", "x-my-header": "1"}, b'{"a": [1, 2.5]}')
    )
    query = {"s": "a b&c", "n": 1, "f": 1.5, "t": True, "l": ["x", 2]}
    result = call(
        outside, "http.get", {"url": f"{server.url}/path?own=1", "query": query, "headers": {"X-Ask": "y"}}
    )
    [request] = server.requests
    assert (request.method, request.path, request.body) == ("GET", "/path", b"")
    assert request.query == [
        ("own", "1"), ("s", "a b&c"), ("n", "1"), ("f", "1.5"), ("t", "true"), ("l", "x"), ("l", "2"),
    ]  # fmt: skip
    assert request.headers["X-Ask"] == "y"
    assert "Authorization" not in request.headers
    assert result["code"] == 200
    assert result["body"] == {"a": [1, 2.5]}
    assert result["headers"]["Content-Type"] == "application/json; charset=utf-8"
    assert result["headers"]["X-My-Header"] == "1"


@pytest.mark.parametrize(
    ("args", "content_type", "body"),
    [
        ({"body": {"a": [1, None]}}, "application/json; charset=utf-8", b'{"a": [1, null]}'),
        ({"body": "text"}, "application/json; charset=utf-8", b'"text"'),
        ({"body": '${text.encode("raw")}'}, "application/octet-stream", b"raw"),
        ({"body": "a,b", "headers": {"content-type": "text/csv"}}, "text/csv", b"a,b"),
        (
            {
                "body": {"a": "x y", "n": 1, "t": True},
                "headers": {"Content-Type": "application/x-www-form-urlencoded"},
            },
            "application/x-www-form-urlencoded",
            b"a=x+y&n=1&t=true",
        ),
        (
            {"body": {"a": 1}, "headers": {"Content-Type": "application/x+json"}},
            "application/x+json",
            b'{"a": 1}',
        ),
    ],
)
def test_post_encodes_the_body_as_its_type_says(outside, server, args, content_type, body):
    call(outside, "http.post", {"url": server.url, **args})
    [request] = server.requests
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert (request.method, headers["content-type"], request.body) == ("POST", content_type, body)


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_the_other_methods_send_a_body(outside, server, method):
    call(outside, f"http.{method}", {"url": server.url, "body": {"a": 1}})
    assert (server.requests[0].method, server.requests[0].json) == (method.upper(), {"a": 1})


def test_request_takes_any_method(outside, server):
    call(outside, "http.request", {"method": "PATCH", "url": server.url})
    assert server.requests[0].method == "PATCH"
    assert error_of(outside, "http.request", {"method": "FETCH", "url": server.url}) == {
        "message": "ValueError: 'FETCH' is no HTTP method: use one of GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH",
        "tags": ["ValueError"],
    }


@pytest.mark.parametrize(
    ("headers", "content", "body"),
    [
        ({"Content-Type": "text/plain"}, b'{"a": 1}', '{"a": 1}'),
        ({"Content-Type": "text/html; charset=iso-8859-1"}, "é".encode("latin-1"), "é"),
        ({"Content-Type": "application/problem+json"}, b'{"a": 1}', {"a": 1}),
        ({"Content-Type": "application/json"}, b"", None),
        ({}, b"plain", "plain"),
    ],
)
def test_the_response_is_decoded_by_its_type(outside, server, headers, content, body):
    server.answers((200, headers, content))
    assert call(outside, "http.get", {"url": server.url})["body"] == body


def test_other_types_are_bytes(outside, server):
    server.answers((200, {"Content-Type": "image/png"}, b"\x89PNG"))
    source = json.dumps(
        [
            {"a": {"call": "http.get", "args": {"url": server.url}, "result": "r"}},
            {"b": {"return": "${get_type(r.body) + string(len(r.body))}"}},
        ]
    )
    assert parse(source, "w").run(None, outside.environment()) == "bytes4"


@pytest.mark.parametrize("code", [400, 404, 500, 503])
def test_a_status_from_400_on_is_an_error_with_the_response(outside, server, code):
    server.answers(as_json({"error": "why"}, code))
    error = error_of(outside, "http.get", {"url": server.url})
    assert error["headers"].pop("Date")
    assert error["headers"].pop("Server")
    assert error == {
        "message": f"HTTP server responded with error code {code}",
        "tags": ["HttpError"],
        "code": code,
        "headers": {"Content-Type": "application/json", "Content-Length": "16"},
        "body": {"error": "why"},
    }


@pytest.mark.parametrize("code", [201, 204, 302])
def test_a_status_below_400_is_none(outside, server, code):
    server.answers((code, {"Content-Type": "text/plain"}, b""))
    assert call(outside, "http.get", {"url": server.url})["code"] == code


def test_json_that_is_none(outside, server):
    server.answers((200, {"Content-Type": "application/json"}, b"{"))
    error = error_of(outside, "http.get", {"url": server.url})
    assert error["tags"] == ["ResponseTypeError"]
    assert error["message"].startswith("ResponseTypeError: the body is not the application/json it claims to be")


def test_nobody_listens(outside):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    error = error_of(outside, "http.get", {"url": f"http://127.0.0.1:{port}"})
    assert error["tags"] == ["ConnectionFailedError", "ConnectionError"]


def test_a_connection_that_breaks(outside, server):
    def answer(request):
        raise ConnectionResetError

    server.http.handle_error = lambda request, address: None
    server.answer = answer
    assert error_of(outside, "http.get", {"url": server.url})["tags"] == ["ConnectionError"]


def test_a_slow_server_meets_the_timeout(outside, server):
    def answer(request):
        time.sleep(0.5)
        return as_json({})

    server.answer = answer
    assert error_of(outside, "http.get", {"url": server.url, "timeout": 0.1}) == {
        "message": "TimeoutError: the HTTP request took over 0.1 s",
        "tags": ["TimeoutError"],
    }


@pytest.mark.parametrize("declared", [True, False])
def test_a_server_that_never_stops_sending_meets_the_timeout_of_the_whole(outside, declared):
    """Each byte comes soon after the one before, so that only the time of the whole answer can end it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def trickle() -> None:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                length = b"Content-Length: 100\r\n" if declared else b"Connection: close\r\n"
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" + length + b"\r\n")
                for _ in range(30):
                    connection.sendall(b"x")
                    time.sleep(0.1)

        thread = threading.Thread(target=trickle, daemon=True)
        thread.start()
        started = time.monotonic()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        error = error_of(outside, "http.get", {"url": url, "timeout": 0.5})
        took = time.monotonic() - started
        thread.join(20)
    assert error == {"message": "TimeoutError: the HTTP request took over 0.5 s", "tags": ["TimeoutError"]}
    assert took < 2


def test_a_server_that_falls_silent_in_the_middle_of_its_answer(outside):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def begin() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx")
                time.sleep(2)

        thread = threading.Thread(target=begin, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        error = error_of(outside, "http.get", {"url": url, "timeout": 0.2})
        thread.join(20)
    assert error == {"message": "TimeoutError: the HTTP request took over 0.2 s", "tags": ["TimeoutError"]}


def test_an_answer_that_breaks_off(outside, server):
    server.answers((200, {"Content-Type": "text/plain", "Content-Encoding": "gzip"}, b"no gzip"))
    assert error_of(outside, "http.get", {"url": server.url})["tags"] == ["ConnectionError"]


def test_a_compressed_answer_is_read(outside, server):
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    server.answers((200, headers, gzip.compress(json.dumps({"a": "x" * 200_000}).encode())))
    assert call(outside, "http.get", {"url": server.url})["body"] == {"a": "x" * 200_000}


def test_a_response_over_2_mb(outside, server):
    server.answers((200, {"Content-Type": "text/plain"}, b"x" * (2 * 1024 * 1024 + 1)))
    assert error_of(outside, "http.get", {"url": server.url}) == {
        "message": "ResourceLimitError: the HTTP response is over the limit of 2097152 bytes",
        "tags": ["ResourceLimitError"],
    }


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"url": "a.example"}, "ValueError: the URL must start with http:// or https://, not 'a.example'"),
        ({"url": "file:///etc/passwd"}, "ValueError: the URL must start with http:// or https://, not 'file:///etc/passwd'"),
        ({"url": None}, "ValueError: the URL must start with http:// or https://, not None"),
        ({"timeout": "1"}, "TypeError: timeout is a number of seconds, not a string"),
        ({"timeout": 1801}, "ValueError: timeout must be over 0 and at most 1800 seconds"),
        ({"headers": {"a": 1}}, "TypeError: headers must be a map of strings"),
        ({"query": []}, "TypeError: query must be a map, not a list"),
        ({"query": {"a": {}}}, "TypeError: a query value is a string, number or boolean, not a map"),
        ({"auth": {"type": "Basic"}}, "ValueError: auth must be a map with type OIDC or OAuth2"),
    ],
)  # fmt: skip
def test_wrong_arguments(outside, server, args, message):
    error = error_of(outside, "http.get", {"url": server.url, **args})
    assert error == {"message": message, "tags": [message.partition(":")[0]]}
    assert server.requests == []


def test_oidc_for_the_url_or_a_given_audience(outside, server):
    call(outside, "http.post", {"url": f"{server.url}/f", "auth": {"type": "OIDC"}})
    call(outside, "http.post", {"url": f"{server.url}/f", "auth": {"type": "OIDC", "audience": "them"}})
    assert outside.tokens == [("OIDC", f"{server.url}/f"), ("OIDC", "them")]
    assert [request.headers["Authorization"] for request in server.requests] == ["Bearer OIDC-token"] * 2


def test_a_service_behind_the_endpoint_map(outside, server):
    """A call of a Google API by its real URL goes to what stands in for it, with an OAuth2 token."""
    endpoints = {"bigquery.googleapis.com": server.url + "/"}
    args = {
        "url": "https://bigquery.googleapis.com/bigquery/v2/projects/p/queries?x=1",
        "auth": {"type": "OAuth2"},
    }
    call(outside, "http.post", args, endpoints=endpoints)
    args["auth"] = {"type": "OAuth2", "scopes": ["one", "two"]}
    call(outside, "http.post", args, endpoints=endpoints)
    assert [(request.path, request.query) for request in server.requests] == [
        ("/bigquery/v2/projects/p/queries", [("x", "1")])
    ] * 2
    assert outside.tokens == [("OAuth2", "https://www.googleapis.com/auth/cloud-platform"), ("OAuth2", "one two")]
    assert server.requests[0].headers["Authorization"] == "Bearer OAuth2-token"


def test_a_function_behind_the_endpoint_map_keeps_its_audience(outside, server):
    url = "https://weather-abc.a.run.app"
    call(
        outside,
        "http.post",
        {"url": url, "auth": {"type": "OIDC"}},
        endpoints={"weather-abc.a.run.app": server.url},
    )
    assert outside.tokens == [("OIDC", url)]


def test_no_token(server):
    source = json.dumps([{"a": {"call": "http.get", "args": {"url": server.url, "auth": {"type": "OIDC"}}}}])
    with pytest.raises(WorkflowError) as raised:
        parse(source, "w").run(None, Environment("p", "l", "w", "e", "1", "a@p"))
    assert raised.value.error == {
        "message": f"AuthError: cannot get a token: there are no credentials for {server.url}",
        "tags": ["AuthError"],
    }


def test_the_users_netrc_and_proxy_do_not_interfere(outside, server, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    call(outside, "http.get", {"url": server.url, "auth": {"type": "OIDC"}})
    assert server.requests[0].headers["Authorization"] == "Bearer OIDC-token"


def test_retry_of_a_request(outside, server):
    server.answers(as_json({}, 503), as_json({"done": True}))
    source = json.dumps(
        [
            {
                "a": {
                    "try": {"call": "http.get", "args": {"url": server.url}, "result": "r"},
                    "retry": {
                        "predicate": "${http.default_retry_predicate}",
                        "max_retries": 2,
                        "backoff": {"initial_delay": 0.01, "max_delay": 1, "multiplier": 1},
                    },
                }
            },
            {"b": {"return": "${r.body}"}},
        ]
    )
    assert parse(source, "w").run(None, outside.environment()) == {"done": True}
    assert len(server.requests) == 2


def test_a_post_that_may_have_worked_is_not_retried(outside, server):
    server.answers(as_json({}, 502), as_json({}))
    source = json.dumps(
        [
            {
                "a": {
                    "try": {"call": "http.post", "args": {"url": server.url}},
                    "retry": "${http.default_retry_non_idempotent}",
                }
            }
        ]
    )
    with pytest.raises(WorkflowError) as raised:
        parse(source, "w").run(None, outside.environment())
    assert raised.value.error["code"] == 502
    assert len(server.requests) == 1
