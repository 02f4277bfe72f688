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

from omnipipe.contracts.datastream import DELETES, METADATA, METADATA_FIELD

# ruff: noqa: S608 - tables and columns are declared in this image, or named by the databases themselves

_EVENT, _TIMESTAMP = METADATA_FIELD.uuid, METADATA_FIELD.source_timestamp
_NUMBER, _TYPE = METADATA_FIELD.change_sequence_number, METADATA_FIELD.change_type
_NEWEST_FIRST = f"{_TIMESTAMP} DESC, {_NUMBER} DESC, {_TYPE}"
_IS_DELETED = f"IFNULL({_TYPE} IN {DELETES}, FALSE)"
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
        # All rows of a backfill have one uuid, and those of other events have each their own.
        sql = f"""
            SELECT timestamp, number
            FROM (
              SELECT MAX({_TIMESTAMP}) AS timestamp, MAX({_NUMBER}) AS number
              FROM {table}
              WHERE {_TYPE} = 'INSERT' AND {_TIMESTAMP} <= @position
              GROUP BY {_EVENT}
              HAVING MIN(`{key}`) < MAX(`{key}`)
            )
            ORDER BY timestamp DESC, number DESC
            LIMIT 1
        """
        found = _rows(client, sql, _number("position", position_ms))
        backfill = (found[0]["timestamp"], found[0]["number"]) if found else None
        return Raw(client, table, key, columns, position_ms, backfill)

    def sums(self, width: int, within: Bounds | None) -> Sums:
        """What each range of keys of this width holds; ``within`` are the keys that are looked at, or all."""
        sql = f"""
            WITH latest AS (
              SELECT `{self.key}` AS key, {bigquery_checksum(self.columns)} AS checksum, {self._is_gone()} AS is_gone
              FROM {self.table}
              WHERE {_TIMESTAMP} <= @position AND ({_among(self.key, within)})
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
        is_later = f"{_TIMESTAMP} > @since"
        sql = f"""
            SELECT `{self.key}` AS key, {hashes}, {self._is_gone()} AS is_gone, {is_later} AS is_later
            FROM {self.table}
            WHERE `{self.key}` IN UNNEST(@keys)
            QUALIFY {is_later}
              OR ROW_NUMBER() OVER (PARTITION BY `{self.key}`, {is_later} ORDER BY {_NEWEST_FIRST}) = 1
            ORDER BY {_TIMESTAMP}, {_NUMBER}, {_TYPE} DESC
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
        is_older = f"{_TIMESTAMP} < {timestamp} OR ({_TIMESTAMP} = {timestamp} AND {_NUMBER} < '{number}')"
        return f"({_IS_DELETED} OR {is_older})"


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
