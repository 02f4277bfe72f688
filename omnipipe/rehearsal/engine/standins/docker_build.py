"""The docker-build provider without Docker: https://www.pulumi.com/registry/packages/docker-build/.

Context and Dockerfile must be there, and what the Dockerfile copies in the context; the digest is that of both. No
image is built or pushed.
"""

from __future__ import annotations

import fnmatch
import hashlib
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docker.utils.build import exclude_paths
from dockerfile_parse import DockerfileParser

from omnipipe.rehearsal.engine.standins.values import Values


class DockerBuild(Values):
    """Images, by their content."""

    package = "pulumi-docker-build"

    def seen(self, kind: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Raises ValueError for a context or a Dockerfile that is not there, and for a source that is not in it."""
        context = Path((inputs.get("context") or {}).get("location") or ".")
        location = (inputs.get("dockerfile") or {}).get("location")
        return {"contextHash": _content(context, Path(location) if location else context / "Dockerfile")}

    def made(self, kind: str, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Raises ValueError as ``seen``."""
        told = repr([self.seen(kind, inputs), inputs.get("buildArgs"), inputs.get("platforms")])
        digest = f"sha256:{hashlib.sha256(told.encode()).hexdigest()}"
        tags = inputs.get("tags") or []
        return digest, {"digest": digest, "ref": f"{tags[0]}@{digest}" if tags else digest}


def _content(context: Path, dockerfile: Path) -> str:
    """A hash of the context's files that a build sees, and of the Dockerfile."""
    if not context.is_dir():
        raise ValueError(f"the context {context} is not a folder (seen from {Path.cwd()})")
    if not dockerfile.is_file():
        raise ValueError(f"there is no Dockerfile {dockerfile} (seen from {Path.cwd()})")
    files = sorted(name for name in _seen(context, dockerfile) if (context / name).is_file())
    for source in _sources(dockerfile):
        wanted = source.removeprefix("./").strip("/") or "."
        if wanted != "." and not any(
            fnmatch.fnmatch(name, wanted) or name.startswith(f"{wanted}/") for name in files
        ):
            raise ValueError(f"{dockerfile} copies {source}, which is not in its context {context}")
    digest = hashlib.sha256(dockerfile.read_bytes())
    for name in files:
        digest.update(f"{name}\0{hashlib.sha256((context / name).read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _seen(context: Path, dockerfile: Path) -> set[str]:
    # https://docs.docker.com/build/concepts/context/#dockerignore-files: the Dockerfile's own comes first
    own = dockerfile.with_name(f"{dockerfile.name}.dockerignore")
    file = own if own.is_file() else context / ".dockerignore"
    lines = file.read_text().splitlines() if file.is_file() else []
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return exclude_paths(str(context), patterns, str(dockerfile))


def _sources(dockerfile: Path) -> list[str]:
    """What a Dockerfile copies from its context."""
    parser = DockerfileParser(str(dockerfile))
    found: list[str] = []
    for step in parser.structure:
        if step["instruction"] in ("COPY", "ADD"):
            words = shlex.split(step["value"])
            if not any(word.startswith("--from=") for word in words):
                found += [word for word in words if not word.startswith("--")][:-1]
    return [source for source in found if "://" not in source and "$" not in source]
