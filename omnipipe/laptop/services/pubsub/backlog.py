"""What of a subscription is not acknowledged: in the store a row a chunk, in memory only what is about to be delivered.

A row has a bit for each of its chunk's messages that is done with: acknowledged, or not of the subscription's filter.
The row goes with its last message, unless acknowledged messages are retained; the chunk goes with its last row.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from omnipipe.laptop.services.pubsub.messages import PublishRequest
from omnipipe.laptop.services.pubsub.store import Store

# So much is in memory of what is not delivered yet; the rest waits in the store.
WINDOW_MESSAGES = 20_000
WINDOW_BYTES = 32 * 1024 * 1024
_LOADED_CHUNKS = 50


class Chunk:
    """Messages that were published together, as one subscription sees them."""

    __slots__ = ("acked", "count", "first", "left", "published")

    def __init__(self, first: int, count: int, published: int, acked: int) -> None:
        """``published`` is in microseconds since 1970; ``acked`` has a bit for each message that is done with."""
        self.first = first
        self.count = count
        self.published = published
        self.acked = acked
        self.left = count - acked.bit_count()


class Backlog:
    """The rows of one owner: a subscription, or a snapshot, of which nothing is ever loaded."""

    def __init__(self, store: Store, owner: int, retain: bool) -> None:
        self.retain = retain
        self._store = store
        self._owner = owner
        self._changed: set[Chunk] = set()
        self._last_loaded = -1
        self._all_loaded = not self._rest()

    def add(self, chunk: Chunk, room: bool) -> bool:
        """Keep what was just published. Whether it goes on into memory: there is room, and nothing older waits."""
        if not chunk.left:
            return False
        self._store.write(
            "INSERT INTO pending (owner, first, acked) VALUES (?, ?, ?)",
            self._owner,
            chunk.first,
            _packed(chunk.acked),
        )
        if self._all_loaded and room:
            self._last_loaded = chunk.first
            return True
        self._all_loaded = False
        return False

    def load(self) -> list[tuple[Chunk, Sequence[Any]]]:
        """The next chunks, with their messages; none when all are loaded."""
        if self._all_loaded:
            return []
        rows = self._rest(_LOADED_CHUNKS)
        self._all_loaded = len(rows) < _LOADED_CHUNKS
        found = []
        for first, acked, count, published, messages in rows:
            self._last_loaded = first
            found.append((Chunk(first, count, published, _unpacked(acked)), read_messages(messages)))
        return found

    def rewind(self) -> None:
        """Forget what was loaded: it is loaded again, from the oldest on."""
        self._store.settle()
        self._changed.clear()
        self._last_loaded = -1
        self._all_loaded = not self._rest()

    def acknowledge(self, chunk: Chunk, number: int) -> None:
        """One message of a loaded chunk is done with."""
        bit = 1 << (number - chunk.first)
        if not chunk.acked & bit:
            chunk.acked |= bit
            chunk.left -= 1
            self._changed.add(chunk)
            self._store.changed()

    def acknowledge_stored(self, number: int) -> bool:
        """The same for a message that is not loaded; whether it was there to be acknowledged."""
        rows = self._store.read(
            "SELECT p.first, p.acked, c.count, c.published FROM pending p JOIN chunks c USING (first)"
            " WHERE owner = ? AND first <= ? AND NOT done ORDER BY first DESC LIMIT 1",
            self._owner,
            number,
        )
        if not rows or number >= rows[0][0] + rows[0][2] or rows[0][0] <= self._last_loaded:
            return False
        first, acked, count, published = rows[0]
        chunk = Chunk(first, count, published, _unpacked(acked))
        before = chunk.left
        self.acknowledge(chunk, number)
        self.write()
        return chunk.left < before

    def write(self) -> None:
        """Write what was acknowledged since the last time."""
        if not self._changed:
            return
        over = [chunk for chunk in self._changed if not chunk.left]
        rest = [(_packed(chunk.acked), self._owner, chunk.first) for chunk in self._changed if chunk.left]
        self._changed.clear()
        if rest:
            self._store.write_many("UPDATE pending SET acked = ? WHERE owner = ? AND first = ?", rest)
        if over and self.retain:
            done = [(_packed(chunk.acked), self._owner, chunk.first) for chunk in over]
            self._store.write_many("UPDATE pending SET acked = ?, done = 1 WHERE owner = ? AND first = ?", done)
        elif over:
            keys = [(self._owner, chunk.first) for chunk in over]
            self._store.write_many("DELETE FROM pending WHERE owner = ? AND first = ?", keys)
            discard(self._store, [chunk.first for chunk in over])

    def _rest(self, limit: int = 1) -> list[tuple[Any, ...]]:
        return self._store.read(
            "SELECT p.first, p.acked, c.count, c.published, c.messages FROM pending p JOIN chunks c USING (first)"
            " WHERE owner = ? AND first > ? AND NOT done ORDER BY first LIMIT ?",
            self._owner,
            self._last_loaded,
            limit,
        )


def discard(store: Store, chunks: Iterable[int]) -> None:
    """Remove those chunks that nobody waits for, and that their topic does not retain."""
    store.write_many(
        "DELETE FROM chunks WHERE first = ?1 AND NOT EXISTS (SELECT 1 FROM pending WHERE first = ?1)"
        " AND published < ?2 - COALESCE((SELECT value FROM counters WHERE name = 'retention-' || topic), -1)",
        [(first, int(time.time() * 1e6)) for first in chunks],
    )


def read_messages(content: bytes) -> Sequence[Any]:
    """The messages of a chunk."""
    return PublishRequest.FromString(content).messages


def seek_to_time(
    store: Store, owner: int, moment: int, bits: Callable[[Sequence[Any]], int], topic: int, retain: bool
) -> None:
    """Let what was published before a moment be done with, and what after not, as far as it is kept.

    ``topic`` is the number of the topic if that retains messages, else 0; ``retain``: the subscription does;
    ``bits`` are those of messages that are not of its filter.
    """
    earlier = store.read(
        "SELECT first FROM pending JOIN chunks USING (first) WHERE owner = ? AND published < ?", owner, moment
    )
    if retain:
        done = "UPDATE pending SET done = 1 WHERE owner = ? AND first = ?"
        store.write_many(done, [(owner, first) for (first,) in earlier])
    else:
        store.write_many(
            "DELETE FROM pending WHERE owner = ? AND first = ?", [(owner, each) for (each,) in earlier]
        )
        discard(store, [first for (first,) in earlier])
    later = store.read(
        "SELECT first, messages FROM chunks WHERE published >= ? AND (topic = ? OR (? AND first IN"
        " (SELECT first FROM pending WHERE owner = ?)))",
        moment,
        topic,
        retain,
        owner,
    )
    for first, content in later:
        messages = read_messages(content)
        restore(store, owner, first, bits(messages), len(messages))


def restore(store: Store, owner: int, first: int, acked: int, count: int) -> None:
    """Let a chunk be as new, but for the messages of these bits."""
    if acked.bit_count() < count:
        store.write("INSERT OR REPLACE INTO pending VALUES (?, ?, ?, 0)", owner, first, _packed(acked))


def _packed(bits: int) -> bytes:
    return bits.to_bytes((bits.bit_length() + 7) // 8, "little")


def _unpacked(content: bytes) -> int:
    return int.from_bytes(content, "little")
