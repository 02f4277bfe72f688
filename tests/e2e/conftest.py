"""A laptop cloud of a test's own: its home, its ports, and the command as a user runs it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import requests

from omnipipe.laptop import access
from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.home import PROJECT_ROOT, Home
from omnipipe.laptop.services.bigquery import client
from omnipipe.laptop.services.datastream.resources import STREAM, state_dir
from tests.laptop.services.datastream.catching_up import wait_caught_up
from tests.support.ports import free_ports
from tests.support.terminal import HERE

COMMAND = str(Path(sys.executable).with_name("omnipipe"))
PORTS_OF_A_CLOUD = 20
PARTS = ("components", "dbt", "functions", "jobs", "omnipipe", "policy", "seed", "stacks")


@dataclass
class Laptop:
    """A laptop cloud below a temporary folder."""

    home: Path
    port: int

    @property
    def environment(self) -> dict[str, str]:
        """The user's environment, with this home and these ports."""
        return {**os.environ, "OMNIPIPE_HOME": str(self.home), "OMNIPIPE_PORT": str(self.port)}

    def run(self, *arguments: str, timeout_s: float = 180) -> subprocess.CompletedProcess[str]:
        """Run `omnipipe` with arguments, whatever comes of it."""
        command = [COMMAND, *arguments]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def ok(self, *arguments: str) -> str:
        """Run `omnipipe` with arguments; it must succeed. Returns what it printed."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"omnipipe {' '.join(arguments)}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def daily(self) -> dict[str, Any]:
        """One daily run, with its result as the command's JSON, also when it failed."""
        done = self.run("run", "--json")
        assert done.stdout, done.stderr
        result = json.loads(done.stdout)
        assert done.returncode == (0 if result["status"] == "succeeded" else 1), done
        return result

    @property
    def cloud(self) -> Cloud:
        """The cloud of the dev stack."""
        return Cloud.open(Home(self.home, "omnipipe", "dev"))

    def login(self) -> str:
        """How the application connects to the operational database."""
        said = self.cloud.declaration.of_command("seed", "job", "user", "password")
        return access.login(self.cloud, **said)

    def rows(self, query: str) -> list[list[Any]]:
        """The rows of a query in BigQuery."""
        return client.query(self.cloud, query)[1]

    def postgres(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement in the operational database, as the application."""
        with psycopg.connect(self.login()) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def wait_for_streams(self) -> None:
        """Wait until every change that is committed now is in BigQuery."""
        cloud = self.cloud
        for stream in cloud.registry.of_type(STREAM):
            wait_caught_up(state_dir(cloud, stream), access.log_position(cloud, stream), timeout_s=60)

    def address(self, service: str) -> str:
        """Address of a service, by the name of its process."""
        processes = json.loads(self.ok("status", "--json"))["processes"]
        (found,) = (process["address"] for process in processes if process["name"] == service)
        return found

    def received(self) -> dict[str, Any]:
        """What the webhook's receiver has got."""
        return requests.get(f"{self.address('webhook')}/received", timeout=5).json()

    def messages(self) -> list[dict[str, Any]]:
        """The messages that the receiver kept, in their order."""
        url, found = f"{self.address('webhook')}/received/messages", []
        while page := requests.get(url, {"after": len(found)}, timeout=5).json()["messages"]:
            found += page
        return found

    def processes(self) -> dict[str, psutil.Process]:
        """The live processes by name."""
        return self.cloud.processes.running()

    def kill(self, *names: str) -> None:
        """kill -9 processes, with whatever they started only where Linux does that by itself."""
        running = self.processes()
        for name in names or tuple(running):
            os.kill(running[name].pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    """A laptop cloud that is not up yet; it is taken down at the end of the module."""
    made = Laptop(tmp_path_factory.mktemp("home"), free_ports(PORTS_OF_A_CLOUD))
    yield made
    made.run("down", "--purge")


@dataclass
class Copy(Laptop):
    """A laptop cloud of a copy of the project."""

    tree: Path

    @property
    def environment(self) -> dict[str, str]:
        """The copy's code comes before the project's own."""
        return {**super().environment, "PYTHONPATH": str(self.tree)}

    def run(self, *arguments: str, timeout_s: float = 180) -> subprocess.CompletedProcess[str]:
        """Run the copy's `omnipipe` with arguments, whatever comes of it."""
        command = [sys.executable, "-c", "from omnipipe.cli import main; main()", *arguments]
        return subprocess.run(
            command,
            cwd=self.tree,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def refused(self, *arguments: str) -> str:
        """Run `omnipipe` with arguments; it must fail as the command does. Returns its one line."""
        done = self.run(*arguments)
        assert done.returncode == 1, done.stdout
        said = HERE.sub("", done.stderr)
        assert said.startswith("error: "), done.stderr
        assert said.count("\n") == 1, done.stderr
        return said

    @contextmanager
    def added(self, file: str, text: str) -> Iterator[None]:
        """The project with a text at the end of one file."""
        path = self.tree / file
        before = path.read_text()
        path.write_text(before + text)
        try:
            yield
        finally:
            path.write_text(before)

    @contextmanager
    def mistake(self, file: str, right: str, wrong: str) -> Iterator[None]:
        """The project with one text of one file replaced."""
        path = self.tree / file
        text = path.read_text()
        assert text.count(right) == 1, f"{right!r} is {text.count(right)} times in {file}"
        path.write_text(text.replace(right, wrong))
        try:
            yield
        finally:
            path.write_text(text)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    """A copy of the project, and a home that was never up."""
    tree = tmp_path_factory.mktemp("project")
    for part in PARTS:
        shutil.copytree(PROJECT_ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__", "target"))
    for file in PROJECT_ROOT.glob("*.yaml"):
        shutil.copy(file, tree)
    made = Copy(tmp_path_factory.mktemp("home"), free_ports(PORTS_OF_A_CLOUD), tree)
    yield made
    made.run("down", "--purge")
