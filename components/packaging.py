"""What travels into a deployment: the folders of functions, with the code that they share, as deterministic zips.

What a deployment is told of a file is the same wherever the checkout lies: otherwise a preview elsewhere shows changes.
"""

import hashlib
import io
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

# The oldest time that a zip can hold: the same content makes the same bytes, whenever and wherever it is built.
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where code comes from: the project's ``root``, and the files and folders below it that every function has too.

    ``packages`` is the folder that zips are kept in.
    """

    root: Path
    shared: tuple[str, ...]
    packages: Path


@dataclass(frozen=True)
class Package:
    """A function's zip, and the hash of its content."""

    path: Path
    digest: str


def package_function(folder: Path, sources: Sources) -> Package:
    """Zip a function's folder together with the shared code; the bytes depend on the content alone.

    Nothing is compressed: another version of zlib would make other bytes, and so another function. The zip is
    written once for each content.

    Raises FileNotFoundError when the folder has no main.py or no requirements.txt, which Google's build needs.
    """
    for needed in ("main.py", "requirements.txt"):
        if not (folder / needed).is_file():
            raise FileNotFoundError(f"{folder} has no {needed}, which the build of a function needs")
    files = {path.relative_to(folder).as_posix(): path for path in _files(folder)}
    for shared in sources.shared:
        files |= {path.relative_to(sources.root).as_posix(): path for path in _files(sources.root / shared)}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3  # Unix, whoever packs
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name].read_bytes())
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()[:16]
    path = sources.packages / f"{folder.name}-{digest}.zip"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".part")
        temporary.write_bytes(buffer.getvalue())
        temporary.replace(path)
    return Package(path, digest)


def from_the_program(path: Path) -> str:
    """A path of a project as a build provider takes it: relative to the program's folder.

    The engine runs the program there and its providers too, and a provider makes it whole by its own working directory:
    `ProjectInfoContext` and `newPlugin` of the engine, `BuildContext.validate` of pulumi-docker-build.
    """
    return os.path.relpath(path)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
