"""One virtual environment for each requirements.txt: what a function's or a job's build installs on Google.

They live beside OmniPipe's own packages, named by the hash of their requirements, so that every laptop cloud
and every test shares them, and a change of requirements makes a new one.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from omnipipe.laptop.errors import LaptopError

CACHE = Path(sys.prefix) / "workloads"


def environment(requirements: Path, needs: str | None = None) -> Path:
    """The folder of an environment with the packages of a requirements.txt, made if it is missing.

    ``needs`` is a command that the build adds, as the package of that name, where they do not bring it.

    Raises LaptopError when they cannot be installed.
    """
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:16]
    target = CACHE / digest
    if _is_whole(target, needs):
        return target
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{digest}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # two laptop clouds may want the same one
        if not _is_whole(target, None):
            shutil.rmtree(target, ignore_errors=True)
            _uv(requirements, "venv", "--quiet", "--python", sys.executable, str(target))
            _install(requirements, target, "-r", str(requirements))
            (target / ".complete").touch()
        if needs and not _is_whole(target, needs):
            _install(requirements, target, needs)
    return target


def _is_whole(target: Path, needs: str | None) -> bool:
    return (target / ".complete").exists() and (needs is None or (target / "bin" / needs).exists())


def _install(requirements: Path, target: Path, *what: str) -> None:
    # Compiled now, so that no cold start pays for it.
    python = str(target / "bin" / "python")
    _uv(requirements, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *what)


def _uv(requirements: Path, *arguments: str) -> None:
    command = [str(Path(sys.prefix) / "bin" / "uv"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LaptopError(
            f"the packages of {requirements} cannot be installed: {' '.join(done.stderr.split())[-400:]}"
        )


def main() -> None:
    """Make the environments of the requirements.txt files that are named (part of ``make install``)."""
    for requirements in sys.argv[1:]:
        environment(Path(requirements))


if __name__ == "__main__":
    main()
