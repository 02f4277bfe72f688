"""What `pulumi up` takes of this machine: Pulumi with its plugins, Docker, the commands of Google and GitHub."""

from __future__ import annotations

import json
import os
import shutil
from importlib import metadata
from pathlib import Path

from packaging.version import Version

from omnipipe.rehearsal.engine import installed
from omnipipe.setup import tools
from omnipipe.setup.checks import Check, Missing

# What the plugin of an SDK is called; that of Google's is looked for with the CLI.
_PLUGINS = {"random": "pulumi-random", "docker-build": "pulumi-docker-build"}
_TOOL_S = 10


def checks(root: Path, region: str) -> list[Check]:
    """All of them, for the project in ``root`` and images in a region."""
    return [
        Check("Pulumi", lambda: _pulumi(root)),
        *(Check(f"plugin {name}", lambda name=name: _plugin(name)) for name in _PLUGINS),
        Check("Docker", _docker),
        Check("Docker's login", lambda: _docker_login(f"{region}-docker.pkg.dev")),
        Check("gcloud", lambda: _on_path("gcloud")),
        Check("gh", lambda: _on_path("gh")),
    ]


def _pulumi(root: Path) -> str:
    """An older CLI leaves out options of a newer SDK, in silence: they are released together."""
    sdk = Version(metadata.version("pulumi"))
    try:
        here = installed.find(root)
    except installed.CannotRehearse as error:
        what, _, get = str(error).rpartition(": ")
        raise Missing(what, get) from error
    if here.cli_version < sdk:
        raise Missing(f"Pulumi {here.cli_version} is older than the SDK, {sdk}", tools.how_to_get("pulumi"))
    return here.line


def _plugin(name: str) -> str:
    version = metadata.version(_PLUGINS[name])
    folder = installed.plugins_folder() / f"resource-{name}-v{version}"
    if not folder.is_dir() and shutil.which(f"pulumi-resource-{name}") is None:
        raise Missing(f"{version} is not in {folder.parent}", f"pulumi plugin install resource {name} v{version}")
    return version


def _docker() -> str:
    _on_path("docker")
    try:
        return tools.run(["docker", "version", "--format", "{{.Server.Version}}"], timeout=_TOOL_S).strip()
    except tools.ToolFailed as error:
        raise Missing(
            f"it does not answer: {error}", "start Docker, or let DOCKER_HOST name where it runs"
        ) from error


def _docker_login(registry: str) -> str:
    """https://cloud.google.com/artifact-registry/docs/docker/authentication#gcloud-helper"""
    file = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    try:
        helpers = json.loads(file.read_text()).get("credHelpers", {})
    except (OSError, ValueError):
        helpers = {}
    if registry not in helpers:
        raise Missing(f"{file} does not know {registry}", f"gcloud auth configure-docker {registry}")
    return f"{registry} by {helpers[registry]}"


def _on_path(tool: str) -> str:
    where = shutil.which(tool)
    if where is None:
        raise Missing("it is not on PATH", tools.how_to_get(tool))
    return where
