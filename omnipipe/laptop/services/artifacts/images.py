"""Container images without containers: the instructions of a Dockerfile, carried out into a folder.

Understood are FROM, WORKDIR, COPY, ENV, ENTRYPOINT, CMD and one RUN: the installation of a requirements.txt. USER is
read and has no effect: a task is a process of whoever runs the laptop cloud. Anything else is refused by name, because
skipping it would be kinder than Docker.
"""

import hashlib
import json
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import cast

from docker.utils.build import PatternMatcher
from dockerfile_parse import DockerfileParser

from omnipipe.laptop.environments import environment
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.home import write_json
from omnipipe.laptop.services.artifacts.image import Image

_INSTALL = re.compile(r"pip install (?:--[a-z-]+ )*-r (\S+)$")


@dataclass(frozen=True)
class _Recipe:
    """What a Dockerfile says: the files of the image by their place in it, its packages, and how it starts."""

    steps: list[tuple[str, str]]
    files: dict[str, Path]
    packages: Path
    workdir: str
    env: dict[str, str]
    entrypoint: list[str]
    cmd: list[str]

    @property
    def digest(self) -> str:
        """The same for the same instructions and content."""
        digest = hashlib.sha256(repr(self.steps).encode())
        for name in sorted(self.files):
            content = hashlib.sha256(self.files[name].read_bytes()).hexdigest()
            digest.update(f"{name}\0{content}\n".encode())
        return f"sha256:{digest.hexdigest()}"


def build(context: Path, dockerfile: Path, images: Path) -> Image:
    """Build an image below ``images``; the same content gives the same digest and is not built again.

    Raises LaptopError for an instruction that the laptop does not carry out, and for a file that is missing.
    """
    recipe = _recipe(context, dockerfile)
    digest = recipe.digest
    image = Image(
        digest=digest,
        root=str(images / digest.removeprefix("sha256:")[:16]),
        workdir=recipe.workdir,
        environment=str(environment(recipe.packages)),
        env=recipe.env,
        entrypoint=recipe.entrypoint,
        cmd=recipe.cmd,
    )
    _write(image, recipe.files)
    return image


def digest_of(context: Path, dockerfile: Path) -> str:
    """The digest that an image would have, without building it. Raises LaptopError as ``build``."""
    return _recipe(context, dockerfile).digest


def _recipe(context: Path, dockerfile: Path) -> _Recipe:
    steps = _instructions(dockerfile)
    ignored = _ignored(context, dockerfile)
    workdir, env, entrypoint, cmd, packages = PurePosixPath("/"), {}, [], [], None
    files: dict[str, Path] = {}
    for instruction, value in steps:
        match instruction:
            case "FROM" | "COMMENT" | "USER":
                continue
            case "WORKDIR":
                workdir /= value
            case "ENV":
                env |= dict(pair.split("=", 1) for pair in value.split())
            case "COPY":
                files |= _copied(value, context, workdir, ignored, dockerfile)
            case "ENTRYPOINT":
                entrypoint = _exec_form(value, dockerfile)
            case "CMD":
                cmd = _exec_form(value, dockerfile)
            case "RUN" if match := _INSTALL.match(value):
                packages = files.get(str(workdir / match[1]))
                if packages is None:
                    raise LaptopError(f"{dockerfile}: RUN {value}: {match[1]} was not copied before")
            case _:
                raise LaptopError(
                    f"{dockerfile}: {instruction} {value}: the laptop builds images of FROM, WORKDIR, COPY, ENV, "
                    "USER, ENTRYPOINT, CMD and `RUN pip install -r FILE` only"
                )
    if packages is None or not (entrypoint or cmd):
        raise LaptopError(f"{dockerfile}: an image needs `RUN pip install -r FILE` and an ENTRYPOINT")
    return _Recipe(steps, files, packages, str(workdir), env, entrypoint, cmd)


def _instructions(dockerfile: Path) -> list[tuple[str, str]]:
    if not dockerfile.is_file() or dockerfile.name != "Dockerfile":
        raise LaptopError(f"{dockerfile}: there is no file of the name Dockerfile")
    return [(step["instruction"], step["value"]) for step in DockerfileParser(str(dockerfile)).structure]


def _ignored(context: Path, dockerfile: Path) -> PatternMatcher:
    """What .dockerignore leaves out: Docker prefers the one that is named after the Dockerfile."""
    for path in (dockerfile.with_name(f"{dockerfile.name}.dockerignore"), context / ".dockerignore"):
        if path.exists():
            lines = (line.strip() for line in path.read_text().splitlines())
            return PatternMatcher([line for line in lines if line and not line.startswith("#")])
    return PatternMatcher([])


def _copied(
    value: str, context: Path, workdir: PurePosixPath, ignored: PatternMatcher, dockerfile: Path
) -> dict[str, Path]:
    *sources, destination = value.split()
    if any(part.startswith("--") for part in sources):
        raise LaptopError(f"{dockerfile}: COPY {value}: the laptop takes COPY without options only")
    files = {}
    for source in sources:
        path = context / source
        target = workdir / destination
        if path.is_dir():  # the folder's content, not the folder
            found = {target / p.relative_to(path).as_posix(): p for p in sorted(path.rglob("*")) if p.is_file()}
        else:
            found = {target / path.name if destination.endswith(("/", ".")) else target: path}
        kept = {
            str(name): file
            for name, file in found.items()
            if file.is_file()
            and "__pycache__" not in file.parts
            # It wants text, whatever its annotation says.
            and not ignored.matches(cast(Path, file.relative_to(context).as_posix()))
        }
        if not kept:
            raise LaptopError(f"{dockerfile}: COPY {value}: {source} is not in the build's context, or is ignored")
        files |= kept
    return files


def _exec_form(value: str, dockerfile: Path) -> list[str]:
    try:
        return [str(part) for part in json.loads(value)]
    except ValueError:
        raise LaptopError(
            f"{dockerfile}: write {value!r} as a JSON list; a shell form hides the exit code"
        ) from None


def _write(image: Image, files: dict[str, Path]) -> None:
    root = Path(image.root)
    if (root / "image.json").exists():
        return
    shutil.rmtree(root, ignore_errors=True)
    for name, source in files.items():
        target = root / name.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    write_json(root / "image.json", asdict(image))  # last: an image without it is not whole
