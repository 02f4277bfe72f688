"""The front door of functions, before a real server in the function's place."""

import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import requests
from flask import Flask, Response, redirect, request

from omnipipe.laptop import server
from omnipipe.laptop.cloud import GOOGLE, Cloud
from omnipipe.laptop.iam.tokens import CLOUD_PLATFORM
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.functions.resources import FUNCTION, address, public_address
from omnipipe.laptop.services.scheduler.resources import SCHEDULE
from omnipipe.laptop.services.workflows.resources import WORKFLOW
from tests.laptop.conftest import PROJECT, grant, serving

WHO = f"daily@{PROJECT}.iam.gserviceaccount.com"
SERVICE_GRANT = "gcp:cloudrunv2/serviceIamMember:ServiceIamMember"


class Behind:
    """A function, and the requests that reached it."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.app = Flask("function")

        @self.app.route("/", defaults={"path": ""}, methods=["GET", "POST", "DELETE"])
        @self.app.route("/<path:path>", methods=["GET", "POST", "DELETE"])
        def take(path: str) -> Any:
            seen = {"path": path, "query": request.query_string.decode(), "body": request.get_data()}
            self.seen.append(seen | {"method": request.method, "headers": dict(request.headers)})
            if path == "slow":
                time.sleep(2)
            if path == "away":
                return redirect("http://127.0.0.1:1/elsewhere")
            return Response(b"\x00said", 418, {"X-Of-The-Function": "yes"}, content_type="application/x-own")


@pytest.fixture
def behind(cloud: Cloud) -> Iterator[Behind]:
    function = Behind()
    id_ = f"projects/{PROJECT}/locations/europe-west1/functions/weather"
    inputs = {"name": "weather", "serviceConfig": {"timeoutSeconds": 1}}
    cloud.registry.put(Resource(FUNCTION, "weather", inputs, {}, id_))
    with (
        serving(function.app, cloud.ports.of("weather")),
        serving(server.application(cloud, server.apis(cloud)), cloud.ports.of(GOOGLE)),
    ):
        yield function


def call(
    cloud: Cloud, path: str = "", token: str | None = None, method: str = "POST", **more: Any
) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    url = address(cloud, "weather") + path
    return requests.request(method, url, headers=headers, timeout=10, allow_redirects=False, **more)


def let_in(cloud: Cloud, member: str = WHO, name: str = "weather") -> None:
    grant(cloud, SERVICE_GRANT, "roles/run.invoker", member, location="europe-west1", name=name)


def identity(cloud: Cloud, audience: str | None = None) -> str:
    return cloud.tokens.issue(WHO, audience or address(cloud, "weather"))


def test_an_invoker_reaches_it_and_what_it_says_comes_back_as_it_is(cloud: Cloud, behind: Behind) -> None:
    let_in(cloud)

    answer = call(cloud, "/a/b?x=1&x=2", identity(cloud), data=b"\xffbody")

    assert (answer.status_code, answer.content) == (418, b"\x00said")
    assert (answer.headers["X-Of-The-Function"], answer.headers["Content-Type"]) == ("yes", "application/x-own")
    (seen,) = behind.seen
    assert (seen["method"], seen["path"], seen["query"], seen["body"]) == ("POST", "a/b", "x=1&x=2", b"\xffbody")


def test_a_path_arrives_as_it_was_sent(cloud: Cloud, behind: Behind) -> None:
    let_in(cloud)
    call(cloud, "/a%3Fb=1%23c?x=%26", identity(cloud))
    assert (behind.seen[0]["path"], behind.seen[0]["query"]) == ("a?b=1#c", "x=%26")


def test_it_learns_who_asks_and_cannot_use_the_token(cloud: Cloud, behind: Behind) -> None:
    let_in(cloud)
    call(cloud, "", identity(cloud))

    token = behind.seen[0]["headers"]["Authorization"].removeprefix("Bearer ")
    assert token.endswith(".SIGNATURE_REMOVED_BY_GOOGLE")
    assert jwt.decode(token, options={"verify_signature": False})["email"] == WHO


def test_who_is_no_invoker_does_not_reach_it(cloud: Cloud, behind: Behind) -> None:
    let_in(cloud, f"other@{PROJECT}.iam.gserviceaccount.com")
    let_in(cloud, WHO, name="reverse-sync")

    for answer in (call(cloud, "", identity(cloud)), call(cloud, "/x")):
        assert answer.status_code == 403
        assert answer.headers["Content-Type"].startswith("text/html")
        assert "Your client does not have permission to get URL /functions/weather" in answer.text
    assert behind.seen == []


def test_a_token_for_something_else_is_none(cloud: Cloud, behind: Behind) -> None:
    let_in(cloud)
    claims = {"email": WHO, "aud": address(cloud, "weather"), "exp": int(time.time()) - 1}
    expired = jwt.encode(claims, cloud.identity.token_key.read_text(), "HS256")
    other_function = identity(cloud, address(cloud, "reverse-sync"))
    access = cloud.tokens.issue(WHO, CLOUD_PLATFORM)

    for token in (expired, other_function, access, cloud.tokens.owner(), "nonsense"):
        answer = call(cloud, "", token)
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert behind.seen == []


@pytest.mark.parametrize(
    ("type_", "inputs"),
    [
        (WORKFLOW, {"serviceAccount": WHO}),
        (WORKFLOW, {"serviceAccount": f"projects/{PROJECT}/serviceAccounts/{WHO}"}),
        (SCHEDULE, {"httpTarget": {"oidcToken": {"serviceAccountEmail": WHO}}}),
    ],
)
def test_one_that_takes_calls_from_inside_only_is_found_by_workflows_and_schedules_and_by_nobody_else(
    cloud: Cloud, behind: Behind, type_: str, inputs: dict[str, Any]
) -> None:
    let_in(cloud)
    (function,) = cloud.registry.of_type(FUNCTION)
    function.inputs["serviceConfig"]["ingressSettings"] = "ALLOW_INTERNAL_ONLY"
    cloud.registry.put(function)

    # A job that may call it has a token for it too, and comes from outside.
    for token in (identity(cloud), None, "nonsense", cloud.tokens.owner()):
        assert call(cloud, "", token).status_code == 404
    assert behind.seen == []

    cloud.registry.put(Resource(type_, "daily", inputs))
    assert call(cloud, "", identity(cloud)).status_code == 418
    assert call(cloud, "/a/b", identity(cloud)).status_code == 418
    assert call(cloud, "", None).status_code == 404

    other = public_address(cloud, "weather")  # by this one everybody comes from outside
    answer = requests.post(other, headers={"Authorization": f"Bearer {identity(cloud, other)}"}, timeout=10)
    assert answer.status_code == 404
    assert len(behind.seen) == 2


def test_it_has_a_second_address_where_it_takes_calls_from_everywhere(cloud: Cloud, behind: Behind) -> None:
    let_in(cloud)
    other = public_address(cloud, "weather")
    said = [
        requests.post(other + path, headers={"Authorization": f"Bearer {identity(cloud, other)}"}, timeout=10)
        for path in ("", "/", "/a/b")
    ]
    assert [answer.status_code for answer in said] == [418] * 3
    assert [seen["path"] for seen in behind.seen] == ["", "", "a/b"]


def test_all_users_are_everybody(cloud: Cloud, behind: Behind) -> None:
    let_in(cloud, "allUsers")
    assert [call(cloud, "", token).status_code for token in (None, identity(cloud), "nonsense")] == [418] * 3


def test_one_that_takes_too_long_or_is_gone_is_told_as_cloud_run_does(cloud: Cloud, behind: Behind) -> None:
    let_in(cloud)
    late = call(cloud, "/slow", identity(cloud))
    assert (late.status_code, late.text) == (504, "upstream request timeout")

    id_ = f"projects/{PROJECT}/locations/l/functions/gone"
    cloud.registry.put(Resource(FUNCTION, "gone", {"name": "gone", "serviceConfig": {}}, {}, id_))
    grant(cloud, SERVICE_GRANT, "roles/run.invoker", "allUsers", location="l", name="gone")
    gone = requests.get(address(cloud, "gone"), timeout=10)
    assert (gone.status_code, gone.text) == (503, "Service Unavailable")


def test_a_redirect_is_the_callers_to_follow_and_an_unknown_function_is_not_found(
    cloud: Cloud, behind: Behind
) -> None:
    let_in(cloud)
    answer = call(cloud, "/away", identity(cloud), method="GET")

    assert (answer.status_code, answer.headers["Location"]) == (302, "http://127.0.0.1:1/elsewhere")
    assert requests.post(address(cloud, "wether"), timeout=10).status_code == 404
