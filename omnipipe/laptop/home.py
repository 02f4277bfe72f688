"""Where the laptop cloud keeps its state: ``.omnipipe/`` below the project, or ``OMNIPIPE_HOME``."""

import contextlib
import fcntl
import json
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from omnipipe.laptop.errors import LaptopError

PROJECT_ROOT = Path(__file__).resolve().parents[2]
NEEDED_DISK_BYTES = 1_000_000_000


@dataclass(frozen=True)
class Home:
    """The state of one stack of a Pulumi project. One stack of a home is up at a time; each keeps its own data."""

    root: Path
    project: str
    stack: str

    @property
    def name(self) -> str:
        """The stack as Pulumi names it among all projects: ``project/stack``."""
        return f"{self.project}/{self.stack}"

    @property
    def directory(self) -> Path:
        """All state of this stack."""
        return self.root / self.project / self.stack

    def path(self, *parts: str) -> Path:
        """A folder below this stack's state, made if it is missing."""
        path = self.directory.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def log_file(self, service: str) -> Path:
        """Where the output of a service goes."""
        return self.path("logs") / f"{service}.log"

    @property
    def sockets(self) -> Path:
        """The folder of this stack's Unix sockets: short, the same at each start, one for each user and home.

        It is below /tmp and not below ``TMPDIR``, which may be long, and may differ between two commands.

        Raises LaptopError when the place belongs to somebody else.
        """
        name = f"omnipipe-{os.getuid()}-{sha256(os.fsencode(self.directory.resolve())).hexdigest()[:10]}"
        folder = Path("/tmp") / name  # noqa: S108 - it is checked to be ours, below
        mode = 0o711 if os.getuid() == 0 else 0o700  # root's PostgreSQL runs as `nobody`, who has to pass
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=mode)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise LaptopError(f"{folder} is not a folder of yours, but the sockets belong there: remove it")
        folder.chmod(mode)
        return folder

    def prepare(self) -> None:
        """Make the folder, and check that it can be written and has room.

        Raises LaptopError when it cannot be used.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            probe = self.directory / f".probe-{os.getpid()}"
            probe.write_text("")
            probe.unlink()
        except OSError as error:
            raise LaptopError(
                f"cannot write to {self.directory} ({error.strerror}): "
                "make it writable, or name another folder with OMNIPIPE_HOME"
            ) from error
        free = shutil.disk_usage(self.directory).free
        if free < NEEDED_DISK_BYTES:
            raise LaptopError(
                f"only {free / 1e9:.1f} GB are free for {self.directory}, "
                f"{NEEDED_DISK_BYTES / 1e9:.0f} GB are needed: "
                "free some, or name a folder on another disk with OMNIPIPE_HOME"
            )


def home_root() -> Path:
    """The folder of all stacks' state."""
    configured = os.environ.get("OMNIPIPE_HOME")
    return Path(configured).expanduser().resolve() if configured else PROJECT_ROOT / ".omnipipe"


def current() -> Home | None:
    """The home of the stack that was brought up last, or None before the first ``omnipipe up``.

    Raises LaptopError when the folder cannot be read.
    """
    root = home_root()
    try:
        project, _, stack = (root / "current").read_text().strip().partition("/")
        return Home(root, project, stack)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise LaptopError(
            f"cannot read {root} ({error.strerror}): make it readable, or name another folder with OMNIPIPE_HOME"
        ) from error


def require_current() -> Home:
    """The home of the stack that was brought up last. Raises LaptopError as ``current``, and when there is none."""
    home = current()
    if home is None:
        raise LaptopError("there is no laptop cloud yet: run `omnipipe up`")
    return home


def make_current(home: Home) -> None:
    """Remember which stack the other commands speak of."""
    write_text(home.root / "current", home.name)


@contextlib.contextmanager
def lock(root: Path) -> Iterator[None]:
    """Hold the home for one `up` or `down` at a time.

    The kernel lets go of the lock when its holder dies, so a crash leaves none behind.

    Raises LaptopError when another process holds it.
    """
    with (root / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise LaptopError(
                f"another omnipipe command (pid {file.read().strip() or 'unknown'}) is at work in {root}: "
                "wait until it has ended"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def write_text(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file as a whole, so that a reader or a crash sees the old text or the new, never half."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)


def write_json(path: Path, value: Any, mode: int = 0o644) -> None:
    """Replace a file by the JSON of a value, as a whole."""
    write_text(path, json.dumps(value, indent=1, default=str), mode)
