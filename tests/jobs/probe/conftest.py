"""The probe with a real PostgreSQL, a real BigQuery emulator, and a metadata server that gives it a token."""

import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from flask import Flask, Response, jsonify
from google.auth.credentials import AnonymousCredentials
from psycopg import sql

from omnipipe.laptop.home import PROJECT_ROOT
from omnipipe.laptop.services.artifacts.image import Image
from omnipipe.laptop.services.artifacts.images import build
from omnipipe.laptop.services.sql.postgres import Postgres
from tests.jobs.probe.rows import PIPELINE
from tests.laptop.conftest import cloud as cloud
from tests.laptop.conftest import postgres as postgres  # the same server as the laptop's own tests
from tests.laptop.conftest import serving
from tests.support import emulator

sys.path.insert(0, str(PROJECT_ROOT / "jobs" / "probe"))

PROBE_USER = "probe-job@omnipipe-test.iam"
TOKEN = "an-access-token"


def metadata_server() -> Flask:
    """What a workload finds on Google, as far as google-auth asks for it."""
    app = Flask("metadata")

    @app.after_request
    def flavor(response: Response) -> Response:
        response.headers["Metadata-Flavor"] = "Google"
        return response

    @app.get("/")
    def root() -> str:
        return "computeMetadata/\n"

    @app.get("/computeMetadata/v1/universe/universe-domain")
    def universe() -> str:
        return "googleapis.com"

    @app.get("/computeMetadata/v1/instance/service-accounts/default/")
    def account() -> Response:
        return jsonify({"aliases": ["default"], "email": "default", "scopes": []})

    @app.get("/computeMetadata/v1/instance/service-accounts/default/token")
    def token() -> Response:
        return jsonify({"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"})

    return app


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """A database with a user of the probe's, who may look at slots and at no more; its slots are dropped again."""
    name = f"mobility_{uuid4().hex[:8]}"
    postgres.ensure_database(name)
    postgres.ensure_user(PROBE_USER, TOKEN)
    with psycopg.connect(postgres.admin_dsn(name), autocommit=True) as admin:
        user = sql.Identifier(PROBE_USER)
        admin.execute(sql.SQL("REVOKE cloudsqlsuperuser FROM {}").format(user))
        admin.execute(sql.SQL("GRANT pg_monitor TO {}").format(user))
        yield name
        admin.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
            " WHERE database = current_database()"
        )


@pytest.fixture
def environment(bigquery_address: str, database: str, postgres: Postgres) -> Iterator[dict[str, str]]:
    """What the component and Cloud Run give the job."""
    with serving(metadata_server()) as metadata:
        yield {
            "BIGQUERY_EMULATOR_HOST": bigquery_address,
            "GCE_METADATA_HOST": metadata.removeprefix("http://"),
            "GCE_METADATA_IP": metadata.removeprefix("http://"),
            "GOOGLE_CLOUD_PROJECT": emulator.PROJECT,
            "BIGQUERY_LOCATION": "EU",
            "PIPELINE": PIPELINE,
            "DELIVERS": "true",
            "PGHOST": str(postgres.socket_dir),
            "PGPORT": "5432",
            "PGDATABASE": database,
            "PGUSER": PROBE_USER,
        }


class AccessToken(AnonymousCredentials):
    """Credentials as those of a service account, without asking for them."""

    def refresh(self, _: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - its name
        """Get a token."""
        self.token = TOKEN


@pytest.fixture
def probe(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """This process has the job's environment; google-auth would remember the metadata server of the first test."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("google.auth.default", lambda **_: (AccessToken(), emulator.PROJECT))


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The job's image."""
    folder = Path(tmp_path_factory.mktemp("images"))
    return build(PROJECT_ROOT, PROJECT_ROOT / "jobs" / "probe" / "Dockerfile", folder)
