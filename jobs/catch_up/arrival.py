"""The heartbeats that have arrived in raw."""

from datetime import datetime

from google.api_core.exceptions import NotFound
from google.cloud import bigquery
from heartbeat import WRITER

from omnipipe.contracts.tables import PUBLIC_HEARTBEAT

# One row a run, and BigQuery counts 10 MB at least: a partition filter would save nothing for decades.
_NEWEST = f"SELECT MAX(beat_at) AS newest FROM {PUBLIC_HEARTBEAT.id} WHERE writer = @writer"  # noqa: S608 - a constant of contracts


def newest_beat(client: bigquery.Client) -> datetime | None:
    """The time of the newest heartbeat in raw; None when none has arrived, or the stream has not made its table."""
    config = bigquery.QueryJobConfig(query_parameters=[bigquery.ScalarQueryParameter("writer", "STRING", WRITER)])
    try:
        (row,) = client.query(_NEWEST, job_config=config).result()
    except NotFound:
        return None
    return row["newest"]
