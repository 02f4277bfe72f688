"""The only addresses that the laptop replaces."""

import pytest
import requests

from omnipipe.laptop import outside_world
from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.deployment import Deployment
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.home import PROJECT_ROOT
from omnipipe.laptop.project import Project
from tests.laptop.conftest import PROJECT
from tests.support.ports import free_ports

SECRET = {"secret": f"projects/{PROJECT}/secrets/webhook-secret", "secretData": "whsec_" + "c2VjcmV0" * 4}


def cloud_of(cloud: Cloud, *, real_weather: bool) -> Cloud:
    return Cloud(cloud.home, PROJECT, "europe-west1", real_weather=real_weather, base_port=free_ports(20))


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


def test_the_real_weather_is_left_alone(cloud: Cloud) -> None:
    replaced = outside_world.replaced(cloud_of(cloud, real_weather=True))
    assert set(replaced) == {"omnipipe:webhookUrl", "omnipipe:webhookAllowPrivate"}


def test_the_weather_simulator_runs_until_the_real_weather_is_asked_for(cloud: Cloud) -> None:
    outside_world.start_weather_api(cloud)
    url = outside_world.replaced(cloud)["omnipipe:weatherApiUrl"]
    cloud.processes.wait_ready(outside_world.WEATHER_API, lambda: _answers(url))

    outside_world.start_weather_api(cloud_of(cloud, real_weather=True))

    assert outside_world.WEATHER_API not in cloud.processes.running()


def test_the_webhook_gets_the_secret_of_secret_manager_in_a_file_of_its_owners(cloud: Cloud) -> None:
    with pytest.raises(LaptopError, match="'webhook-secret'"):
        outside_world.start_webhook(cloud)
    Deployment(cloud).register("gcp:secretmanager/secretVersion:SecretVersion", "version", SECRET, False)

    outside_world.start_webhook(cloud)

    url = outside_world.replaced(cloud)["omnipipe:webhookUrl"]
    cloud.processes.wait_ready(outside_world.WEBHOOK, lambda: _answers(url))
    file = cloud.home.directory / "webhook" / "secret"
    assert (file.read_text(), file.stat().st_mode & 0o777) == (SECRET["secretData"], 0o600)
    assert requests.post(url, json={"type": "test"}, timeout=5).status_code in (400, 401)  # it is not signed
    command = " ".join(cloud.processes.running()[outside_world.WEBHOOK].cmdline())
    assert SECRET["secretData"] not in command


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).status_code < 500
    except requests.RequestException:
        return False
