"""The only addresses that the laptop replaces."""

import time
from pathlib import Path

import pytest
import requests

from omnipipe.laptop import outside_world
from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.deployment import Deployment
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.home import PROJECT_ROOT
from omnipipe.laptop.project import Project
from tests.laptop.conftest import PROJECT

SECRET = {"secret": f"projects/{PROJECT}/secrets/webhook-secret", "secretData": "whsec_" + "c2VjcmV0" * 4}


@pytest.fixture
def cloud(cloud: Cloud) -> Cloud:
    """A cloud of this project's own program."""
    return of(cloud, PROJECT_ROOT)


def of(cloud: Cloud, program: Path, *real: str) -> Cloud:
    return Cloud(cloud.home, PROJECT, "europe-west1", program=program, real=real, base_port=cloud.base_port)


def declare(folder: Path, text: str) -> Path:
    (folder / "laptop.yaml").write_text(text)
    return folder


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_three_settings_are_replaced_and_all_are_the_stacks_own(cloud: Cloud, stack: str) -> None:
    replaced = outside_world.replaced(cloud)
    configured = Project.load(PROJECT_ROOT, stack).config

    # The simulators are on this machine, so that must be allowed; it is what no stack allows by itself.
    assert replaced.pop("omnipipe:webhookAllowPrivate") == "true"
    assert configured["omnipipe:webhookAllowPrivate"] == "false"
    assert set(replaced) == {"omnipipe:weatherApiUrl", "omnipipe:webhookUrl"}
    assert all(url.startswith("http://127.0.0.1:") for url in replaced.values())
    assert all(configured[setting].startswith("https://") for setting in replaced)


def test_an_original_that_is_asked_keeps_its_address(cloud: Cloud) -> None:
    replaced = outside_world.replaced(of(cloud, PROJECT_ROOT, "weather-api"))
    assert set(replaced) == {"omnipipe:webhookUrl", "omnipipe:webhookAllowPrivate"}


def test_an_original_of_no_simulator_is_refused_with_those_that_there_are(cloud: Cloud) -> None:
    with pytest.raises(LaptopError, match="no simulator moon: choose one of weather-api, webhook"):
        outside_world.simulators(of(cloud, PROJECT_ROOT, "moon"))


def test_a_program_that_declares_nothing_replaces_nothing(cloud: Cloud, tmp_path: Path) -> None:
    foreign = of(cloud, tmp_path)
    outside_world.start(foreign)
    assert (outside_world.replaced(foreign), foreign.processes.running()) == ({}, {})
    with pytest.raises(LaptopError, match="no simulator moon: the program declares none"):
        outside_world.simulators(of(cloud, tmp_path, "moon"))


def test_the_simulators_run_until_the_original_is_asked_for(cloud: Cloud) -> None:
    register_secret(cloud)
    outside_world.start(cloud)
    assert requests.get(outside_world.replaced(cloud)["omnipipe:weatherApiUrl"], timeout=5).status_code < 500

    outside_world.start(of(cloud, PROJECT_ROOT, "weather-api"))

    assert set(cloud.processes.running()) == {"webhook"}


def test_the_webhook_gets_the_secret_of_secret_manager_in_a_file_of_its_owners(cloud: Cloud) -> None:
    with pytest.raises(LaptopError, match="'webhook-secret'"):
        outside_world.start(cloud)
    register_secret(cloud)

    outside_world.start(cloud)

    url = outside_world.replaced(cloud)["omnipipe:webhookUrl"]
    file = cloud.home.directory / "simulators" / "webhook" / "secret-webhook-secret"
    assert (file.read_text(), file.stat().st_mode & 0o777) == (SECRET["secretData"], 0o600)
    assert requests.post(url, json={"type": "test"}, timeout=5).status_code in (400, 401)  # it is not signed
    command = " ".join(cloud.processes.running()["webhook"].cmdline())
    assert SECRET["secretData"] not in command


def test_another_secret_starts_its_simulator_anew(cloud: Cloud) -> None:
    register_secret(cloud)
    outside_world.start(cloud)
    before = {name: process.pid for name, process in cloud.processes.running().items()}

    register_secret(cloud, SECRET | {"secretData": "whsec_" + "b3RoZXIh" * 4})
    outside_world.start(cloud)

    after = {name: process.pid for name, process in cloud.processes.running().items()}
    assert [name for name in before if before[name] != after[name]] == ["webhook"]


def test_a_template_that_names_something_else_is_told(cloud: Cloud, tmp_path: Path) -> None:
    declare(tmp_path, "simulators: {mail: {command: ['{python}'], settings: {'shop:mail': '{adress}'}}}")
    with pytest.raises(
        LaptopError, match=r"laptop.yaml: simulators: mail: '\{adress\}' may name \{port\}, \{address\}"
    ):
        outside_world.replaced(of(cloud, tmp_path))


def test_a_simulator_that_ends_at_once_is_told_with_its_last_words(cloud: Cloud, tmp_path: Path) -> None:
    declare(
        tmp_path, "simulators: {mail: {command: ['{python}', -c, 'raise SystemExit(\"no mail\")'], settings: {}}}"
    )
    began = time.monotonic()
    with pytest.raises(LaptopError, match="mail ended as soon as it was started: no mail"):
        outside_world.start(of(cloud, tmp_path))
    assert time.monotonic() - began < 20


def register_secret(cloud: Cloud, secret: dict[str, str] = SECRET) -> None:
    Deployment(cloud).register("gcp:secretmanager/secretVersion:SecretVersion", "version", secret, False)
