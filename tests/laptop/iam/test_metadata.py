"""The metadata server, asked by Google's own client library."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator

import jwt
import pytest
import requests

from omnipipe.laptop import server
from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.deployment import Deployment
from omnipipe.laptop.iam import metadata
from omnipipe.laptop.iam.tokens import TOKEN_LIFETIME_S, Tokens
from tests.laptop.conftest import PROJECT, serving

ACCOUNT = "gcp:serviceaccount/account:Account"
PATH = "computeMetadata/v1/instance/service-accounts/default"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
# What a workload does: it takes the default credentials, and asks for a token to call a function.
WORKLOAD = """
import json, google.auth
from google.auth.transport.requests import Request
from google.oauth2 import id_token
credentials, project = google.auth.default()
credentials.refresh(Request())
identity = id_token.fetch_id_token(Request(), "https://weather.example")
found = {"email": credentials.service_account_email, "project": project, "valid": credentials.valid}
print(json.dumps(found | {"token": credentials.token, "identity": identity}))
"""


def email(account: str) -> str:
    return f"{account}@{PROJECT}.iam.gserviceaccount.com"


@pytest.fixture
def tokens(cloud: Cloud) -> Tokens:
    return cloud.tokens


@pytest.fixture
def address(cloud: Cloud) -> Iterator[str]:
    """A metadata server that knows two accounts."""
    for account in ("weather", "dbt"):
        Deployment(cloud).register(ACCOUNT, account, {"accountId": account}, False)
    with serving(server.application(cloud, server.apis(cloud))) as url:
        yield f"{url}/metadata"


def claims(token: str, cloud: Cloud) -> dict[str, str]:
    """A token's claims, checked against the home's own key."""
    key = (cloud.home.directory / "token-key").read_text()
    return jwt.decode(token, key, ["HS256"], options={"verify_aud": False})


@pytest.mark.parametrize("account", ["weather", "dbt"])
def test_googles_library_finds_the_workloads_own_account(address: str, cloud: Cloud, account: str) -> None:
    host = f"{address.removeprefix('http://')}/{email(account)}"
    done = subprocess.run(
        [sys.executable, "-c", WORKLOAD],
        env={"GCE_METADATA_HOST": host, "GCE_METADATA_IP": host, "HOME": str(cloud.home.path("scratch"))},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["email"], found["project"], found["valid"]) == ("default", PROJECT, True)
    assert claims(found["token"], cloud)["sub"] == email(account)
    identity = claims(found["identity"], cloud)
    assert (identity["sub"], identity["aud"]) == (email(account), "https://weather.example")


def test_a_token_says_whose_it_is_for_what_and_until_when(address: str, cloud: Cloud) -> None:
    answer = requests.get(f"{address}/{email('weather')}/{PATH}/token", timeout=5)

    assert answer.headers["Metadata-Flavor"] == "Google"
    body = answer.json()
    assert (body["expires_in"], body["token_type"]) == (TOKEN_LIFETIME_S, "Bearer")
    found = claims(body["access_token"], cloud)
    assert (found["sub"], found["email"], found["aud"]) == (email("weather"), email("weather"), SCOPE)
    assert int(found["exp"]) - int(found["iat"]) == TOKEN_LIFETIME_S


def test_a_token_is_given_again_until_it_nears_its_end(
    address: str, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(scopes: str = SCOPE, account: str = "weather") -> tuple[str, int]:
        answer = requests.get(f"{address}/{email(account)}/{PATH}/token", params={"scopes": scopes}, timeout=5)
        return answer.json()["access_token"], answer.json()["expires_in"]

    begin = time.time()
    first, _ = ask()
    assert ask("another")[0] != first != ask(account="dbt")[0]
    for later, same in ((TOKEN_LIFETIME_S - 400, True), (TOKEN_LIFETIME_S - 200, False)):
        monkeypatch.setattr(metadata.time, "time", lambda later=later: begin + later)
        token, expires_in = ask()
        assert (token == first) is same
        assert expires_in == pytest.approx(400 if same else TOKEN_LIFETIME_S, abs=3)


def test_an_account_that_the_program_does_not_register_has_no_token(address: str, cloud: Cloud) -> None:
    assert requests.get(f"{address}/{email('wether')}/{PATH}/token", timeout=5).status_code == 404
    # It counts from the moment that it is registered, while the server runs.
    Deployment(cloud).register(ACCOUNT, "late", {"accountId": "wether"}, False)
    assert requests.get(f"{address}/{email('wether')}/{PATH}/token", timeout=5).status_code == 200


def test_an_identity_token_needs_an_audience(address: str) -> None:
    assert requests.get(f"{address}/{email('weather')}/{PATH}/identity", timeout=5).status_code == 400


def test_the_key_is_made_once_and_is_its_owners_only(cloud: Cloud, tokens: Tokens) -> None:
    file = cloud.home.directory / "token-key"
    assert file.stat().st_mode & 0o777 == 0o600

    again = Tokens(file)

    assert claims(again.issue(email("weather"), SCOPE), cloud)["sub"] == email("weather")
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(tokens.issue(email("weather"), SCOPE), "0" * 64, ["HS256"], audience=SCOPE)
