"""What the laptop cloud, and everything else, takes of this machine: Python, git, disk, ports."""

from __future__ import annotations

import platform
import shutil

from omnipipe.laptop import home
from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.ports import DEFAULT_BASE, configured_base, listens
from omnipipe.setup import tools
from omnipipe.setup.checks import Check, Missing

_PORTS = 20  # a stack has about so many
_TOOL_S = 5


def checks() -> list[Check]:
    """All of them."""
    return [
        Check("Python", platform.python_version),
        Check("git", _git),
        Check("disk", _disk),
        Check("ports", _ports),
    ]


def _git() -> str:
    try:
        return tools.run(["git", "--version"], timeout=_TOOL_S).strip()
    except tools.ToolFailed as error:
        raise Missing(f"git: {error}", tools.how_to_get("git")) from error


def _disk() -> str:
    folder = home.home_root()
    there = next(each for each in (folder, *folder.parents) if each.exists())
    free, needed = shutil.disk_usage(there).free, home.NEEDED_DISK_BYTES
    said = f"{free / 1e9:.1f} GB free for {folder}"
    if free < needed:
        what = "free some, or name a folder on another disk with OMNIPIPE_HOME"
        raise Missing(f"{said}, {needed / 1e9:.0f} GB are needed", what)
    return said


def _ports() -> str:
    try:
        base = configured_base() or DEFAULT_BASE
    except LaptopError as error:
        raise Missing(str(error), "unset OMNIPIPE_PORT") from error
    said = f"{base} to {base + _PORTS - 1}"
    if _is_up():
        return f"{said}: the laptop cloud that is up has its own"
    if taken := [port for port in range(base, base + _PORTS) if listens(port)]:
        other = f"stop what listens there, or move all ports: export OMNIPIPE_PORT={base + 1000}"
        raise Missing(f"{said}: in use are {', '.join(map(str, taken))}", other)
    return f"{said} are free"


def _is_up() -> bool:
    try:
        return bool(Cloud.current().processes.running())
    except LaptopError:
        return False
