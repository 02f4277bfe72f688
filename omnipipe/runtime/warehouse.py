"""BigQuery with bounded waits and a bounded bill: queries, rows that are streamed, rows that are loaded all or none."""

import dataclasses
import itertools
import json
import logging
import re
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

from google.api_core.exceptions import Conflict, GoogleAPICallError, GoogleAPIError
from google.cloud import bigquery
from google.cloud.bigquery.retry import DEFAULT_JOB_RETRY, DEFAULT_RETRY
from requests.exceptions import RequestException

from omnipipe.contracts.schema import Table

# BigQuery's advice for insertAll: at most 500 rows a request.
_BATCH = 500
_TIMEOUT_S = 30.0
# The client's own defaults go on for ten minutes and more: longer than a step may take to say that it failed.
_RETRY = DEFAULT_RETRY.with_timeout(30.0)
_JOB_RETRY = DEFAULT_JOB_RETRY.with_timeout(60.0)
_UPLOAD_RETRIES = 3  # after 1, 2 and 4 s
_LOAD_TIMEOUT_S = 300.0
_LOOKUPS = 8  # requests at once, fewer than the connections that the client keeps
_SPOOL_BYTES = 8 * 1024 * 1024
# Of one query of a function or job, about half a dollar: they read what changed, or the small tables of ops. What would
# be billed more is refused by BigQuery before it runs. dbt's own statements have theirs in dbt/profiles.yml.
MAXIMUM_BYTES_BILLED = 100 * 2**30

_log = logging.getLogger(__name__)


class Client(bigquery.Client):
    """BigQuery for one step of one run: each of its jobs says whose it is, and no query bills over the maximum.

    The labels of a job are ``app``, ``step`` and, in a run, ``run_id``: the billing export and
    ``INFORMATION_SCHEMA.JOBS`` have them. ``options`` are bigquery.Client's own. Raises google.auth's errors.
    """

    def __init__(self, step: str, run_id: str | None = None, **options: Any) -> None:
        labels = {"app": "omnipipe", "step": step} | ({"run_id": _label(run_id)} if run_id else {})
        super().__init__(
            default_query_job_config=bigquery.QueryJobConfig(
                labels=labels, maximum_bytes_billed=MAXIMUM_BYTES_BILLED
            ),
            default_load_job_config=bigquery.LoadJobConfig(labels=labels),
            **options,
        )
        self._queries: list[Any] = []  # jobs, and answers without one: what says how much was read

    @property
    def bytes_processed(self) -> int | None:
        """How much the queries have read that have ended, in bytes; None when none said so."""
        sizes = [query.total_bytes_processed for query in self._queries if query.total_bytes_processed is not None]
        return sum(sizes) if sizes else None

    def query(self, *arguments: Any, **options: Any) -> bigquery.QueryJob:
        """As bigquery.Client's, counted."""
        job = super().query(*arguments, **options)
        self._queries.append(job)
        return job

    def query_and_wait(self, *arguments: Any, **options: Any) -> Any:
        """As bigquery.Client's, counted."""
        rows = super().query_and_wait(*arguments, **options)
        self._queries.append(rows)
        return rows

    def count(self, job_ids: Iterable[str]) -> None:
        """Count queries that another client has sent for this step; a warning says when BigQuery does not tell."""
        try:
            with ThreadPoolExecutor(_LOOKUPS) as pool:
                self._queries += pool.map(partial(self.get_job, retry=_RETRY, timeout=_TIMEOUT_S), job_ids)
        except (GoogleAPIError, RequestException) as error:  # no reason for a step to fail that has done its work
            _log.warning("BigQuery does not tell how much the step's queries have read: %s", error)


def _label(text: str) -> str:
    """A text as the value of a label: https://cloud.google.com/bigquery/docs/labels-intro#requirements."""
    return re.sub(r"[^a-z0-9_-]", "-", text.lower())[:63]


