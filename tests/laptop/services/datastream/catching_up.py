"""Waiting for a stream: what the platform itself does with a heartbeat, tests do by its position."""

import time
from pathlib import Path

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.services.datastream import status


def wait_caught_up(state_dir: Path, lsn: str, timeout_s: float) -> None:
    """Wait until all that was committed before a position of the log is in BigQuery.

    ``lsn`` is what ``SELECT pg_current_wal_lsn()`` says after the commit.

    Raises LaptopError after ``timeout_s`` seconds, and as soon as the stream has failed, saying why.
    """
    wanted = status.parse_lsn(lsn)
    deadline = time.monotonic() + timeout_s
    while True:
        progress = status.read(state_dir)
        if (
            progress
            and progress.state in ("RUNNING", "RETRYING")
            and status.parse_lsn(progress.confirmed_lsn) >= wanted
        ):
            return
        if progress and progress.state == "FAILED":
            raise LaptopError(f"the stream has failed: {progress.error}")
        if time.monotonic() > deadline:
            far = f"is {progress.state} at {progress.confirmed_lsn}" if progress else "has not started"
            why = f" ({progress.error})" if progress and progress.error else ""
            raise LaptopError(f"the stream has not come to {lsn} within {timeout_s:.0f} s: it {far}{why}")
        time.sleep(0.05)
