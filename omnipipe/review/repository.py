"""A program as it was: what git knows of the commit that a change is compared with."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory


class NoBase(Exception):
    """What keeps a change from being compared; its text is git's, or says what to do."""


@dataclass(frozen=True)
class Base:
    """The commit that a change of a program begins at; ``ref`` is how the user calls where it goes to."""

    program: Path
    ref: str
    commit: str

    @contextmanager
    def copy(self) -> Iterator[Path]:
        """The program's folder as it was, for the time of a `with`: what was committed, and nothing else."""
        prefix = _git(self.program, "rev-parse", "--show-prefix").decode().strip().rstrip("/")
        top = Path(_git(self.program, "rev-parse", "--show-toplevel").decode().strip())
        archive = _git(top, "archive", "--format=tar", f"{self.commit}:{prefix}")
        with TemporaryDirectory(prefix="omnipipe-base-") as scratch:
            folder = Path(scratch).resolve() / self.program.name
            with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
                packed.extractall(folder, filter="data")
            yield folder

    def difference(self, path: str) -> str:
        """What differs below a path of the program since, also what is not committed yet, in git's words."""
        return _git(self.program, "diff", "--no-color", "--no-ext-diff", self.commit, "--", path).decode()


def base(program: Path, ref: str) -> Base:
    """Where the branch of a program's folder and ``ref`` parted. Raises NoBase if git does not know."""
    return Base(program, ref, _git(program, "merge-base", ref, "HEAD").decode().strip())


def _git(folder: Path, *arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=False)
    if done.returncode:
        raise NoBase(done.stderr.decode().strip() or f"git {' '.join(arguments)} finds nothing")
    return done.stdout
