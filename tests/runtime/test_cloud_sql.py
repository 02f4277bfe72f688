"""A token to log in to the database with: what it is asked for is what it is good for."""

import os
import subprocess
import sys

from flask import Flask, Response, jsonify, request

from tests.laptop.conftest import serving

ACCOUNT = "/computeMetadata/v1/instance/service-accounts/default"


def test_a_token_is_good_for_logins_and_for_nothing_else() -> None:
    """The database sees the token: with Google's widest scope it could act as the workload."""
    asked: list[str | None] = []
    metadata = Flask("metadata")

    @metadata.after_request
    def flavor(response: Response) -> Response:
        response.headers["Metadata-Flavor"] = "Google"
        return response

    @metadata.get("/")
    def root() -> str:
        return "computeMetadata/\n"

    @metadata.get("/computeMetadata/v1/project/project-id")
    def project() -> str:
        return "shop-prod"

    @metadata.get("/computeMetadata/v1/universe/universe-domain")
    def universe() -> str:
        return "googleapis.com"

    @metadata.get(f"{ACCOUNT}/")
    def account() -> Response:
        return jsonify({"email": "job@shop-prod.iam.gserviceaccount.com", "scopes": []})

    # google-auth asks by the account's own name, once it knows it.
    @metadata.get("/computeMetadata/v1/instance/service-accounts/<_>/token")
    def token(_: str) -> Response:
        asked.append(request.args.get("scopes"))
        return jsonify({"access_token": "a token", "expires_in": 3600, "token_type": "Bearer"})

    with serving(metadata) as url:
        host = url.removeprefix("http://")
        # A process of its own: google-auth reads where the metadata server is when it is imported.
        done = subprocess.run(
            [sys.executable, "-c", "from omnipipe.runtime.cloud_sql import login_token; print(login_token())"],
            env={"PATH": os.environ["PATH"], "GCE_METADATA_HOST": host, "GCE_METADATA_IP": host},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stdout) == (0, "a token\n"), done.stderr
    assert asked == ["https://www.googleapis.com/auth/sqlservice.login"]
