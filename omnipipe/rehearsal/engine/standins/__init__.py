"""Providers beside Google's, answered here: what they make is no matter of Google's control plane.

Each is a program that the engine starts as a plugin, ``python -m omnipipe.rehearsal.engine.standins.NAME``.
"""

from importlib import metadata
from pathlib import Path

# The plugin's name -> the package on the index that has its SDK.
STANDINS = {"docker-build": "pulumi-docker-build", "random": "pulumi-random"}


def install(plugins: Path, python: str) -> None:
    """Put a stand-in of each, in the version of its SDK, where the engine looks for plugins."""
    for name, package in STANDINS.items():
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue  # no program of this environment can ask for it
        folder = plugins / f"resource-{name}-v{version}"
        folder.unlink(missing_ok=True)  # the link to the user's own
        folder.mkdir(parents=True)
        module = f"{__name__}.{name.replace('-', '_')}"
        start = folder / f"pulumi-resource-{name}"
        start.write_text(f'#!/bin/sh\nexec "{python}" -m {module} "$@"\n')
        start.chmod(0o755)
