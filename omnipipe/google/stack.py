"""A stack at Google: where it is, what the commands mean in it, and how its project is asked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from google.auth.credentials import Credentials
from google.cloud import bigquery

from omnipipe.google import api
from omnipipe.google.api import Api
from omnipipe.laptop.declaration import Declaration
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.project import Project


@dataclass(frozen=True)
class Stack:
    """A stack that `pulumi up` has deployed: its names are those that the program gives, its place its settings'."""

    name: str
    project: str
    region: str
    declaration: Declaration
    credentials: Credentials

    @staticmethod
    def load(program: Path, name: str) -> Stack:
        """The stack of a program by its settings, with this machine's credentials; nothing is asked yet.

        Raises LaptopError for a stack without a file or a place, and without credentials.
        """
        config = Project.load(program, name).config
        for key in ("gcp:project", "gcp:region"):
            if not config.get(key):
                raise LaptopError(f"Pulumi.{name}.yaml does not set {key}")
        given = api.credentials()
        if given is None:
            raise LaptopError(f"there are no credentials for Google on this machine: {api.LOGIN}")
        return Stack(name, config["gcp:project"], config["gcp:region"], Declaration.load(program), given)

    @property
    def place(self) -> str:
        """What begins the names of what is in its region."""
        return f"projects/{self.project}/locations/{self.region}"

    @cached_property
    def api(self) -> Api:
        """Google's APIs."""
        return Api(self.credentials, api.ENDPOINT)

    @cached_property
    def bigquery(self) -> bigquery.Client:
        """BigQuery. It finds the location of a query by the datasets that it names."""
        address = api.ENDPOINT.format(host="bigquery")
        return bigquery.Client(
            self.project, credentials=self.credentials, client_options={"api_endpoint": address}
        )
