"""A running Pub/Sub, and Google's own clients for it, each as somebody."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import requests
from google.cloud import pubsub_v1

from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.home import Home
from omnipipe.laptop.iam.tokens import OWNER
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.pubsub.resources import TOPIC
from tests.laptop.conftest import PROJECT
from tests.support.ports import free_ports

_numbers = itertools.count()


class Running:
    """The process of Pub/Sub, which a test may kill."""

    def __init__(self, folder: Path) -> None:
        home = Home(folder / "home", "omnipipe", "dev")
        self.cloud = Cloud(home, PROJECT, "europe-west1", base_port=free_ports(20))
        self.cloud.home.prepare()
        self.cloud.remember()
        self.cloud.ports.of("google")
        self.cloud.ports.of("bigquery")
        self.cloud.pubsub_address(OWNER)
        assert self.cloud.pubsub_url
        self.log = folder / "pubsub.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        home = self.cloud.home
        argv = [sys.executable, "-m", "omnipipe.laptop.services.pubsub", str(home.root), home.project, home.stack]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while True:
            try:
                if requests.get(f"{self.cloud.pubsub_url}/healthz", timeout=2).ok:
                    return
            except requests.RequestException:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.02)

    def kill(self) -> None:
        """Kill it, as a crash would."""
        assert self.process
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Stop it cleanly; its exit code."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        finally:
            self.kill()

    def address(self, account: str = OWNER) -> str:
        """Where an account is let in, as soon as it is."""
        address = self.cloud.pubsub_address(account)
        deadline = time.monotonic() + 10
        while True:
            try:
                requests.get(f"http://{address}/healthz", timeout=2)
                return address
            except requests.ConnectionError:
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def publisher(self, account: str = OWNER, **options: Any) -> pubsub_v1.PublisherClient:
        """Google's client for publishers, as an account."""
        with mock.patch.dict(os.environ, {"PUBSUB_EMULATOR_HOST": self.address(account)}):
            return pubsub_v1.PublisherClient(**options)

    def subscriber(self, account: str = OWNER) -> pubsub_v1.SubscriberClient:
        """Google's client for subscribers, as an account."""
        with mock.patch.dict(os.environ, {"PUBSUB_EMULATOR_HOST": self.address(account)}):
            return pubsub_v1.SubscriberClient()

    def schemas(self, account: str = OWNER) -> pubsub_v1.SchemaServiceClient:
        """Google's client for schemas, as an account."""
        with mock.patch.dict(os.environ, {"PUBSUB_EMULATOR_HOST": self.address(account)}):
            return pubsub_v1.SchemaServiceClient()

    def rest(self, method: str, path: str, body: Any = None, *, account: str = OWNER) -> requests.Response:
        """A request of the REST API."""
        return requests.request(method, f"http://{self.address(account)}/v1/{path}", json=body, timeout=30)

    def account(self, name: str) -> str:
        """A service account of the program."""
        email = f"{name}@{PROJECT}.iam.gserviceaccount.com"
        outputs = {"email": email, "member": f"serviceAccount:{email}"}
        account = Resource("gcp:serviceaccount/account:Account", name, {"accountId": name}, outputs, id=email)
        self.cloud.registry.put(account)
        return email

    def new(self) -> str:
        """A name that nobody has."""
        return f"n{next(_numbers)}"

    def topic(self, **settings: Any) -> str:
        """A topic."""
        name = f"projects/{PROJECT}/topics/events-{self.new()}"
        self.publisher().create_topic(request={"name": name, **settings})
        self.cloud.registry.put(Resource(TOPIC, name, {"name": name.rpartition("/")[2]}, {}, id=name))
        return name

    def subscription(self, topic: str, **settings: Any) -> str:
        """A subscription of a topic."""
        name = f"projects/{PROJECT}/subscriptions/to-{self.new()}"
        self.subscriber().create_subscription(request={"name": name, "topic": topic, **settings})
        return name


@pytest.fixture(scope="session")
def pubsub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A Pub/Sub for the whole session: each test has topics of its own."""
    running = Running(tmp_path_factory.mktemp("pubsub"))
    yield running
    running.kill()


@pytest.fixture
def crash(pubsub: Running) -> Callable[[], None]:
    """Kill Pub/Sub and start it again."""

    def crashed() -> None:
        pubsub.kill()
        pubsub.start()

    return crashed
