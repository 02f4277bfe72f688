"""The BigQuery side: tables as Datastream makes them, atomic loads, and what a table already has."""

import io
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
import requests
from google.api_core.exceptions import BadRequest, Conflict, NotFound, ServerError, TooManyRequests
from google.auth.credentials import Credentials
from google.auth.exceptions import TransportError
from google.cloud import bigquery

from omnipipe.contracts.datastream import DELETES, METADATA_FIELD, METADATA_SCHEMA
from omnipipe.laptop.services.datastream.config import Layout

logger = logging.getLogger(__name__)
T = TypeVar("T")

# The emulator answers with both generations of the names.
_TYPE_NAMES = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
_TRANSIENT = (ServerError, TooManyRequests, TransportError, requests.ConnectionError, requests.Timeout)
_TIMEOUT_S = 60.0
# The client would go on for ten minutes and not hear that the worker is to stop; `patiently` tries again instead.
_ONCE: Any = None
_LONGEST_PAUSE_S = 5.0


class Refused(Exception):
    """BigQuery does not take these rows, now or later; the text is the code of its reason."""


class Stopping(Exception):
    """The worker was asked to stop while BigQuery was away."""


@dataclass(frozen=True)
class Column:
    """A column of a BigQuery table."""

    name: str
    bigquery: str


