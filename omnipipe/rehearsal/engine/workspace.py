"""Where a rehearsal takes place: a temporary folder with copies of the program, a home of Pulumi's and its state."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from uv import find_uv_bin

from omnipipe.rehearsal.engine import standins
from omnipipe.rehearsal.engine.endpoints import endpoints
from omnipipe.rehearsal.engine.installed import SDK, CannotRehearse, Installed, plugins_folder

_LEFT_OUT = {".git", ".venv", ".omnipipe", "__pycache__", "node_modules"}
# A setting of Google's provider, or of Google's and Pulumi's tools, would lead a rehearsal away from its own.
_OF_THE_USER = ("GOOGLE_", "GCLOUD_", "CLOUDSDK_", "PULUMI_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


class Workspace:
    """A folder of a rehearsal's own.

    ``program`` is the user's folder, of which copies are made: nothing in it is changed.
    """

    def __init__(self, folder: Path, program: Path, installed: Installed) -> None:
        self._folder, self._program, self._installed = folder, program, installed
        self.home = folder / "home"
        for each in (self.home / "plugins", self._state):
            each.mkdir(parents=True)
        self._link_plugins()
        self._sdk = self._own_sdk()

    @property
    def _state(self) -> Path:
        return self._folder / "state"

    def _link_plugins(self) -> None:
        """What the user has of plugins, the provider that was chosen, and the stand-ins."""
        own, plugins = plugins_folder(), self.home / "plugins"
        for each in own.iterdir() if own.is_dir() else ():
            if each.is_dir() and not each.name.startswith("resource-gcp-"):
                (plugins / each.name).symlink_to(each)
        chosen = plugins / f"resource-gcp-v{self._installed.provider}"
        chosen.mkdir()
        (chosen / self._installed.plugin.name).symlink_to(self._installed.plugin)
        standins.install(plugins, sys.executable)

    def _own_sdk(self) -> Path | None:
        """A folder with the SDK of the provider's version, where the environment has another.

        Kept in the environment for the next rehearsal. Raises CannotRehearse if it cannot be had.
        """
        version = self._installed.provider
        if self._installed.sdk == version:
            return None
        folder = Path(sys.prefix) / "sdk" / f"{SDK}-{version}"
        if not folder.is_dir():
            half = folder.with_name(f"{folder.name}.part")
            shutil.rmtree(half, ignore_errors=True)
            install = [
                find_uv_bin(),
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--compile-bytecode",
                "--target",
                str(half),
            ]
            done = subprocess.run(
                [*install, "--python", sys.executable, f"{SDK}=={version}"], capture_output=True, text=True
            )
            if done.returncode:
                raise CannotRehearse(
                    f"{SDK} {version}, the SDK of the provider, cannot be had: {done.stderr.strip()}"
                )
            half.rename(folder)
        return folder

    def checkout(self, name: str, stack_file: Path | None = None) -> Path:
        """A copy of the program in a folder of that name, as another clone would be; ``stack_file`` replaces its own.

        Only what git knows or would take is copied, if the program is in git, and without the files' times, which no
        clone has.
        """
        target = self._folder / name / self._program.name
        for relative in _files(self._program):
            (target / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self._program / relative, target / relative, follow_symlinks=False)
        if stack_file is not None:
            shutil.copy2(stack_file, target / stack_file.name)
        runtime = _project(target).get("runtime")
        options = runtime.get("options", {}) if isinstance(runtime, Mapping) else {}
        if named := options.get("virtualenv"):
            environment = target / named
            environment.parent.mkdir(parents=True, exist_ok=True)
            environment.symlink_to(sys.prefix)
        return target

    def environment(self, address: str, checkout: Path) -> dict[str, str]:
        """The variables that the engine runs with: for a control plane at an address and a copy of the program."""
        own = {key: value for key, value in os.environ.items() if not key.upper().startswith(_OF_THE_USER)}
        path = [str(checkout), *([str(self._sdk)] if self._sdk else [])]
        return {
            **own,
            **endpoints(address),
            "GOOGLE_OAUTH_ACCESS_TOKEN": "rehearsal",
            "HTTPS_PROXY": address,
            "HTTP_PROXY": address,
            "NO_PROXY": "127.0.0.1,localhost",
            "PULUMI_HOME": str(self.home),
            "PULUMI_BACKEND_URL": self._state.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "rehearsal",
            "PULUMI_GCP_SKIP_REGION_VALIDATION": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PATH": os.pathsep.join([f"{sys.prefix}/bin", str(self._installed.cli.parent), own.get("PATH", "")]),
            "PYTHONPATH": os.pathsep.join(path),
        }


def _project(folder: Path) -> dict[str, Any]:
    return yaml.safe_load((folder / "Pulumi.yaml").read_text())


def _files(program: Path) -> list[Path]:
    """The files of a program, relative to its folder."""
    known = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=program,
        capture_output=True,
        text=True,
    )
    if known.returncode == 0 and known.stdout:
        found = [Path(name) for name in known.stdout.split("\0") if name]
    else:
        found = [path.relative_to(program) for path in program.rglob("*")]
    return [path for path in found if (program / path).is_file() and not set(path.parts) & _LEFT_OUT]
