"""Cloud Run job: wait until what was committed before this moment is in raw, or say how far behind raw is.

When no table of the stream is being backfilled, it writes a row of ``public.heartbeat``, which is captured like any
other, and waits until that row is in ``raw.public_heartbeat``. The stream writes each table by itself, so on Google a
row of another table may still be a little behind: ``validate`` compares the tables with their source.

Environment: RUN_ID and RUN_DATE of the run; BIGQUERY_LOCATION; STREAM, the stream's resource name; SLOT, the slot that
it reads; CAPTURED_WITHIN_S, how long this may take in seconds; and libpq's PGHOST, PGPORT, PGDATABASE and PGUSER: the
password is an access token of its own. The exit code is 1 when the time was not enough.
"""

import os
import sys
import time
from collections.abc import Callable
from datetime import datetime

import datastream_api
import heartbeat
from arrival import newest_beat
from google.cloud import bigquery

from omnipipe.runtime import audit
from omnipipe.runtime.job import StepFailed, run_step
from omnipipe.runtime.run import Run

STEP = "capture"
# Between two looks, in seconds: a run of a quiet hour loses little, and a long wait asks seldom.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 15.0


class Behind(StepFailed):
    """The time is over; the text says how far behind raw is, and what to do."""


def catch_up(client: bigquery.Client, run: Run, step: audit.Step) -> None:
    """Wait for the heartbeat of this run. Raises Behind, and StepFailed when the source or Datastream refuses."""
    within_s, began = float(_variable("CAPTURED_WITHIN_S")), time.monotonic()
    deadline = began + within_s
    stream, slot = _variable("STREAM"), _variable("SLOT")
    # A backfill brings the heartbeat too, and says nothing then of what the log still holds.
    if _wait_until(lambda: not datastream_api.backfilling(stream), deadline):
        raise Behind(_behind(client, within_s, slot, None, datastream_api.backfilling(stream)))
    beat = heartbeat.beat(run.run_id)
    if _wait_until(lambda: _has_arrived(client, beat), deadline):
        raise Behind(_behind(client, within_s, slot, beat, datastream_api.backfilling(stream)))
    if backfills := datastream_api.backfilling(stream):
        raise Behind(_behind(client, within_s, slot, beat, backfills))
    step.message = (
        f"what was committed until {beat:%H:%M:%S} UTC is in raw, after {time.monotonic() - began:.1f} s"
    )


def _has_arrived(client: bigquery.Client, beat: datetime) -> bool:
    newest = newest_beat(client)
    return newest is not None and newest >= beat


def _wait_until(holds: Callable[[], bool], deadline: float) -> bool:
    """Wait until something holds; True when it did not in time."""
    pause_s = _FIRST_PAUSE_S
    while not holds():
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            return True
        time.sleep(min(pause_s, left_s))
        pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)
    return False


def _behind(
    client: bigquery.Client, within_s: float, slot: str, beat: datetime | None, backfills: list[str]
) -> str:
    """How far behind raw is, in words."""
    found = []
    if backfills:
        found.append(f"a backfill of {', '.join(backfills)} is going on or about to begin")
    if beat is not None:
        newest = newest_beat(client)
        if newest is None:
            found.append(f"the heartbeat of {beat:%Y-%m-%d %H:%M:%S} UTC has not arrived, nor has any before it")
        elif newest < beat:
            found.append(
                f"the heartbeat of {beat:%Y-%m-%d %H:%M:%S} UTC has not arrived; the newest that has is "
                f"{(beat - newest).total_seconds():,.0f} s older"
            )
    found.append(heartbeat.lag_in_words(slot))
    return (
        f"raw is not up to date after {within_s:.0f} s: {'; '.join(found)}. Nothing was transformed or sent. See the "
        "stream's errors and docs/runbooks/replication.md#a-run-waits-for-capture, then start the run again"
    )


def _variable(name: str) -> str:
    """A variable that the job's component gives. Raises StepFailed when it is missing."""
    value = os.environ.get(name)
    if not value:
        raise StepFailed(f"the environment variable {name} is not set: the job's component must give it")
    return value


if __name__ == "__main__":
    sys.exit(run_step(STEP, catch_up))
