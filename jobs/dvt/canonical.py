"""One text of a value on both sides: Postgres and BigQuery write the same value in different ways.

A row's text has one of each column, with a mark for null, between separators. Its checksum is the beginning of the
text's MD5 as a number: both databases compute it, and sums of it, so no value leaves either of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

# 11 digits of 4 bits, so that the sum over 100,000 keys fits into 64 bits.
_DIGITS = 11


@dataclass(frozen=True)
class Form:
    """How a value becomes text: an expression of each database, with ``{c}`` for the column."""

    postgres: str
    bigquery: str


_TEXT = Form("{c}::text", "{c}")
_WHOLE = Form("{c}::text", "CAST({c} AS STRING)")
# Not every BigQuery leaves trailing zeros out.
_EXACT = Form(
    "trim_scale({c})::text",
    "IF(STRPOS(CAST({c} AS STRING), '.') > 0, RTRIM(RTRIM(CAST({c} AS STRING), '0'), '.'), CAST({c} AS STRING))",
)
_MOMENT = Form(
    "CASE WHEN isfinite({c}) THEN (extract(epoch FROM {c}) * 1000000)::bigint::text ELSE {c}::text END",
    "CAST(UNIX_MICROS({c}) AS STRING)",
)
_DAY = Form(
    "CASE WHEN isfinite({c}) THEN ({c} - DATE '1970-01-01')::text ELSE {c}::text END",
    "CAST(UNIX_DATE({c}) AS STRING)",
)
_FLAG = Form("CASE WHEN {c} THEN 'true' WHEN NOT {c} THEN 'false' END", "CAST({c} AS STRING)")
# Padded by Postgres to its length, in the log and not in its text.
_PADDED = Form("rtrim({c}::text, ' ')", "RTRIM({c}, ' ')")
_BYTES = Form("encode({c}, 'hex')", "TO_HEX({c})")
# Floats, JSON, arrays, times and intervals have no text in common: whether there is a value is compared, not which.
_PRESENT = Form("CASE WHEN {c} IS NOT NULL THEN 'x' END", "IF({c} IS NOT NULL, 'x', NULL)")

_BY_TYPE = {
    **dict.fromkeys(("int2", "int4", "int8", "oid"), _WHOLE),
    **dict.fromkeys(("varchar", "text", "name", "uuid", "inet", "cidr", "macaddr", "enum"), _TEXT),
    **dict.fromkeys(("timestamp", "timestamptz"), _MOMENT),
    "numeric": _EXACT,
    "bool": _FLAG,
    "date": _DAY,
    "bpchar": _PADDED,
    "bytea": _BYTES,
}


@dataclass(frozen=True)
class Column:
    """A column of a table that is captured: its name, and its type in Postgres, ``enum`` for each such."""

    name: str
    type: str

    @property
    def _form(self) -> Form:
        return _BY_TYPE.get(self.type, _PRESENT)

    def in_postgres(self) -> sql.Composable:
        """The value's text, as an expression of Postgres."""
        return sql.SQL(self._form.postgres).format(c=sql.Identifier(self.name))  # type: ignore[arg-type] - constants of this file

    def in_bigquery(self) -> str:
        """The value's text, as an expression of BigQuery."""
        return self._form.bigquery.format(c=f"`{self.name}`")


def postgres_hash(column: Column) -> sql.Composable:
    """A hash of a value's text in Postgres; null for null."""
    return sql.SQL("md5({})").format(column.in_postgres())


def bigquery_hash(column: Column) -> str:
    """The same in BigQuery."""
    return f"TO_HEX(MD5({column.in_bigquery()}))"


def postgres_checksum(columns: Sequence[Column]) -> sql.Composable:
    """The checksum of a row in Postgres."""
    values = [sql.SQL("coalesce('=' || {}, '-')").format(column.in_postgres()) for column in columns]
    text = sql.SQL("concat_ws(chr(31), {})").format(sql.SQL(", ").join(values))
    return sql.SQL("('x' || lpad(left(md5({}), {}), 16, '0'))::bit(64)::bigint").format(text, sql.Literal(_DIGITS))


def bigquery_checksum(columns: Sequence[Column]) -> str:
    """The same in BigQuery."""
    values = [f"IFNULL(CONCAT('=', {column.in_bigquery()}), '-')" for column in columns]
    text = f"CONCAT({', CHR(31), '.join(values)})"
    return f"CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5({text})), 1, {_DIGITS})) AS INT64)"
