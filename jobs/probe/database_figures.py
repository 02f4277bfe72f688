"""What Postgres says of its replication slots."""

from collections.abc import Iterator

import psycopg
from figure import Figure

from omnipipe.runtime import cloud_sql

_CONNECT_TIMEOUT_S = 10

# inactive_since came with PostgreSQL 17; it is null while somebody reads the slot.
_SLOTS = """
    SELECT
      slot_name,
      pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn),
      pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn),
      CASE WHEN active THEN 0 ELSE extract(epoch FROM now() - inactive_since) / 3600 END
    FROM pg_replication_slots
    WHERE slot_type = 'logical' AND database = current_database()
    ORDER BY slot_name
"""


class AheadOfTheLog(RuntimeError):
    """A slot's reader has confirmed what was never written here: it goes by the log of another instance."""


def measure() -> Iterator[Figure]:
    """Measure every logical slot of the database, also one that no stream names any more.

    Connects by libpq's variables as an IAM user, whose password is an access token. Raises psycopg.Error,
    cloud_sql.NoToken, and AheadOfTheLog after all figures: such a slot has no lag, and its reader is there.
    """
    with psycopg.connect(
        "", password=cloud_sql.login_token(), sslmode="require", connect_timeout=_CONNECT_TIMEOUT_S
    ) as connection:
        slots = connection.execute(_SLOTS).fetchall()
    ahead = [slot for slot, _, lag, _ in slots if lag is not None and lag < 0]
    for slot, kept, lag, inactive_hours in slots:
        # Null: the slot has lost its log, or was never confirmed. The stream's own errors tell of that.
        if kept is not None:
            yield Figure("slot_wal_bytes", slot, float(kept), "bytes of write-ahead log kept for the slot")
        if lag is not None and slot not in ahead:
            yield Figure("capture_lag_bytes", slot, float(lag), "bytes of write-ahead log not captured")
        if inactive_hours is not None:
            yield Figure("slot_idle_hours", slot, float(inactive_hours), "hours without a reader of the slot")
    if ahead:
        raise AheadOfTheLog(
            f"{', '.join(ahead)}: confirmed up to a position that the log of this database has not reached. The stream "
            "goes on where it was in another instance, and what is written here until then is lost to it: replace it, "
            "as the runbook of replication says"
        )
