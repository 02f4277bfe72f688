"""Events that have no counterpart in BigQuery: kept, their values masked, with the reason and where to look.

Datastream tells of them in its log and drops them. Here they are also kept: in the table that the program's laptop.yaml
names, or in a file beside the stream's status.
"""

import io
import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from google.api_core.exceptions import NotFound
from google.cloud import bigquery

from omnipipe.laptop.services.datastream.config import Config
from omnipipe.laptop.services.datastream.destination import Destination

logger = logging.getLogger(__name__)


class DeadLetters:
    """The dead letters of a stream: the columns dead_letter_id, origin, payload, reason and recorded_at."""

    def __init__(self, destination: Destination, config: Config) -> None:
        self._destination = destination
        self._origin = config.name
        self._table = config.dead_letters
        self._file = config.state_dir / "dead_letters.jsonl"

    def add(self, letters: Sequence[tuple[str, dict[str, Any], str]]) -> None:
        """Keep events: an id that is the same when the event comes again, the event, and why it is given up."""
        if not letters:
            return
        for identity, _, reason in letters:
            logger.warning("dead letter %s: %s", identity, reason)
        rows = [
            {
                "dead_letter_id": identity,
                "origin": self._origin,
                "payload": json.dumps(event, default=str),
                "reason": f"{reason}. Mend the value at the source: its next change comes through.",
                "recorded_at": datetime.now(UTC).isoformat(),
            }
            for identity, event, reason in letters
        ]
        try:
            if self._table:
                table = self._table
                self._destination.patiently(lambda: self._write(table, rows))
                return
        except NotFound:
            logger.warning("there is no table %s for dead letters: they go to %s", self._table, self._file)
        with self._file.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
            file.flush()

    def _write(self, table: str, rows: list[dict[str, Any]]) -> None:
        # After a crash the same event may come again.
        ids = bigquery.ArrayQueryParameter("ids", "STRING", [row["dead_letter_id"] for row in rows])
        query = f"SELECT dead_letter_id FROM `{table}` WHERE dead_letter_id IN UNNEST(@ids)"  # noqa: S608 - named in laptop.yaml
        there = {row["dead_letter_id"] for row in self._destination.query(query, ids)}
        lines = [json.dumps(row) for row in rows if row["dead_letter_id"] not in there]
        if lines:
            client = self._destination.client
            config = bigquery.LoadJobConfig(
                source_format=bigquery.SourceFormat.NEWLINE_DELIMITED_JSON,
                write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
                create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
                schema=client.get_table(table).schema,
            )
            client.load_table_from_file(io.BytesIO("\n".join(lines).encode()), table, job_config=config).result()
