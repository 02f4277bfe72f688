"""The laptop cloud of one stack: where its parts are, and how they reach each other."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import requests

from omnipipe.laptop.declaration import Declaration
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.home import Home, require_current, write_json
from omnipipe.laptop.iam.gate import Identity
from omnipipe.laptop.iam.tokens import Tokens
from omnipipe.laptop.ports import DEFAULT_BASE, HOST, Ports
from omnipipe.laptop.processes import Processes, Spec, clean_environment
from omnipipe.laptop.registry import Registry

_REMEMBERED = ("program", "project", "region", "real", "base_port")
BIGQUERY = "bigquery"
GOOGLE = "google"
PUBSUB = "pubsub"
_PUBSUB_AS = f"{PUBSUB}-as-"


class Cloud:
    """One stack on this machine.

    ``program`` is the folder of its Pulumi.yaml, if it has one; ``real`` names the simulators that it does without;
    ``base_port`` is the first of its ports.
    """

    def __init__(
        self,
        home: Home,
        project: str,
        region: str,
        *,
        program: Path | None = None,
        real: Sequence[str] = (),
        base_port: int = DEFAULT_BASE,
    ) -> None:
        self.home = home
        self.project = project
        self.region = region
        self.program = program
        self.real = tuple(real)
        self.base_port = base_port
        self.registry = Registry(self.identity.registry)
        self.processes = Processes(home.directory, home.log_file)
        self.ports = Ports(home.directory / "ports.json", base_port)
        self._bigquery_ready = threading.Event()

    @staticmethod
    def current() -> Cloud:
        """The laptop cloud of the stack that was brought up last, up or not. Raises LaptopError when there is none."""
        return Cloud.open(require_current())

    @staticmethod
    def open(home: Home) -> Cloud:
        """The laptop cloud that an earlier ``up`` made.

        Raises LaptopError when there is none.
        """
        try:
            said = json.loads((home.directory / "stack.json").read_text())
        except FileNotFoundError:
            raise LaptopError("the laptop cloud was never up here: run `omnipipe up`") from None
        if said.keys() != set(_REMEMBERED):
            raise LaptopError(
                f"{home.directory} was made by another version of OmniPipe: take it down with that version, or begin "
                "anew with `omnipipe down --purge`, which removes all data, and `omnipipe up`"
            )
        return Cloud(home, **said | {"program": said["program"] and Path(said["program"])})

    def remember(self) -> None:
        """Write down what ``open`` reads."""
        write_json(self.home.directory / "stack.json", {name: getattr(self, name) for name in _REMEMBERED})

    @cached_property
    def declaration(self) -> Declaration:
        """What is declared beside the program. Raises LaptopError for a file that is wrong."""
        return Declaration.load(self.program) if self.program else Declaration()

    @property
    def identity(self) -> Identity:
        """Where this cloud's grants are, and the key that signs its tokens."""
        return Identity(self.home.directory / "resources.json", self.home.directory / "token-key")

    @cached_property
    def tokens(self) -> Tokens:
        """Who issues this cloud's tokens."""
        return Tokens(self.identity.token_key)

    def as_owner(self) -> dict[str, str]:
        """The header of a request of the person at the keyboard, who deploys."""
        return {"Authorization": f"Bearer {self.tokens.owner()}"}

    @property
    def google(self) -> str:
        """Address of the process that answers for Google's control services."""
        return f"http://{HOST}:{self.ports.of(GOOGLE)}"

    @property
    def bigquery_url(self) -> str:
        """Address of BigQuery's REST API."""
        return f"http://{HOST}:{self.ports.of(BIGQUERY)}"

    @property
    def pubsub_url(self) -> str:
        """Address of Pub/Sub for those who have a token."""
        return f"http://{HOST}:{self.ports.of(PUBSUB)}"

    def pubsub_address(self, account: str) -> str:
        """Address of Pub/Sub for an account, as HOST:PORT. Its clients send no token, so who asks is known by it."""
        return f"{HOST}:{self.ports.of(_PUBSUB_AS + account)}"

    def pubsub_accounts(self) -> dict[int, str | None]:
        """The ports of Pub/Sub, each with the account that it is for; None for those who have a token."""
        ports = {self.ports.of(name): name for name in self.ports.names() if name.startswith(PUBSUB)}
        return {
            port: None if name == PUBSUB else name.removeprefix(_PUBSUB_AS)
            for port, name in ports.items()
            if name == PUBSUB or name.startswith(_PUBSUB_AS)
        }

    def bigquery(self) -> str:
        """Address of BigQuery's REST API, as soon as it answers."""
        if not self._bigquery_ready.is_set():
            self.processes.wait_ready(BIGQUERY, lambda: _answers(f"{self.bigquery_url}/healthz"))
            self._bigquery_ready.set()
        return self.bigquery_url

    def wait_for_google(self) -> None:
        """Wait until Google's control services answer."""
        self.processes.wait_ready(GOOGLE, lambda: _answers(f"{self.google}/healthz"))

    def workload_environment(self, service_account: str, packages: Path) -> dict[str, str]:
        """What a workload finds in its environment before the program's own variables: the way to Google's services.

        ``packages`` is the environment of its requirements.txt. The metadata server knows by its address which
        service account asks.
        """
        metadata = f"{self.google.removeprefix('http://')}/metadata/{service_account}"
        return {
            **clean_environment([packages / "bin"]),
            "HOME": str(self.home.path("scratch")),
            "BIGQUERY_EMULATOR_HOST": self.bigquery_url,
            "DATASTREAM_EMULATOR_HOST": self.google,
            "PUBSUB_EMULATOR_HOST": self.pubsub_address(service_account),
            "GCE_METADATA_HOST": metadata,
            "GCE_METADATA_IP": metadata,
        }

    def start(self, spec: Spec, *, port_name: str) -> None:
        """Have a process running that listens on a port of this cloud; LaptopError when another program has it."""
        if spec.name not in self.processes.running():
            self.processes.stop([spec.name])  # what a killed one left behind may still listen
            self.ports.require_free(port_name)
        self.processes.ensure(spec)

    def run_job(self, job_id: str, environment: Mapping[str, str] | None = None) -> str | None:
        """Run a job through Cloud Run's API and wait for its end: None when it succeeded, else the error's message.

        ``environment`` is added to the job's own.
        """
        self.wait_for_google()
        added = [{"name": name, "value": value} for name, value in (environment or {}).items()]
        body = {"overrides": {"containerOverrides": [{"env": added}]}} if added else {}
        operation = requests.post(f"{self.google}/v2/{job_id}:run", json=body, headers=self.as_owner(), timeout=30)
        operation.raise_for_status()
        body = operation.json()
        while not body.get("done"):
            body = requests.get(f"{self.google}/v2/{body['name']}", headers=self.as_owner(), timeout=60).json()
        return body["error"]["message"] if "error" in body else None


def _answers(url: str) -> bool:
    """Whether something answers there with success."""
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False
