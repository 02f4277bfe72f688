"""What a rehearsal needs of the user's machine: the Pulumi CLI and the Google provider, and which versions they are."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

SDK = "pulumi-gcp"
_PROVIDER = "pulumi-resource-gcp"
_FOLDER = re.compile(r"resource-gcp-v(.+)")


class CannotRehearse(Exception):
    """What keeps a rehearsal from beginning; its text says what to do."""


@dataclass(frozen=True)
class Installed:
    """The CLI, the provider and the program's SDK.

    ``sdk`` is the version of pulumi-gcp in this environment, ``provider`` the one of the plugin; where they differ, the
    program runs with the SDK of the provider's version.
    """

    cli: Path
    cli_version: Version
    plugin: Path
    provider: Version
    sdk: Version

    @property
    def line(self) -> str:
        """The three versions, in a line."""
        sdk = f"{SDK} {self.provider}"
        if self.sdk != self.provider:
            sdk += f" (in place of {self.sdk}, which has no provider here)"
        return f"Pulumi {self.cli_version}, Google provider {self.provider}, SDK {sdk}"


def plugins_folder() -> Path:
    """Where Pulumi keeps the user's plugins: https://www.pulumi.com/docs/iac/cli/environment-variables/."""
    return Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "plugins"


def find(program: Path) -> Installed:
    """The versions that a program in a folder is rehearsed with.

    The provider is that of the SDK's version if the user has it, else the newest that the program's requirements allow.
    Raises CannotRehearse if the CLI or the provider is missing, or only there in versions out of these bounds.
    """
    sdk = Version(metadata.version(SDK))
    cli = shutil.which("pulumi")
    if cli is None:
        raise CannotRehearse("pulumi is not on PATH: curl -fsSL https://get.pulumi.com | sh")
    get = f"pulumi plugin install resource gcp v{sdk}"
    known = _plugins()
    if not known:
        raise CannotRehearse(f"the Google provider is not in {plugins_folder()} and not on PATH: {get}")
    bounds = _bounds(program)
    allowed = [version for version in known if version in bounds]
    if not allowed:
        there = ", ".join(map(str, sorted(known)))
        raise CannotRehearse(
            f"the Google provider is here in version {there}, and the program takes {SDK}{bounds}: {get}"
        )
    version = sdk if sdk in allowed else max(allowed)
    return Installed(Path(cli), Version(_asked(cli, "version")), known[version], version, sdk)


def _plugins() -> dict[Version, Path]:
    """The Google providers that are here, in the user's folder and on PATH; the folder's win."""
    found: dict[Version, Path] = {}
    if on_path := shutil.which(_PROVIDER):
        found[Version(_asked(on_path, "-version"))] = Path(on_path)
    folder = plugins_folder()
    for each in folder.iterdir() if folder.is_dir() else ():
        named = _FOLDER.fullmatch(each.name)
        if named and (each / _PROVIDER).is_file():
            try:
                found[Version(named[1])] = each / _PROVIDER
            except InvalidVersion:
                continue  # somebody's own build, which no SDK belongs to
    return found


def _asked(tool: str, question: str) -> str:
    try:
        told = subprocess.run(
            [tool, question],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
        ).stdout.strip()
        return str(Version(told))
    except (OSError, subprocess.SubprocessError, InvalidVersion) as error:
        raise CannotRehearse(f"{tool} {question} does not tell its version: {error}") from error


def _bounds(program: Path) -> SpecifierSet:
    """The versions of the SDK that a program asks for, in pyproject.toml or requirements.txt."""
    lines: list[str] = []
    if (file := program / "pyproject.toml").is_file():
        lines += tomllib.loads(file.read_text()).get("project", {}).get("dependencies", [])
    if (file := program / "requirements.txt").is_file():
        lines += [line for line in file.read_text().splitlines() if re.match(r"\w", line)]
    named = re.compile(rf"{SDK}\b", re.IGNORECASE)
    asked = [Requirement(line.partition("#")[0].strip()) for line in lines if named.match(line.replace("_", "-"))]
    bounds = SpecifierSet()
    for each in asked:
        bounds &= each.specifier
    return bounds
