"""One virtual environment for each requirements.txt: what a function's or a job's build installs on Google.

They live beside OmniPipe's own packages, named by the hash of their requirements, so that every laptop cloud
and every test shares them, and a change of requirements makes a new one.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.home import PROJECT_ROOT

CACHE = Path(sys.prefix) / "workloads"


def environment(requirements: Path) -> Path:
    """The folder of an environment with exactly the packages of a requirements.txt, made if it is missing.

    Raises LaptopError when they cannot be installed.
    """
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:16]
    target = CACHE / digest
    if (target / ".complete").exists():
        return target
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{digest}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # two laptop clouds may want the same one
        if not (target / ".complete").exists():
            shutil.rmtree(target, ignore_errors=True)
            _install(requirements, target)
            (target / ".complete").touch()
    return target


def _install(requirements: Path, target: Path) -> None:
    uv = str(Path(sys.prefix) / "bin" / "uv")
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, str(target)],
        # Compiled now, so that no cold start pays for it.
        [uv, "pip", "sync", "--quiet", "--compile-bytecode", str(requirements)],
    ):
        done = subprocess.run(
            command, env={**os.environ, "VIRTUAL_ENV": str(target)}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise LaptopError(
                f"the packages of {requirements} cannot be installed: {' '.join(done.stderr.split())[-400:]}"
            )


def main() -> None:
    """Make the environments of all functions and jobs of this project (part of ``make install``)."""
    for requirements in sorted(PROJECT_ROOT.glob("functions/*/requirements.txt")) + sorted(
        PROJECT_ROOT.glob("jobs/*/requirements.txt")
    ):
        environment(requirements)


if __name__ == "__main__":
    main()