class RowsRefused(RuntimeError):
    """BigQuery refused rows of a streaming insert."""


def as_json(row: Any) -> dict[str, Any]:
    """Return a row of a declared table as the JSON that BigQuery takes (dates in ISO form, numerics as text)."""
    return {name: _value(value) for name, value in dataclasses.asdict(row).items()}


def _value(value: Any) -> Any:
    if isinstance(value, date):  # and datetime, which is one
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return {name: _value(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_value(item) for item in value]
    return value


def query(
    client: bigquery.Client, sql: str, *parameters: bigquery.ScalarQueryParameter, page_size: int | None = None
) -> Iterable[bigquery.Row]:
    """Run a query and return its rows, which are fetched ``page_size`` at a time.

    Raises google.api_core's errors, or requests' when BigQuery does not answer for half a minute.
    """
    config = bigquery.QueryJobConfig(query_parameters=parameters)
    return client.query_and_wait(
        sql, job_config=config, page_size=page_size, api_timeout=_TIMEOUT_S, retry=_RETRY, job_retry=_JOB_RETRY
    )


def insert(client: bigquery.Client, table: Table, rows: Iterable[Any]) -> int:
    """Stream ``rows`` (instances of ``table.row``) into ``table`` and return how many they were.

    Each row has an id of its own, so that BigQuery drops what a retry of a request repeats. Raises RowsRefused for
    the first batch with a row that BigQuery refuses; the batches before it are written.
    """
    count = 0
    rows = iter(rows)
    while batch := [as_json(row) for row in itertools.islice(rows, _BATCH)]:
        errors = client.insert_rows_json(table.id, batch, retry=_RETRY, timeout=_TIMEOUT_S)
        if errors:
            raise RowsRefused(
                f"{table.id}: BigQuery refused {len(errors)} of {len(batch)} rows, first: {errors[0]}"
            )
        count += len(batch)
    return count


def load(client: bigquery.Client, table: Table, rows: Iterable[Any], job_id: str | None = None) -> int:
    """Append ``rows`` (instances of ``table.row``) to ``table`` by one load job: all of them or none.

    With a ``job_id`` the same load is never done twice: a job of that id which succeeded is taken as this one's
    result, one that failed is followed by another attempt (``-2``, ``-3``…). Returns the number of rows of the
    load. Raises google.api_core's errors when BigQuery refuses it.
    """
    with tempfile.SpooledTemporaryFile(_SPOOL_BYTES, mode="r+b") as lines:
        count = 0
        for row in rows:
            lines.write(json.dumps(as_json(row)).encode() + b"\n")
            count += 1
        if count:
            _load_once(client, table, lines, job_id)
    return count


def _load_once(client: bigquery.Client, table: Table, lines: Any, job_id: str | None) -> None:
    config = bigquery.LoadJobConfig(
        source_format=bigquery.SourceFormat.NEWLINE_DELIMITED_JSON,
        write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
        create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
        schema=[bigquery.SchemaField.from_api_repr(field) for field in table.schema()],
    )
    for attempt in itertools.count(1):
        attempt_id = job_id if attempt == 1 or not job_id else f"{job_id}-{attempt}"
        try:
            job = client.load_table_from_file(
                lines,
                table.id,
                rewind=True,
                job_id=attempt_id,
                job_config=config,
                num_retries=_UPLOAD_RETRIES,
                timeout=_TIMEOUT_S,
            )
        except Conflict:
            if attempt_id is None:
                raise
            job = client.get_job(attempt_id, retry=_RETRY, timeout=_TIMEOUT_S)
            try:
                job.result(retry=_RETRY, timeout=_LOAD_TIMEOUT_S)
            except GoogleAPICallError:
                if not job.error_result:
                    raise  # it is not known how that attempt ended
                continue  # it failed, and has written nothing
            return
        job.result(retry=_RETRY, timeout=_LOAD_TIMEOUT_S)
        return