class Destination:
    """The tables of a stream. Every operation waits for a BigQuery that is away, until ``stop`` is set."""

    def __init__(
        self,
        endpoint: str,
        project: str,
        credentials: Credentials,
        stop: threading.Event,
        waiting: Callable[[str], None],
    ) -> None:
        """``waiting`` is called with the reason each time that an operation has to be tried again."""
        self.client = bigquery.Client(
            project=project, credentials=credentials, client_options={"api_endpoint": endpoint}
        )
        self._stop = stop
        self._waiting = waiting

    def has_dataset(self, dataset: str) -> bool:
        """Whether a dataset is there."""
        try:
            self.patiently(lambda: self.client.get_dataset(dataset, retry=_ONCE, timeout=_TIMEOUT_S))
        except NotFound:
            return False
        return True

    def ensure_dataset(self, dataset: str, location: str) -> None:
        """Make a dataset if it is not there."""
        definition = bigquery.Dataset(f"{self.client.project}.{dataset}")
        definition.location = location
        self.patiently(
            lambda: self.client.create_dataset(definition, exists_ok=True, retry=_ONCE, timeout=_TIMEOUT_S)
        )

    def ensure_table(self, target: str, columns: Sequence[Column], layout: Layout) -> tuple[list[Column], bool]:
        """Make a table, or add the columns that it lacks; its columns in their order, and whether it was made now."""
        definition = bigquery.Table(
            f"{self.client.project}.{target}",
            [bigquery.SchemaField(column.name, column.bigquery) for column in columns]
            + [bigquery.SchemaField.from_api_repr(METADATA_SCHEMA)],
        )
        if layout.partition:
            definition.time_partitioning = bigquery.TimePartitioning(type_=layout.partition)
        definition.clustering_fields = list(layout.cluster_by) or None
        made = self.patiently(lambda: self._make(definition))
        there = {field.name for field in self._get(target).schema}
        missing = [column for column in columns if column.name not in there]
        for column in missing:
            logger.info("adding the column %s %s to %s", column.name, column.bigquery, target)
            # The statement changes the emulator's table, and tables.patch what it says of it: both are needed.
            statement = f"ALTER TABLE `{target}` ADD COLUMN IF NOT EXISTS `{column.name}` {column.bigquery}"
            self.patiently(lambda statement=statement: self.query(statement))
        if missing:
            table = self._get(target)
            table.schema = [
                *table.schema,
                *(bigquery.SchemaField(column.name, column.bigquery) for column in missing),
            ]
            self.patiently(lambda: self.client.update_table(table, ["schema"], retry=_ONCE, timeout=_TIMEOUT_S))
        return self._columns(target), made

    def _make(self, definition: bigquery.Table) -> bool:
        try:
            self.client.create_table(definition, retry=_ONCE, timeout=_TIMEOUT_S)
        except Conflict:
            return False
        return True

    def _columns(self, target: str) -> list[Column]:
        types = {field.name: field.field_type for field in self._get(target).schema}
        # Loads go by position, so the order has to be the table's own, not that of its description.
        query = f"SELECT * FROM `{target}` LIMIT 0"  # noqa: S608 - the name is made by Config.target
        names = [field.name for field in self.patiently(lambda: self._run(query)).schema]
        return [Column(name, _TYPE_NAMES.get(types[name], types[name])) for name in names]

    def _get(self, target: str) -> bigquery.Table:
        return self.patiently(lambda: self.client.get_table(target, retry=_ONCE, timeout=_TIMEOUT_S))

    def newest(self, target: str) -> tuple[str | None, int]:
        """The greatest change sequence number of a table, and its newest source timestamp in epoch milliseconds."""
        query = f"""
            SELECT MAX({METADATA_FIELD.change_sequence_number}) AS number,
                MAX({METADATA_FIELD.source_timestamp}) AS timestamp
            FROM `{target}`
        """  # noqa: S608 - the name is made by Config.target
        (row,) = self.patiently(lambda: self.query(query))
        return row["number"], row["timestamp"] or 0

    def count_event(self, target: str, uuid: str) -> int:
        """How many rows of a table belong to one backfill."""
        where = f"{METADATA_FIELD.uuid} = '{uuid}'"
        query = f"SELECT COUNT(*) AS n FROM `{target}` WHERE {where}"  # noqa: S608 - as above
        (row,) = self.patiently(lambda: self.query(query))
        return row["n"]

    def delete_event(self, target: str, uuid: str) -> None:
        """Remove the rows of a backfill that did not come to its end."""
        query = f"DELETE FROM `{target}` WHERE {METADATA_FIELD.uuid} = '{uuid}'"  # noqa: S608 - as above
        self.patiently(lambda: self.query(query))

    def latest(
        self, target: str, key: Sequence[Column], keys: Iterable[tuple[Any, ...]], columns: Sequence[Column]
    ) -> dict[tuple[Any, ...], dict[str, Any]]:
        """The newest values of some columns by key; a key without a row, or with a delete as its last, is absent."""
        names = ", ".join(f"`{column.name}`" for column in key)
        values = ", ".join(
            f"TO_JSON_STRING(`{column.name}`) AS `{column.name}`"
            if column.bigquery == "JSON"
            else f"`{column.name}`"
            for column in columns
        )
        query = f"""
            SELECT * FROM (
                SELECT {names}, {values}, {METADATA_FIELD.change_type} AS change_type,
                    ROW_NUMBER() OVER (
                        PARTITION BY {names} ORDER BY {METADATA_FIELD.change_sequence_number} DESC
                    ) AS version
                FROM `{target}` WHERE `{key[0].name}` IN UNNEST(@keys)
            )
            WHERE version = 1 AND change_type NOT IN {DELETES}
        """  # noqa: S608 - names of the source's columns, quoted
        first = sorted({values[0] for values in keys})
        parameter = bigquery.ArrayQueryParameter("keys", key[0].bigquery, first)
        rows = self.patiently(lambda: self.query(query, parameter))
        wanted = [column.name for column in columns]
        return {tuple(row[column.name] for column in key): {name: row[name] for name in wanted} for row in rows}

    def query(self, query: str, *parameters: Any) -> list[bigquery.Row]:
        """The rows of a query, tried once."""
        return list(self._run(query, *parameters))

    def _run(self, query: str, *parameters: Any) -> Any:
        config = bigquery.QueryJobConfig(query_parameters=parameters)
        job = self.client.query(query, job_config=config, retry=_ONCE, job_retry=None, timeout=_TIMEOUT_S)
        return job.result(retry=_ONCE, job_retry=None, timeout=_TIMEOUT_S)

    def load(self, target: str, rows: pa.Table, arrived: Callable[[], bool]) -> None:
        """Append rows, whose columns are in the table's order: all of them or none, once.

        ``arrived`` says whether they are in the table. It is asked after a failure that leaves this open.

        Raises Refused when BigQuery does not take them, and NotFound when there is no such table.
        """
        body = io.BytesIO()
        pq.write_table(rows, body, compression="snappy")
        attempts = 0

        def attempt() -> None:
            nonlocal attempts
            attempts += 1
            if attempts > 1 and arrived():
                return
            body.seek(0)
            self._load(target, body)

        self.patiently(attempt)

    def _load(self, target: str, body: io.BytesIO) -> None:
        config = bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.PARQUET,
            write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
            create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
        )
        try:
            # Without its size it goes up as a resumable upload, the only kind that the emulator takes.
            job = self.client.load_table_from_file(
                body, target, job_config=config, num_retries=0, timeout=_TIMEOUT_S
            )
        except (BadRequest, NotFound) as error:
            # The emulator was restarted and does not know the upload. It was not at fault: once more.
            raise requests.ConnectionError(str(error)) from error
        try:
            job.result(retry=_ONCE, timeout=_TIMEOUT_S)
        except BadRequest as error:
            self.client.get_table(target, retry=_ONCE, timeout=_TIMEOUT_S)  # NotFound, if that is the reason
            # Not its message, which quotes values.
            raise Refused(", ".join(sorted({found["reason"] for found in error.errors})) or "no reason") from error

    def patiently(self, operation: Callable[[], T]) -> T:
        """Do something, again and again while BigQuery is away. Raises Stopping when asked to stop meanwhile."""
        pause_s = 0.1
        while True:
            try:
                return operation()
            except _TRANSIENT as error:
                reason = f"BigQuery is not available: {str(error).splitlines()[0][:200]}"
            self._waiting(reason)
            if self._stop.wait(pause_s):
                raise Stopping
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
