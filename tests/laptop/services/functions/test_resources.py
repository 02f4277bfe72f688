"""A function is its zip, served by functions-framework with its own packages."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from omnipipe.laptop import server
from omnipipe.laptop.cloud import GOOGLE, Cloud
from omnipipe.laptop.deployment import Deployment
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.home import PROJECT_ROOT
from tests.laptop.conftest import PROJECT, grant, serving

pytestmark = pytest.mark.servers

CALLER = f"daily@{PROJECT}.iam.gserviceaccount.com"
SERVICE_GRANT = "gcp:cloudrunv2/serviceIamMember:ServiceIamMember"
SECRET_GRANT = "gcp:secretmanager/secretIamMember:SecretIamMember"
EMAIL = f"hello-function@{PROJECT}.iam.gserviceaccount.com"
# An environment that is there already; what matters here is that it has functions-framework and not ours.
REQUIREMENTS = PROJECT_ROOT / "functions" / "weather" / "requirements.txt"
MAIN = """
import os, sys
import functions_framework

@functions_framework.http
def hello(request):
    return {"env": dict(os.environ), "prefix": sys.prefix, "cwd": os.getcwd(), "words": "WORDS"}
"""


class Hello:
    """A function whose source and configuration a test may change."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.cloud = cloud
        self._folder = folder
        self.service: dict[str, Any] = {
            "serviceAccountEmail": EMAIL,
            "environmentVariables": {"GREETING": "hello"},
            "secretEnvironmentVariables": [],
        }
        self.build: dict[str, Any] = {"runtime": "python312", "entryPoint": "hello"}

    def deploy(self, main: str = MAIN, requirements: str = REQUIREMENTS.read_text()) -> str:
        """Zip, upload and register it; its address."""
        archive = self._folder / f"hello-{abs(hash((main, requirements)))}.zip"
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("main.py", main)
            file.writestr("requirements.txt", requirements)
        name = f"functions/{archive.name}"
        Deployment(self.cloud).register("gcp:storage/bucket:Bucket", "sources", {"name": "sources"}, False)
        uploaded = {"bucket": "sources", "name": name, "source": str(archive)}
        Deployment(self.cloud).register("gcp:storage/bucketObject:BucketObject", "source", uploaded, False)
        inputs = {
            "name": "hello",
            "buildConfig": self.build | {"source": {"storageSource": {"bucket": "sources", "object": name}}},
            "serviceConfig": self.service,
        }
        function = "gcp:cloudfunctionsv2/function:Function"
        made = Deployment(self.cloud).register(function, "hello-function", inputs, False)[1]
        return made["serviceConfig"]["uri"]

    def call(self, url: str, **arguments: Any) -> requests.Response:
        """Call it as an account that may."""
        grant(self.cloud, SERVICE_GRANT, "roles/run.invoker", CALLER, location="europe-west1", name="hello")
        return self.call_as(CALLER, url, **arguments)

    def call_as(self, email: str, url: str, audience: str = "", **arguments: Any) -> requests.Response:
        """Call it with an identity token of an account, for its address unless for another audience."""
        token = self.cloud.tokens.issue(email, audience or url)
        headers = {"Authorization": f"Bearer {token}"}
        return requests.post(url, json={}, headers=headers, timeout=30, **arguments)

    @property
    def pid(self) -> int:
        return self.cloud.processes.running()["hello"].pid


@pytest.fixture
def hello(cloud: Cloud, tmp_path: Path) -> Iterator[Hello]:
    with serving(server.application(cloud, server.apis(cloud)), cloud.ports.of(GOOGLE)):
        yield Hello(cloud, tmp_path)


