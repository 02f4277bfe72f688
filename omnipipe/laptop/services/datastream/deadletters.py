"""Events that have no counterpart in BigQuery: kept, their values masked, with the reason and where to look."""

import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from google.api_core.exceptions import NotFound
from google.cloud import bigquery

from omnipipe.contracts.tables import DEAD_LETTERS, DeadLetter
from omnipipe.laptop.services.datastream.destination import Destination
from omnipipe.runtime import warehouse

logger = logging.getLogger(__name__)


class DeadLetters:
    """The table of dead letters, or, where the program declares none, a file beside the stream's status."""

    def __init__(self, destination: Destination, origin: str, state_dir: Path) -> None:
        self._destination = destination
        self._origin = origin
        self._file = state_dir / "dead_letters.jsonl"

    def add(self, letters: Sequence[tuple[str, dict[str, Any], str]]) -> None:
        """Keep events: an id that is the same when the event comes again, the event, and why it is given up."""
        if not letters:
            return
        for identity, _, reason in letters:
            logger.warning("dead letter %s: %s", identity, reason)
        rows = [
            DeadLetter(
                dead_letter_id=identity,
                origin=self._origin,
                payload=json.dumps(event, default=str),
                reason=f"{reason}. Mend the value at the source: its next change comes through.",
                run_id=None,
                recorded_at=datetime.now(UTC),
            )
            for identity, event, reason in letters
        ]
        try:
            self._destination.patiently(lambda: self._write(rows))
        except NotFound:
            with self._file.open("a") as file:
                file.writelines(json.dumps(warehouse.as_json(row)) + "\n" for row in rows)
                file.flush()

    def _write(self, rows: list[DeadLetter]) -> None:
        # After a crash the same event may come again.
        ids = bigquery.ArrayQueryParameter("ids", "STRING", [row.dead_letter_id for row in rows])
        query = f"SELECT dead_letter_id FROM `{DEAD_LETTERS.id}` WHERE dead_letter_id IN UNNEST(@ids)"  # noqa: S608 - a constant of contracts
        there = {row["dead_letter_id"] for row in self._destination.query(query, ids)}
        new = [row for row in rows if row.dead_letter_id not in there]
        if new:
            warehouse.load(self._destination.client, DEAD_LETTERS, new)
