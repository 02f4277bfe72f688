"""The operational database: where the heartbeat is written, and how far its log was read."""

from datetime import UTC, datetime

import psycopg

from omnipipe.runtime import cloud_sql
from omnipipe.runtime.job import StepFailed

WRITER = "capture"

# The clock of the statement, not of the transaction: what was committed before it is what the row stands for.
_BEAT = """
    INSERT INTO public.heartbeat (writer, run_id, beat_at) VALUES (%s, %s, clock_timestamp())
    ON CONFLICT (writer) DO UPDATE SET run_id = excluded.run_id, beat_at = excluded.beat_at
    RETURNING beat_at
"""
_LAG = """
    SELECT active, pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)
    FROM pg_replication_slots WHERE slot_name = %s
"""


def beat(run_id: str) -> datetime:
    """Write the heartbeat of a run; returns its time. Raises StepFailed when the database does not take it."""
    try:
        with cloud_sql.connect(autocommit=True) as connection:
            ((at,),) = connection.execute(_BEAT, [WRITER, run_id]).fetchall()
    except cloud_sql.NoToken as error:
        raise StepFailed(str(error)) from error
    except psycopg.Error as error:
        raise StepFailed(
            f"the heartbeat could not be written: {' '.join(str(error).split())}. The job migrate makes its table, "
            "and lets this job's IAM user write it"
        ) from error
    return at.astimezone(UTC)


def lag_in_words(slot: str) -> str:
    """How much of the log the stream's slot has not confirmed; what keeps that from being known is said instead."""
    try:
        with cloud_sql.connect(autocommit=True) as connection:
            found = connection.execute(_LAG, [slot]).fetchone()
    except (psycopg.Error, cloud_sql.NoToken) as error:
        return f"how far the slot {slot} is could not be read: {' '.join(str(error).split())}"
    if found is None:
        return f"there is no slot {slot}, so nothing is captured: the job migrate makes it"
    active, bytes_behind = found
    reader = "" if active else ", and nobody reads it"
    return f"{bytes_behind or 0:,.0f} bytes of the log are not confirmed by the slot {slot}{reader}"
