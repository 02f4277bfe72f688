"""What BigQuery says of the runs, the checks, the deliveries, and the age of the sources' tables.

Everything is as of ``now``. Costs: BigQuery counts at least 10 MB for each table that a query names, and the tables
here are smaller, or cut to a few partitions; the ledger of deliveries grows by about 200 bytes a message.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import cast

from figure import Figure
from google.api_core.exceptions import NotFound
from google.cloud import bigquery

from omnipipe.contracts.sources import SOURCES
from omnipipe.contracts.tables import DEAD_LETTERS, PIPELINE_RUNS, VALIDATION_RESULTS
from omnipipe.runtime import deliveries

_TIMEOUT_S = 30.0

# A check that was tried again counts as it ended. A run that is weeks old is left to the figure of runs.
_OPS = f"""
    WITH recent AS (
      SELECT * FROM {VALIDATION_RESULTS.id} WHERE checked_at > TIMESTAMP_SUB(@now, INTERVAL 31 DAY)
    ),
    newest AS (
      SELECT * FROM recent
      WHERE run_id = (SELECT run_id FROM recent ORDER BY checked_at DESC LIMIT 1)
      QUALIFY ROW_NUMBER() OVER (PARTITION BY check_id ORDER BY checked_at DESC) = 1
    ),
    checks AS (
      SELECT
        COUNTIF(severity = 'error' AND status != 'passed') AS errors,
        COUNTIF(severity != 'error' AND status != 'passed') AS warnings
      FROM newest
    ),
    runs AS (
      SELECT COALESCE(MAX(IF(status = 'succeeded', finished_at, NULL)), MIN(started_at)) AS since
      FROM {PIPELINE_RUNS.id}
      WHERE pipeline = @pipeline
    ),
    letters AS (
      SELECT COUNT(*) AS count
      FROM {DEAD_LETTERS.id}
      WHERE recorded_at > TIMESTAMP_SUB(@now, INTERVAL 24 HOUR)
    )
    SELECT errors, warnings, since, letters.count AS dead_letters FROM checks, runs, letters
"""  # noqa: S608 - the tables' names are constants of contracts

# What the next run sends. Dead letters do not wait: they have a figure of their own.
_BACKLOG = f"""
    SELECT COUNT(*) AS count, MIN(updated_at) AS oldest
    FROM ({deliveries.PENDING})
    WHERE NOT dead
"""  # noqa: S608 - a constant of ours


def ops(client: bigquery.Client, pipeline: str, now: datetime) -> Iterator[Figure]:
    """The figures of the pipeline's own records.

    A pipeline that never succeeded counts from its first run, and without any from the making of the table.
    """
    parameters = (
        bigquery.ScalarQueryParameter("now", "TIMESTAMP", now),
        bigquery.ScalarQueryParameter("pipeline", "STRING", pipeline),
    )
    row = _row(client, _OPS, *parameters)
    # A table that was fetched says when it was made; the client's type is of one that may not have been.
    since = row["since"] or cast(datetime, client.get_table(PIPELINE_RUNS.id, timeout=_TIMEOUT_S).created)
    yield Figure("hours_since_success", pipeline, _hours(since, now), "hours since the last successful run")
    yield Figure("failed_error_checks", pipeline, row["errors"], "failed checks of severity error in the last run")
    yield Figure("failed_warn_checks", pipeline, row["warnings"], "failed checks of severity warn in the last run")
    yield Figure("dead_letters", DEAD_LETTERS.id, row["dead_letters"], "rows of the last 24 hours")


def backlog(client: bigquery.Client, now: datetime) -> Iterator[Figure]:
    """What reverse sync has not delivered, or does not know as delivered: what the next run sends."""
    name = deliveries.DESTINATION
    destination = bigquery.ScalarQueryParameter("destination", "STRING", name)
    watermarks = [row["watermark_updated_at"] for row in _rows(client, deliveries.STATE, destination)]
    since = deliveries.since(*watermarks) if watermarks else deliveries.BEGINNING
    try:
        row = _row(client, _BACKLOG, destination, bigquery.ScalarQueryParameter("since", "TIMESTAMP", since))
        count, oldest = row["count"], row["oldest"]
    except NotFound:  # dbt makes the table in its first run: nothing waits before that
        count, oldest = 0, None
    hours = _hours(oldest, now) if oldest else 0
    yield Figure("undelivered_rows", name, count, "KPI rows not delivered")
    yield Figure("undelivered_hours", name, hours, "hours that the oldest KPI row waits for delivery")


def source_ages(client: bigquery.Client, now: datetime) -> Iterator[Figure]:
    """How long ago each table of a source last got rows: from its metadata, no data is read.

    One that is not there yet is none: Datastream makes its tables with their first row.
    """
    for source in SOURCES:
        for declared in source.tables:
            with suppress(NotFound):
                yield Figure(source.figure, declared.id, _age(client, declared.id, now), "hours since new rows")


def _age(client: bigquery.Client, table_id: str, now: datetime) -> float:
    table = client.get_table(table_id, timeout=_TIMEOUT_S)
    # Rows that were streamed are in a buffer first, which does not count as a modification.
    buffered = table.streaming_buffer.oldest_entry_time if table.streaming_buffer else None
    return _hours(max(filter(None, (table.modified, buffered))), now)


def _row(client: bigquery.Client, sql: str, *parameters: bigquery.ScalarQueryParameter) -> bigquery.Row:
    (row,) = _rows(client, sql, *parameters)
    return row


def _rows(client: bigquery.Client, sql: str, *parameters: bigquery.ScalarQueryParameter) -> Iterable[bigquery.Row]:
    config = bigquery.QueryJobConfig(query_parameters=parameters)
    job = client.query(sql, job_config=config, timeout=_TIMEOUT_S)
    return job.result(timeout=_TIMEOUT_S)


def _hours(since: datetime, now: datetime) -> float:
    return (now - since).total_seconds() / 3600
