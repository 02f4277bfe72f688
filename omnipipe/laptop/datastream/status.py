"""How far a stream is: a small file that the worker replaces at each flush and other processes read."""

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.home import write_json


@dataclass
class Status:
    """The progress of a stream."""

    state: str = "STARTING"  # STARTING, BACKFILL, RUNNING, RETRYING, PAUSED, NOT_STARTED, FAILED, STOPPED
    confirmed_lsn: str = "0/0"  # everything before it is in BigQuery
    tables: dict[str, int] = field(default_factory=dict)  # rows written by this process, by BigQuery table
    error: str | None = None

    def write(self, state_dir: Path) -> None:
        """Replace the file, as a whole."""
        state_dir.mkdir(parents=True, exist_ok=True)
        write_json(state_dir / "status.json", asdict(self))


def read(state_dir: Path) -> Status | None:
    """The last status of a stream, or None before its first."""
    try:
        return Status(**json.loads((state_dir / "status.json").read_text()))
    except FileNotFoundError:
        return None


class StillBehind(LaptopError):
    """The stream has not come to the position in time."""


def wait_caught_up(state_dir: Path, lsn: str, timeout_s: float) -> None:
    """Wait until all that was committed before a position of the log is in BigQuery.

    ``lsn`` is what ``SELECT pg_current_wal_lsn()`` says after the commit.

    Raises StillBehind after ``timeout_s`` seconds, and LaptopError as soon as the stream has failed, saying why.
    """
    wanted = parse_lsn(lsn)
    deadline = time.monotonic() + timeout_s
    while True:
        status = read(state_dir)
        if status and status.state in ("RUNNING", "RETRYING") and parse_lsn(status.confirmed_lsn) >= wanted:
            return
        if status and status.state == "FAILED":
            raise LaptopError(f"the stream has failed: {status.error}")
        if time.monotonic() > deadline:
            far = f"is {status.state} at {status.confirmed_lsn}" if status else "has not started"
            why = f" ({status.error})" if status and status.error else ""
            raise StillBehind(f"the stream has not come to {lsn} within {timeout_s:.0f} s: it {far}{why}")
        time.sleep(0.05)


def parse_lsn(text: str) -> int:
    """A position of the log from PostgreSQL's notation, such as ``0/16B3748``."""
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def format_lsn(lsn: int) -> str:
    """A position of the log in PostgreSQL's notation."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
