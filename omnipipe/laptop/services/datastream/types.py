"""How Datastream maps PostgreSQL's types to BigQuery's, and how their text becomes Arrow columns.

https://cloud.google.com/datastream/docs/destination-bigquery#map_data_types

The text is what PostgreSQL sends with ``SESSION_SETTINGS``. Columns are converted as a whole by Arrow; only bytes,
bits and arrays go through Python value by value.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute
from psycopg.adapt import Transformer
from psycopg.pq import Format

# Made at import, so the type checker does not see its functions.
pc: Any = pyarrow.compute

# What the text of values depends on.
SESSION_SETTINGS = {
    "timezone": "UTC",
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "lc_monetary": "C",
    "client_encoding": "UTF8",
}

_NUMERIC = pa.decimal128(38, 9)
# BigQuery's has 38 digits on each side; this is what the laptop's holds (services/bigquery/emulator.py).
_BIGNUMERIC = pa.decimal128(38, 18)
_INTERVAL = r"^(-?\d+ (year|mon|day)s? ?)*(-?\d+:\d\d:\d\d(\.\d+)?)?$"
_TEXT_ARRAY_OID = 1009


@dataclass(frozen=True)
class PgType:
    """A row of ``pg_type``."""

    oid: int
    name: str
    kind: str  # typtype: b base, d domain, e enum ...
    base_oid: int  # of a domain
    base_modifier: int  # of a domain
    element_oid: int  # of an array, else 0


@dataclass(frozen=True)
class ColumnType:
    """A BigQuery type, and how a column of PostgreSQL's text becomes its Arrow column.

    ``parse`` raises pyarrow.ArrowInvalid or ValueError when one of the values has no counterpart.
    """

    bigquery: str
    arrow: pa.DataType
    parse: Callable[[pa.Array], pa.Array]


def column_type(oid: int, modifier: int, types: Mapping[int, PgType]) -> ColumnType | None:
    """The type of a column, or None when Datastream does not support it."""
    found = types.get(oid)
    if found is None:
        return None
    if found.kind == "d":
        return column_type(found.base_oid, found.base_modifier, types)
    if found.kind == "e":
        return _STRING
    if found.element_oid:
        element = types[found.element_oid].name
        return ColumnType("JSON", pa.string(), lambda texts: _arrays(texts, element))
    if found.name == "numeric":
        return _numeric(modifier)
    return _BY_NAME.get(found.name)


def convert(column: ColumnType, texts: pa.Array) -> tuple[pa.Array, dict[int, str]]:
    """Convert a column; values without a counterpart become null and are reported by index, with the reason.

    The reason does not quote the value: it goes to the log, where nobody may read personal data.
    """
    try:
        return column.parse(texts), {}
    except (pa.ArrowInvalid, ValueError):
        if len(texts) == 1:
            characters = len(texts[0].as_py() or "")
            return pa.nulls(1, column.arrow), {
                0: f"a value of {characters} characters that is no {column.bigquery}"
            }
    half = len(texts) // 2
    left, bad_left = convert(column, texts[:half])
    right, bad_right = convert(column, texts[half:])
    bad = bad_left | {half + index: reason for index, reason in bad_right.items()}
    return pa.concat_arrays([left, right]), bad


def _cast(bigquery: str, arrow: pa.DataType) -> ColumnType:
    return ColumnType(bigquery, arrow, lambda texts: texts.cast(arrow))


def _numeric(modifier: int) -> ColumnType:
    if modifier < 0:
        return _STRING
    precision = (modifier - 4) >> 16 & 0xFFFF
    scale = ((modifier - 4 & 0x7FF) ^ 1024) - 1024
    if scale <= 9 and precision - scale <= 29:
        return _cast("NUMERIC", _NUMERIC)
    if scale <= 38 and precision - scale <= 38:
        return _cast("BIGNUMERIC", _BIGNUMERIC)
    return _STRING


def _money(texts: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(texts, r"[$,]", "").cast(pa.float64())


def _bool(texts: pa.Array) -> pa.Array:
    return pc.equal(texts, "t")


def _timestamp(texts: pa.Array) -> pa.Array:
    # Datastream takes a timestamp without time zone as UTC.
    return texts.cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))


def _time(texts: pa.Array) -> pa.Array:
    # Arrow reads no times of day, but it reads timestamps.
    return _on_first_day(texts).cast(pa.timestamp("us")).cast(pa.time64("us"))


def _timetz(texts: pa.Array) -> pa.Array:
    return _on_first_day(texts).cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us")).cast(pa.time64("us"))


def _on_first_day(texts: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise("1970-01-01", texts, " ")


def _interval(texts: pa.Array) -> pa.Array:
    plain = pc.replace_substring(texts, "+", "")
    if not pc.all(pc.match_substring_regex(plain, _INTERVAL), min_count=0).as_py():
        raise ValueError("not an interval of finite length")
    return plain


def _bytea(texts: pa.Array) -> pa.Array:
    values = [None if text is None else bytes.fromhex(text[2:]) for text in texts.to_pylist()]
    return pa.array(values, pa.binary())


def _bits(texts: pa.Array) -> pa.Array:
    return pa.array([None if text is None else _packed(text) for text in texts.to_pylist()], pa.binary())


def _packed(bits: str) -> bytes:
    """Eight bits a byte from the left, as PostgreSQL keeps them."""
    length = math.ceil(len(bits) / 8)
    return int(bits.ljust(length * 8, "0") or "0", 2).to_bytes(length)


def _arrays(texts: pa.Array, element: str) -> pa.Array:
    load: Any = Transformer().get_loader(_TEXT_ARRAY_OID, Format.TEXT).load
    values = [None if text is None else _json(load(text.encode()), element) for text in texts.to_pylist()]
    return pa.array(values, pa.string())


def _json(value: Any, element: str) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_json(item, element) for item in value)}]"
    if value is None:
        return "null"
    if element in ("json", "jsonb"):
        return value
    if element == "bool":
        return "true" if value == "t" else "false"
    if element in _NUMBERS and re.fullmatch(r"-?\d+(\.\d+)?(e[+-]?\d+)?", value):
        return value
    return json.dumps(value)


_NUMBERS = ("int2", "int4", "int8", "oid", "float4", "float8", "numeric")
_STRING = ColumnType("STRING", pa.string(), lambda texts: texts)
_INT64 = _cast("INT64", pa.int64())
_FLOAT64 = _cast("FLOAT64", pa.float64())
_STRINGS = ("bpchar", "varchar", "text", "char", "name", "uuid", "xml", "inet", "cidr", "macaddr", "tsvector")
_BITS = ColumnType("BYTES", pa.binary(), _bits)
_BY_NAME: dict[str, ColumnType] = {
    **dict.fromkeys(("int2", "int4", "int8", "oid"), _INT64),
    **dict.fromkeys(("float4", "float8"), _FLOAT64),
    **dict.fromkeys(_STRINGS, _STRING),
    **dict.fromkeys(("json", "jsonb"), ColumnType("JSON", pa.string(), lambda texts: texts)),
    **dict.fromkeys(("bit", "varbit"), _BITS),
    "money": ColumnType("FLOAT64", pa.float64(), _money),
    "bool": ColumnType("BOOL", pa.bool_(), _bool),
    "date": _cast("DATE", pa.date32()),
    "timestamp": ColumnType("TIMESTAMP", pa.timestamp("us", "UTC"), _timestamp),
    "timestamptz": _cast("TIMESTAMP", pa.timestamp("us", "UTC")),
    "time": ColumnType("TIME", pa.time64("us"), _time),
    "timetz": ColumnType("TIME", pa.time64("us"), _timetz),
    "interval": ColumnType("INTERVAL", pa.string(), _interval),
    "bytea": ColumnType("BYTES", pa.binary(), _bytea),
}


def of_bigquery(name: str) -> ColumnType:
    """The type of a BigQuery column that the source's table has no longer, or with another type."""
    return _BY_BIGQUERY[name]


_BY_BIGQUERY = {
    **{found.bigquery: found for found in _BY_NAME.values()},
    "STRING": _STRING,
    "TIMESTAMP": _BY_NAME["timestamptz"],
    "BYTES": _BY_NAME["bytea"],
    "FLOAT64": _FLOAT64,
    "TIME": _BY_NAME["time"],
    "NUMERIC": _cast("NUMERIC", _NUMERIC),
    "BIGNUMERIC": _cast("BIGNUMERIC", _BIGNUMERIC),
}
