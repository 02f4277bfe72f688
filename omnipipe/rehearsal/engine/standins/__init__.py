"""Providers beside Google's, answered here: what they make is no matter of Google's control plane."""

from importlib import metadata
from pathlib import Path

from omnipipe.rehearsal.engine.standins.docker_build import DockerBuild
from omnipipe.rehearsal.engine.standins.random import Random
from omnipipe.rehearsal.engine.standins.values import Values

# By the plugin's name.
STANDINS: dict[str, Values] = {"docker-build": DockerBuild(), "random": Random()}


def install(plugins: Path, python: str) -> None:
    """Put a stand-in of each, in the version of its SDK, where the engine looks for plugins."""
    for name, values in STANDINS.items():
        try:
            version = metadata.version(values.package)
        except metadata.PackageNotFoundError:
            continue  # no program of this environment can ask for it
        folder = plugins / f"resource-{name}-v{version}"
        folder.unlink(missing_ok=True)  # the link to the user's own
        folder.mkdir(parents=True)
        start = folder / f"pulumi-resource-{name}"
        start.write_text(f'#!/bin/sh\nexec "{python}" -m {__name__}.serve {name} "$@"\n')
        start.chmod(0o755)
