"""A database of its own on a real PostgreSQL, with Cloud SQL's kind of users, and the migrate job for it."""

import os
import subprocess
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString
from uuid import uuid4

import psycopg
from flask import Flask
from psycopg.conninfo import make_conninfo
from werkzeug.serving import make_server

from omnipipe.laptop.home import PROJECT_ROOT
from omnipipe.laptop.iam import metadata
from omnipipe.laptop.iam.bindings import ACCOUNT
from omnipipe.laptop.iam.tokens import Tokens
from omnipipe.laptop.registry import Registry, Resource
from omnipipe.laptop.services.artifacts.image import Image
from omnipipe.laptop.services.artifacts.images import build
from omnipipe.laptop.services.sql.postgres import Postgres

APP, REPLICATION = "mobility_app", "datastream"
PASSWORDS = {APP: "app's", REPLICATION: "replication's"}
PUBLICATION = "omnipipe"
OWNER = "omnipipe_owner"
MIGRATOR = "migrate-job@omnipipe-test.iam"
HEART, READER = "capture-job@omnipipe-test.iam", "validate-job@omnipipe-test.iam"


def image(folder: Path) -> Image:
    """Build the job's image from its own Dockerfile."""
    return build(PROJECT_ROOT, PROJECT_ROOT / "jobs" / "migrate" / "Dockerfile", folder)


class Identities:
    """A metadata server for the job's service account, whose login tokens the database takes.

    ``admits`` says whether it does, as Cloud SQL asks Google; ``token`` is the last one.
    """

    def __init__(self, server: Postgres, folder: Path) -> None:
        self._server = server
        self.admits = True
        self.user = MIGRATOR
        self.token = ""
        registry = Registry(folder / "resources.json")
        email = f"{MIGRATOR}.gserviceaccount.com"
        registry.put(Resource(ACCOUNT, "migrate-job", {}, {"email": email}, email))
        app = Flask("metadata")
        tokens = Tokens(folder / "token-key")
        app.register_blueprint(metadata.blueprint("omnipipe-test", tokens, registry, self._given))
        self._http = make_server("127.0.0.1", 0, app, threaded=True)
        self.host = f"127.0.0.1:{self._http.server_port}/metadata/{email}"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def _given(self, account: str, scopes: str, token: str, expires: float) -> None:
        assert scopes == "https://www.googleapis.com/auth/sqlservice.login"
        self.token = token
        if self.admits and self._server.is_ready():
            self._server.let_in(self.user, token, datetime.fromtimestamp(expires, UTC))

    def close(self) -> None:
        """End it."""
        self._http.shutdown()
        self._http.server_close()


@dataclass
class Database:
    """An empty database, and how to get into it."""

    server: Postgres
    name: str
    slot: str
    identities: Identities

    @classmethod
    def create(cls, server: Postgres, folder: Path) -> "Database":
        """Make a database and the user that the program declares: the job makes the others."""
        name = f"mobility_{uuid4().hex[:8]}"
        server.ensure_database(name)
        server.ensure_iam_user(MIGRATOR, ["cloudsqlsuperuser"])
        for user in (HEART, READER):
            server.ensure_iam_user(user, [])
        return cls(server, name, f"omnipipe_{name}", Identities(server, folder))

    def dsn(self, user: str) -> str:
        """Return libpq's connection string of a user with a password, or of the superuser."""
        if user == "cloudsqladmin":
            return self.server.admin_dsn(self.name)
        return make_conninfo(
            host=str(self.server.socket_dir), port=5432, user=user, password=PASSWORDS[user], dbname=self.name
        )

    def rows(
        self, query: LiteralString, user: str = "cloudsqladmin", parameters: tuple = ()
    ) -> list[tuple[Any, ...]]:
        """Run a statement as ``user`` and return its rows."""
        with psycopg.connect(self.dsn(user), autocommit=True) as connection:
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    def environment(self, **changes: str) -> dict[str, str]:
        """Return the environment of the job, as its component and Cloud Run give it."""
        return {
            "PATH": os.environ["PATH"],
            "GCE_METADATA_HOST": self.identities.host,
            "GCE_METADATA_IP": self.identities.host,
            "PGHOST": str(self.server.socket_dir),
            "PGPORT": "5432",
            "PGDATABASE": self.name,
            "PGUSER": MIGRATOR,
            "APP_USER": APP,
            "APP_PASSWORD": PASSWORDS[APP],
            "REPLICATION_USER": REPLICATION,
            "REPLICATION_PASSWORD": PASSWORDS[REPLICATION],
            "PUBLICATION": PUBLICATION,
            "SLOT": self.slot,
            "HEARTBEAT_USER": HEART,
            "READING_USER": READER,
        } | changes

    def start_migrate(self, image: Image, **changes: str) -> subprocess.Popen[str]:
        """Start the job as Cloud Run does: the image's entry point, its packages and no others."""
        _, script = image.entrypoint
        return subprocess.Popen(
            [Path(image.environment, "bin", "python"), script],
            cwd=f"{image.root}{image.workdir}",
            env=self.environment(**changes),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def migrate(self, image: Image, **changes: str) -> tuple[int, str]:
        """Run the job; its exit code and its log."""
        process = self.start_migrate(image, **changes)
        output, _ = process.communicate(timeout=150)
        return process.returncode, output

    def drop_slots(self) -> None:
        """Drop the database's slots: slots are few, and all databases share them."""
        with psycopg.connect(self.server.admin_dsn(self.name), autocommit=True) as admin:
            admin.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = %s",
                [self.name],
            )

    def close(self) -> None:
        """Leave nothing behind that others notice."""
        self.drop_slots()
        self.identities.close()