def test_it_serves_its_zip_with_its_own_environment_packages_and_account(
    hello: Hello, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/home/me/key.json")
    secret = {"secret": f"projects/{PROJECT}/secrets/password", "secretData": "s3cret"}
    Deployment(hello.cloud).register("gcp:secretmanager/secretVersion:SecretVersion", "version", secret, False)
    hello.service["secretEnvironmentVariables"] = [{"key": "PASSWORD", "secret": "password", "version": "1"}]
    grant(hello.cloud, SECRET_GRANT, "roles/secretmanager.secretAccessor", EMAIL, secretId="password")

    said = hello.call(hello.deploy()).json()

    env = said["env"]
    assert (env["GREETING"], env["PASSWORD"]) == ("hello", "s3cret")
    assert (env["K_SERVICE"], env["FUNCTION_TARGET"]) == ("hello", "hello")
    assert env["GCE_METADATA_HOST"].endswith(f"/metadata/{EMAIL}")
    assert env["BIGQUERY_EMULATOR_HOST"] == hello.cloud.bigquery_url
    assert not env.keys() & {"GOOGLE_APPLICATION_CREDENTIALS", "VIRTUAL_ENV", "PYTHONPATH", "USER"}
    assert "/workloads/" in said["prefix"]
    assert said["cwd"].startswith(str(hello.cloud.home.directory / "functions"))


def test_an_ingress_that_needs_a_load_balancer_is_refused_by_name(hello: Hello) -> None:
    hello.service["ingressSettings"] = "ALLOW_INTERNAL_AND_GCLB"
    with pytest.raises(LaptopError, match="no load balancer for ALLOW_INTERNAL_AND_GCLB: choose ALLOW_ALL or"):
        hello.deploy()


def test_only_a_change_starts_it_anew_at_the_same_address(hello: Hello) -> None:
    url, pid = hello.deploy(), hello.pid
    assert (hello.deploy(), hello.pid) == (url, pid)

    assert hello.deploy(MAIN.replace("WORDS", "other words")) == url
    assert hello.pid != pid
    assert hello.call(url).json()["words"] == "other words"

    pid = hello.pid
    hello.service["environmentVariables"] = {"GREETING": "good evening"}
    hello.deploy(MAIN.replace("WORDS", "other words"))
    assert hello.pid != pid


def test_it_is_stopped_when_the_program_leaves_it_out(hello: Hello) -> None:
    hello.deploy()
    Deployment(Cloud(hello.cloud.home, PROJECT, "europe-west1")).take_down_unregistered()
    assert "hello" not in hello.cloud.processes.running()


@pytest.mark.parametrize(
    ("main", "complaint"),
    [
        ("import pandas\n", "No module named 'pandas'"),
        ("import pulumi\n", "No module named 'pulumi'"),  # ours is not its own
        ("def other(request): return ''\n", "hello"),
        ("def hello(request:\n", "SyntaxError|was never closed"),
    ],
    ids=["missing package", "a package of ours", "missing entry point", "no Python"],
)
def test_one_that_cannot_start_is_told_with_the_cause(hello: Hello, main: str, complaint: str) -> None:
    with pytest.raises(LaptopError, match=rf"Function hello-function: hello ended .*({complaint}).*omnipipe logs"):
        hello.deploy(main)


def test_what_google_would_refuse_is_refused(hello: Hello) -> None:
    hello.service["secretEnvironmentVariables"] = [{"key": "PASSWORD", "secret": "password", "version": "9"}]
    with pytest.raises(
        LaptopError, match=r"Permission denied on secret: .*/secrets/password/versions/9 for Revision"
    ):
        hello.deploy()

    grant(hello.cloud, SECRET_GRANT, "roles/secretmanager.secretAccessor", EMAIL, secretId="password")
    with pytest.raises(LaptopError, match="no version 9 of the secret 'password'"):
        hello.deploy()

    hello.service["secretEnvironmentVariables"] = []
    hello.build["runtime"] = "nodejs22"
    with pytest.raises(LaptopError, match="hello wants nodejs22: the laptop runs Python functions only"):
        hello.deploy()
    assert hello.cloud.processes.running() == {}


def test_packages_that_cannot_be_installed_are_told(hello: Hello) -> None:
    with pytest.raises(LaptopError, match=r"the packages of .*requirements\.txt cannot be installed"):
        hello.deploy(requirements="not a requirement !\n")


BUILDER = f"builder@{PROJECT}.iam.gserviceaccount.com"
REPOSITORY = f"projects/{PROJECT}/locations/europe-west1/repositories/images"
BUILD_GRANTS: dict[str, dict[str, Any]] = {
    "read the source": {
        "type_": "gcp:storage/bucketIAMMember:BucketIAMMember",
        "role": "roles/storage.objectViewer",
        "bucket": "sources",
    },
    "read the copy": {
        "type_": "gcp:projects/iAMMember:IAMMember",
        "role": "roles/storage.objectViewer",
        "condition": {"expression": 'resource.name.startsWith("projects/_/buckets/gcf-v2-sources-")'},
    },
    "write the log": {"type_": "gcp:projects/iAMMember:IAMMember", "role": "roles/logging.logWriter"},
    "push the image": {
        "type_": "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember",
        "role": "roles/artifactregistry.writer",
        "location": "europe-west1",
        "repository": "images",
    },
}


@pytest.mark.parametrize(
    ("missing", "permission"),
    [
        ("read the source", "'storage.objects.get' on 'projects/_/buckets/sources'"),
        ("read the copy", "'storage.objects.get' on 'projects/_/buckets/gcf-v2-sources-"),
        ("write the log", f"'logging.logEntries.create' on 'projects/{PROJECT}'"),
        ("push the image", f"'artifactregistry.repositories.uploadArtifacts' on '{REPOSITORY}'"),
    ],
)
def test_a_build_needs_each_grant_of_its_own_account(hello: Hello, missing: str, permission: str) -> None:
    hello.build |= {
        "serviceAccount": f"projects/{PROJECT}/serviceAccounts/{BUILDER}",
        "dockerRepository": REPOSITORY,
    }
    for name, given in BUILD_GRANTS.items():
        if name != missing:
            grant(hello.cloud, member=BUILDER, **given)

    with pytest.raises(LaptopError, match=f"{BUILDER} does not have permission {re.escape(permission)}"):
        hello.deploy()

    grant(hello.cloud, member=BUILDER, **BUILD_GRANTS[missing])
    assert hello.call(hello.deploy()).status_code == 200
