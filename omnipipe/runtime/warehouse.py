"""Writing rows of the declared tables to BigQuery: streamed, or as one all-or-nothing load job."""

import dataclasses
import itertools
import json
import tempfile
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from google.api_core.exceptions import Conflict, GoogleAPICallError
from google.cloud import bigquery
from google.cloud.bigquery.retry import DEFAULT_RETRY

from omnipipe.contracts.schema import Table

# BigQuery's advice for insertAll: at most 500 rows a request.
_BATCH = 500
_TIMEOUT_S = 30.0
# The client's own default goes on for ten minutes, which is longer than a step may take to say that it failed.
_RETRY = DEFAULT_RETRY.with_timeout(60.0)
_LOAD_TIMEOUT_S = 300.0
_SPOOL_BYTES = 8 * 1024 * 1024


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


def insert(client: bigquery.Client, table: Table, rows: Iterable[Any]) -> int:
    """Stream ``rows`` (instances of ``table.row``) into ``table`` and return how many they were.

    Each row has an id of its own, so that BigQuery drops what a retry of a request repeats. Raises RowsRefused for
    the first batch with a row that BigQuery refuses; the batches before it are written.
    """
    written = 0
    rows = iter(rows)
    while batch := [as_json(row) for row in itertools.islice(rows, _BATCH)]:
        errors = client.insert_rows_json(table.id, batch, retry=_RETRY, timeout=_TIMEOUT_S)
        if errors:
            raise RowsRefused(
                f"{table.id}: BigQuery refused {len(errors)} of {len(batch)} rows, first: {errors[0]}"
            )
        written += len(batch)
    return written


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
                lines, table.id, rewind=True, job_id=attempt_id, job_config=config, timeout=_TIMEOUT_S
            )
        except Conflict:
            if attempt_id is None:
                raise
            try:
                client.get_job(attempt_id, retry=_RETRY, timeout=_TIMEOUT_S).result(timeout=_LOAD_TIMEOUT_S)
            except GoogleAPICallError:
                continue  # that attempt failed and has written nothing
            return
        job.result(timeout=_LOAD_TIMEOUT_S)
        return
