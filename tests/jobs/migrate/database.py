"""A database of its own on a real PostgreSQL, with Cloud SQL's kind of users, and the migrate job for it."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString
from uuid import uuid4

import psycopg
from psycopg.conninfo import make_conninfo

from omnipipe.laptop.home import PROJECT_ROOT
from omnipipe.laptop.images import Image, build
from omnipipe.laptop.postgres import Postgres

ADMIN, APP, REPLICATION = "platform_admin", "mobility_app", "datastream"
PASSWORDS = {ADMIN: "admin's", APP: "app's", REPLICATION: "replication's"}
PUBLICATION = "omnipipe"


def image(folder: Path) -> Image:
    """Build the job's image from its own Dockerfile."""
    return build(PROJECT_ROOT, PROJECT_ROOT / "jobs" / "migrate" / "Dockerfile", folder)


@dataclass
class Database:
    """An empty database, and how to get into it."""

    server: Postgres
    name: str
    slot: str

    @classmethod
    def create(cls, server: Postgres) -> "Database":
        """Make a database and the users that the program declares: not the replication user."""
        name = f"mobility_{uuid4().hex[:8]}"
        server.ensure_database(name)
        for user in (ADMIN, APP):
            server.ensure_user(user, PASSWORDS[user])
        return cls(server, name, f"slot_{name}")

    def dsn(self, user: str) -> str:
        """Return libpq's connection string of a user."""
        return make_conninfo(
            host=str(self.server.socket_dir), port=5432, user=user, password=PASSWORDS[user], dbname=self.name
        )

    def rows(self, query: LiteralString, user: str = ADMIN, parameters: tuple = ()) -> list[tuple[Any, ...]]:
        """Run a statement as ``user`` and return its rows."""
        with psycopg.connect(self.dsn(user), autocommit=True) as connection:
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    def environment(self, **changes: str) -> dict[str, str]:
        """Return the environment of the job, as its component gives it."""
        return {
            "PATH": os.environ["PATH"],
            "PGHOST": str(self.server.socket_dir),
            "PGPORT": "5432",
            "PGDATABASE": self.name,
            "PGUSER": ADMIN,
            "PGPASSWORD": PASSWORDS[ADMIN],
            "APP_USER": APP,
            "REPLICATION_USER": REPLICATION,
            "REPLICATION_PASSWORD": PASSWORDS[REPLICATION],
            "PUBLICATION": PUBLICATION,
            "SLOT": self.slot,
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

    def drop_slot(self) -> None:
        """Drop the job's slot, if it was made: slots are few, and all databases share them."""
        with psycopg.connect(self.server.admin_dsn(self.name), autocommit=True) as admin:
            admin.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s",
                [self.slot],
            )
