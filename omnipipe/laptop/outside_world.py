"""The outside world: the only addresses that the laptop replaces, and the simulators that stand in for them."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.home import write_text
from omnipipe.laptop.ports import HOST
from omnipipe.laptop.processes import Spec, clean_environment
from omnipipe.laptop.services.secretmanager import resources as secretmanager

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud

WEATHER_API = "weather-api"
WEBHOOK = "webhook"


@dataclass(frozen=True)
class Replacement:
    """A setting of the stack whose address is replaced: by which simulator, and at which path of it."""

    setting: str
    simulator: str
    path: str = ""


REPLACEMENTS = (
    Replacement("omnipipe:weatherApiUrl", WEATHER_API),
    Replacement("omnipipe:webhookUrl", WEBHOOK, "/webhook"),
)
# The receiver's simulator is on this machine, where the stack would not send to.
_ALLOWED_HERE = {"omnipipe:webhookAllowPrivate": "true"}


def replaced(cloud: Cloud) -> dict[str, str]:
    """The settings that are replaced for a cloud: the simulators' addresses, and that they may be of this machine."""
    addresses = {
        replacement.setting: f"http://{HOST}:{cloud.ports.of(replacement.simulator)}{replacement.path}"
        for replacement in REPLACEMENTS
        if replacement.simulator in simulators(cloud)
    }
    return addresses | _ALLOWED_HERE


def received(cloud: Cloud, last: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the webhook's receiver counts, and its newest messages, the oldest of them first, with parsed bodies.

    Raises LaptopError when it does not answer.
    """
    url = f"http://{HOST}:{cloud.ports.of(WEBHOOK)}/received"
    try:
        summary = requests.get(url, timeout=5).json()
        newest = (summary["latest"] or {}).get("number", 0)
        found: list[dict[str, Any]] = []
        while page := requests.get(
            f"{url}/messages", {"after": found[-1]["number"] if found else max(0, newest - last)}, timeout=5
        ).json()["messages"]:
            found += page
    except requests.RequestException as error:
        raise LaptopError(f"the webhook's receiver does not answer ({error}): run `omnipipe up`") from error
    return summary, [message | {"body": json.loads(message["body"])} for message in found[-last:]]


def simulators(cloud: Cloud) -> list[str]:
    """The simulators that run for a cloud."""
    return [WEBHOOK] if cloud.real_weather else [WEATHER_API, WEBHOOK]


def start_weather_api(cloud: Cloud) -> None:
    """Start the simulator of the weather API, or stop it when the real one is asked."""
    if WEATHER_API not in simulators(cloud):
        cloud.processes.stop([WEATHER_API])
        return
    port = cloud.ports.of(WEATHER_API)
    argv = [sys.executable, "-m", "seed.weather_api", "--port", str(port)]
    cloud.start(Spec(WEATHER_API, argv, clean_environment()), port_name=WEATHER_API)


def start_webhook(cloud: Cloud) -> None:
    """Start the receiver. It was told the secret beforehand, as a real one would be by its owner."""
    folder = cloud.home.path("webhook")
    secret = folder / "secret"
    write_text(secret, secretmanager.read(cloud, "webhook-secret", "latest"), mode=0o600)
    argv = [sys.executable, "-m", "seed.webhook", "--port", str(cloud.ports.of(WEBHOOK))]
    argv += ["--secret-file", str(secret), "--data-dir", str(folder)]
    cloud.start(Spec(WEBHOOK, argv, clean_environment(), version=secret.read_text()), port_name=WEBHOOK)
