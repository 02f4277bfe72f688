"""How far a stream is: a small file that the worker replaces at each flush and other processes read."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

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


def parse_lsn(text: str) -> int:
    """A position of the log from PostgreSQL's notation, such as ``0/16B3748``."""
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def format_lsn(lsn: int) -> str:
    """A position of the log in PostgreSQL's notation."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
