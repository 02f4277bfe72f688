"""What raw says a table of the source is: the latest version of each key, up to a position.

The latest is by source_timestamp, then by change_sequence_number, as in dbt/macros/latest_versions.sql; and as there, a
key that the newest backfill did not bring is gone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from canonical import Column, bigquery_checksum, bigquery_hash
from google.cloud import bigquery
from ranges import Bounds, Sum, Sums

# ruff: noqa: S608 - tables and columns are declared in this image, or named by the databases themselves

METADATA = "datastream_metadata"
_NEWEST_FIRST = f"{METADATA}.source_timestamp DESC, {METADATA}.change_sequence_number DESC, {METADATA}.change_type"
_IS_DELETED = f"IFNULL({METADATA}.change_type IN ('DELETE', 'UPDATE-DELETE'), FALSE)"
# All rows of a backfill have one uuid, and those of other events have each their own.
_BACKFILL = """
    SELECT source_timestamp, change_sequence_number
    FROM (
      SELECT MAX({m}.source_timestamp) AS source_timestamp, MAX({m}.change_sequence_number) AS change_sequence_number
      FROM {table}
      WHERE {m}.change_type = 'INSERT' AND {m}.source_timestamp <= @position
      GROUP BY {m}.uuid
      HAVING MIN({key}) < MAX({key})
    )
    ORDER BY source_timestamp DESC, change_sequence_number DESC
    LIMIT 1
"""

# What a key is: the hash of each column's value, or None for a key that is not there.
State = tuple[str | None, ...] | None


@dataclass(frozen=True)
class Raw:
    """A raw table whose versions up to ``position_ms`` are looked at, by the columns that the source has too."""

    client: bigquery.Client
    table: str
    key: str
    columns: Sequence[Column]
    position_ms: int
    backfill: tuple[int, str] | None  # position of the newest

    @staticmethod
    def open(client: bigquery.Client, table: str, key: str, columns: Sequence[Column], position_ms: int) -> "Raw":
        """Find the newest backfill: one pass over the key and Datastream's columns."""
        sql = _BACKFILL.format(m=METADATA, table=table, key=f"`{key}`")
        found = _rows(client, sql, _number("position", position_ms))
        backfill = (found[0]["source_timestamp"], found[0]["change_sequence_number"]) if found else None
        return Raw(client, table, key, columns, position_ms, backfill)

    def sums(self, width: int, within: Bounds | None) -> Sums:
        """What each range of keys of this width holds; ``within`` are the keys that are looked at, or all."""
        sql = f"""
            WITH latest AS (
              SELECT `{self.key}` AS key, {bigquery_checksum(self.columns)} AS checksum, {self._is_gone()} AS is_gone
              FROM {self.table}
              WHERE {METADATA}.source_timestamp <= @position AND ({_among(self.key, within)})
              QUALIFY ROW_NUMBER() OVER (PARTITION BY `{self.key}` ORDER BY {_NEWEST_FIRST}) = 1
            )
            SELECT DIV(key, {width}) AS number, COUNT(*) AS found, SUM(checksum) AS checksum
            FROM latest
            WHERE NOT is_gone
            GROUP BY number
        """
        found = _rows(self.client, sql, _number("position", self.position_ms))
        return {row["number"]: Sum(row["found"], int(row["checksum"])) for row in found}

    def states(self, keys: Sequence[int], since_ms: int) -> dict[int, list[State]]:
        """What raw says some keys have been, from the latest version at ``since_ms`` on; the newest is the last.

        A key of which raw knows no version up to then begins as one that is not there.
        """
        hashes = ", ".join(f"{bigquery_hash(column)} AS hash_{i}" for i, column in enumerate(self.columns))
        is_later = f"{METADATA}.source_timestamp > @since"
        sql = f"""
            SELECT `{self.key}` AS key, {hashes}, {self._is_gone()} AS is_gone, {is_later} AS is_later
            FROM {self.table}
            WHERE `{self.key}` IN UNNEST(@keys)
            QUALIFY {is_later}
              OR ROW_NUMBER() OVER (PARTITION BY `{self.key}`, {is_later} ORDER BY {_NEWEST_FIRST}) = 1
            ORDER BY {METADATA}.source_timestamp, {METADATA}.change_sequence_number, {METADATA}.change_type DESC
        """
        keys_asked = bigquery.ArrayQueryParameter("keys", "INT64", list(keys))
        found: dict[int, list[State]] = {}
        for row in _rows(self.client, sql, _number("since", since_ms), keys_asked):
            before = found.setdefault(row["key"], [None] if row["is_later"] else [])
            hashed = tuple(row[f"hash_{i}"] for i in range(len(self.columns)))
            before.append(None if row["is_gone"] else hashed)
        return {key: found.get(key, [None]) for key in keys}

    def _is_gone(self) -> str:
        """The condition that a version says that its key is not there, or is older than the newest backfill."""
        if self.backfill is None:
            return _IS_DELETED
        timestamp, number = self.backfill
        return (
            f"({_IS_DELETED} OR {METADATA}.source_timestamp < {timestamp} OR ({METADATA}.source_timestamp = {timestamp}"
            f" AND {METADATA}.change_sequence_number < '{number}'))"
        )


def columns_of(client: bigquery.Client, table: str) -> list[str]:
    """The columns of a raw table without Datastream's own. Raises google.api_core's NotFound when there is no such."""
    return [field.name for field in client.get_table(table).schema if field.name != METADATA]


def _among(key: str, within: Bounds | None) -> str:
    if within is None:
        return "TRUE"
    return " OR ".join(f"`{key}` BETWEEN {first} AND {last}" for first, last in within)


def _number(name: str, value: int) -> bigquery.ScalarQueryParameter:
    return bigquery.ScalarQueryParameter(name, "INT64", value)


def _rows(client: bigquery.Client, sql: str, *parameters: Any) -> list[bigquery.Row]:
    config = bigquery.QueryJobConfig(query_parameters=parameters)
    return list(client.query(sql, job_config=config).result())
