"""A function or a job under a debugger: as it is deployed, with the environment and the identity that it has.

Its own environment has no debugger, so that of the laptop is started from its folder, by the workload's Python:
https://github.com/microsoft/debugpy/wiki/Command-Line-Reference. It waits for a client before it runs anything.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from omnipipe.laptop import workloads
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.ports import HOST
from omnipipe.laptop.processes import Spec
from omnipipe.laptop.services.functions import resources as functions
from omnipipe.laptop.services.run.tasks import task

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud

_PYTHONS = ("python", "python3")
# One process, where the framework's own server would fork a second one, which a client would have to attach to, too.
_SERVE = "from functions_framework import create_app; create_app({!r}, 'main.py').run({!r}, {}, threaded=True)"


@dataclass(frozen=True)
class Debuggee:
    """What is started: ``spec`` under the debugger, in ``code``, a copy of what is deployed.

    ``instead_of`` is the process whose place it takes until it ends; None for a job, of which there is none.
    """

    spec: Spec
    code: Path
    instead_of: Spec | None


def prepare(cloud: Cloud, name: str, port: int, environment: Mapping[str, str]) -> Debuggee:
    """A function or job of the program, to be debugged at a port of this machine.

    ``environment`` is added to a job's own. Raises LaptopError, with those that there are, for another name, and for a
    job that does not start Python.
    """
    known = workloads.functions(cloud)
    if name in known:
        deployed = functions.started(cloud, known[name])
        code = _copied(cloud, name, deployed.cwd or Path())
        serve = _SERVE.format(deployed.env["FUNCTION_TARGET"], HOST, deployed.env["PORT"])
        python = Path(deployed.argv[0]).with_name("python")
        spec = Spec(name, _debugged(python, port, ["-c", serve]), deployed.env, code)
        return Debuggee(spec, code, deployed)
    jobs = workloads.jobs(cloud)
    if name not in jobs:
        known_names = ", ".join(sorted(known.keys() | jobs.keys()))
        raise LaptopError(f"the program registers no function or job {name!r}: choose one of {known_names}")
    added = [{"name": key, "value": value} for key, value in environment.items()]
    prepared = task(cloud, jobs[name], {"containerOverrides": [{"env": added}]}, f"{name}-debug")
    if prepared.argv[0] not in _PYTHONS:
        raise LaptopError(f"the job {name} starts {prepared.argv[0]}: a debugger of Python cannot follow it")
    root = _copied(cloud, name, Path(prepared.image.root))
    code = root / prepared.folder.relative_to(prepared.image.root)
    argv = _debugged(Path(prepared.image.environment) / "bin" / "python", port, prepared.argv[1:])
    return Debuggee(
        Spec(name, argv, prepared.environment | {"CLOUD_RUN_TASK_ATTEMPT": "0"}, code), code, instead_of=None
    )


def _debugged(python: Path, port: int, arguments: list[str]) -> list[str]:
    found = find_spec("debugpy")
    if found is None or not found.submodule_search_locations:
        raise LaptopError("the debugger is not installed: `make install` brings it")
    debugger = found.submodule_search_locations[0]
    # Modules that are frozen into Python have no lines that a breakpoint could be set on.
    python_itself = [str(python), "-Xfrozen_modules=off", debugger]
    return [*python_itself, "--listen", f"{HOST}:{port}", "--wait-for-client", *arguments]


def _copied(cloud: Cloud, name: str, deployed: Path) -> Path:
    """The deployed code in a place that is the same after each deployment, for what an editor was told once."""
    target = cloud.home.path("debug") / name
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(deployed, target, ignore=shutil.ignore_patterns("__pycache__"))
    return target


@dataclass(frozen=True)
class Sources:
    """Where the code comes from: pairs of a folder of the program and a folder of the code, the deepest first.

    ``changed`` are the files of the code that the program no longer has as they are.
    """

    folders: list[tuple[Path, Path]]
    changed: list[Path] = dataclasses.field(default_factory=list)


def sources(code: Path, program: Path) -> Sources:
    """Find the files that deployed code was made of, by their content."""
    originals: defaultdict[tuple[str, str], list[Path]] = defaultdict(list)
    names = {file.name for file in code.rglob("*.py")}
    for file in _python_files(program):
        if file.name in names:
            originals[_identity(file)].append(file.parent)
    votes: defaultdict[Path, Counter[Path]] = defaultdict(Counter)
    changed = []
    for file in sorted(code.rglob("*.py")):
        found = originals.get(_identity(file), [])
        votes[file.parent].update(found)
        if not found:
            changed.append(file.relative_to(code))
    pairs = {
        folder: max(counts, key=lambda local: (counts[local], _common(folder, local), str(local)))
        for folder, counts in votes.items()
        if counts
    }
    told = [
        (local, folder)
        for folder, local in pairs.items()
        if folder.name != local.name or pairs.get(folder.parent) != local.parent
    ]
    return Sources(sorted(told, key=lambda pair: len(pair[1].parts), reverse=True), changed)


def _python_files(folder: Path) -> Iterator[Path]:
    for where, folders, files in os.walk(folder):
        # Hidden ones and environments hold other people's code.
        folders[:] = [
            each for each in folders if not each.startswith(".") and not Path(where, each, "pyvenv.cfg").exists()
        ]
        yield from (Path(where, file) for file in files if file.endswith(".py"))


def _identity(file: Path) -> tuple[str, str]:
    return file.name, hashlib.sha256(file.read_bytes()).hexdigest()


def _common(one: Path, other: Path) -> int:
    """How many of their last folders are called alike."""
    count = 0
    for mine, theirs in zip(reversed(one.parts), reversed(other.parts), strict=False):
        if mine != theirs:
            break
        count += 1
    return count
