"""The messages of PostgreSQL's logical replication protocol, version 1 (plugin ``pgoutput``), values as text.

https://www.postgresql.org/docs/18/protocol-logicalrep-message-formats.html
"""

import enum
import struct
from typing import NamedTuple, TypeAlias


class Unchanged(enum.Enum):
    """A large (TOASTed) value that an update did not touch: the log does not hold it. It is not NULL."""

    VALUE = enum.auto()


UNCHANGED = Unchanged.VALUE
Value: TypeAlias = bytes | Unchanged | None


class Begin(NamedTuple):
    """A transaction begins. ``commit_lsn`` is the position of its commit in the log."""

    commit_lsn: int
    committed_at_us: int  # since 2000-01-01 UTC
    xid: int


class Commit(NamedTuple):
    """A transaction ends. The log goes on at ``end_lsn``."""

    end_lsn: int


class RelationColumn(NamedTuple):
    """A column of a table, as it was when the change was made."""

    name: str
    type_oid: int
    type_modifier: int
    in_identity: bool


class Relation(NamedTuple):
    """What a table looks like, sent before its first change and after each change of its definition."""

    oid: int
    schema: str
    table: str
    identity: str  # d default, i index, f full, n nothing
    columns: tuple[RelationColumn, ...]


class Insert(NamedTuple):
    """A new row."""

    oid: int
    new: list[Value]


class Update(NamedTuple):
    """A changed row. ``old`` has the key if that changed, or the whole row (REPLICA IDENTITY FULL), or is None."""

    oid: int
    old: list[Value] | None
    new: list[Value]


class Delete(NamedTuple):
    """A deleted row. ``old`` has its key, the other values None, or the whole row (REPLICA IDENTITY FULL)."""

    oid: int
    old: list[Value]


class Truncate(NamedTuple):
    """Tables were emptied."""

    oids: tuple[int, ...]


Message: TypeAlias = Begin | Commit | Relation | Insert | Update | Delete | Truncate

_LENGTH = struct.Struct(">i").unpack_from
_COUNT = struct.Struct(">H").unpack_from
_OID = struct.Struct(">I").unpack_from
_BEGIN = struct.Struct(">QqI").unpack_from
_COMMIT = struct.Struct(">BQQq").unpack_from
_COLUMN = struct.Struct(">Ii").unpack_from
_TRUNCATE = struct.Struct(">IB").unpack_from

_TEXT, _NULL, _UNCHANGED = b"tnu"
_NEW, _KEY, _OLD = b"NKO"


def decode(data: bytes) -> Message | None:
    """Decode one message; None for those that say nothing about rows (origin, type, logical message).

    Raises ValueError for bytes that are no message of this protocol.
    """
    kind = data[0]
    if kind == 0x49:  # I
        return Insert(_OID(data, 1)[0], _tuple(data, 6)[0])
    if kind == 0x55:  # U
        old = None
        at = 5
        if data[at] in (_KEY, _OLD):
            old, at = _tuple(data, at + 1)
        if data[at] != _NEW:
            raise ValueError(f"an update has the part {data[at]:#x} where its new row belongs")
        return Update(_OID(data, 1)[0], old, _tuple(data, at + 1)[0])
    if kind == 0x44:  # D
        return Delete(_OID(data, 1)[0], _tuple(data, 6)[0])
    if kind == 0x42:  # B
        return Begin(*_BEGIN(data, 1))
    if kind == 0x43:  # C
        return Commit(_COMMIT(data, 1)[2])
    if kind == 0x52:  # R
        return _relation(data)
    if kind == 0x54:  # T
        count, _ = _TRUNCATE(data, 1)
        return Truncate(struct.unpack_from(f">{count}I", data, 6))
    if kind in b"OYM":
        return None
    raise ValueError(f"unknown message {data[:1]!r} from the replication slot")


def _tuple(data: bytes, at: int) -> tuple[list[Value], int]:
    (count,) = _COUNT(data, at)
    at += 2
    values: list[Value] = []
    append = values.append
    for _ in range(count):
        kind = data[at]
        if kind == _TEXT:
            start = at + 5
            at = start + _LENGTH(data, at + 1)[0]
            append(data[start:at])
            continue
        at += 1
        if kind == _NULL:
            append(None)
        elif kind == _UNCHANGED:
            append(UNCHANGED)
        else:
            raise ValueError(f"unknown kind of value {kind:#x} from the replication slot")
    return values, at


def _relation(data: bytes) -> Relation:
    (oid,) = _OID(data, 1)
    schema, at = _string(data, 5)
    table, at = _string(data, at)
    identity = chr(data[at])
    (count,) = _COUNT(data, at + 1)
    at += 3
    columns = []
    for _ in range(count):
        in_identity = bool(data[at] & 1)
        name, at = _string(data, at + 1)
        type_oid, modifier = _COLUMN(data, at)
        columns.append(RelationColumn(name, type_oid, modifier, in_identity))
        at += 8
    return Relation(oid, schema, table, identity, tuple(columns))


def _string(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(0, at)
    return data[at:end].decode(), end + 1
