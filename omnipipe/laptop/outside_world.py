"""The outside world: the only addresses that the laptop replaces, and the simulators that stand in for them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omnipipe.laptop.declaration import FILE
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.home import write_text
from omnipipe.laptop.ports import HOST, listens
from omnipipe.laptop.processes import Spec, clean_environment
from omnipipe.laptop.services.secretmanager import resources as secretmanager

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.declaration import Simulator


def simulators(cloud: Cloud) -> list[Simulator]:
    """The simulators that run for a cloud: all that are declared, less those whose original is asked.

    Raises LaptopError for an original of a name that no simulator has.
    """
    declared = cloud.declaration.simulators
    if unknown := set(cloud.real) - declared.keys():
        known = f"choose one of {', '.join(declared)}" if declared else "the program declares none"
        raise LaptopError(f"there is no simulator {', '.join(sorted(unknown))}: {known}")
    return [simulator for name, simulator in declared.items() if name not in cloud.real]


def replaced(cloud: Cloud) -> dict[str, str]:
    """The stack's settings that are replaced, with their values here. Raises LaptopError as ``simulators``."""
    return {
        setting: _filled(simulator, value, _place(cloud, simulator))
        for simulator in simulators(cloud)
        for setting, value in simulator.settings.items()
    }


def address(cloud: Cloud, name: str) -> str:
    """Where a simulator is reached."""
    return f"http://{HOST}:{cloud.ports.of(name)}"


def start(cloud: Cloud) -> None:
    """Start the simulators, or leave them running as they are; stop those that are no longer wanted.

    Raises LaptopError for one that does not start, and for a secret that the program does not make.
    """
    wanted = simulators(cloud)
    earlier = {folder.name for folder in cloud.home.path("simulators").iterdir()}
    cloud.processes.stop(sorted(earlier - {simulator.name for simulator in wanted}))
    for simulator in wanted:
        folder = cloud.home.path("simulators", simulator.name)
        secrets = _Secrets(cloud, folder)
        words = _place(cloud, simulator) | {"python": sys.executable, "folder": folder, "secrets": secrets}
        argv = [_filled(simulator, part, words) for part in simulator.command]
        spec = Spec(simulator.name, argv, clean_environment(), cwd=cloud.program, version=repr(secrets.given))
        cloud.start(spec, port_name=simulator.name)
    for simulator in wanted:
        port = cloud.ports.of(simulator.name)
        cloud.processes.wait_ready(simulator.name, lambda port=port: listens(port))


class _Secrets:
    """Files with the newest versions of the program's secrets, each written when a command names it."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self._cloud = cloud
        self._folder = folder
        self.given: dict[str, str] = {}

    def __getitem__(self, name: str) -> Path:
        self.given[name] = secretmanager.read(self._cloud, name, "latest")
        file = self._folder / f"secret-{name}"
        write_text(file, self.given[name], mode=0o600)
        return file


def _place(cloud: Cloud, simulator: Simulator) -> dict[str, Any]:
    return {"port": cloud.ports.of(simulator.name), "address": address(cloud, simulator.name)}


def _filled(simulator: Simulator, template: str, words: dict[str, Any]) -> str:
    try:
        return template.format_map(words)
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise LaptopError(
            f"{FILE}: simulators: {simulator.name}: {template!r} may name {{{'}, {'.join(words)}}}, and no other"
        ) from error
