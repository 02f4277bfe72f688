"""Ordering keys: the messages of a key go to one taker at a time, and in order, also when they are delivered again.

https://cloud.google.com/pubsub/docs/ordering: a message that is delivered again brings all later ones of its key with
it, acknowledged or not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omnipipe.laptop.services.pubsub.delivery import Item, Taker


class Key:
    """The messages of an ordering key that were delivered (``outstanding``), and those that wait for that."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.outstanding: deque[Item] = deque()
        self.waiting: deque[Item] = deque()
        self.holder: Taker | None = None
        self.not_before = 0.0
        self.queued = False
        self.loaded = 0  # its messages in memory

    def may(self, taker: Taker, now: float) -> bool:
        """Whether a taker may have the next message: it has the ones before, or nobody has."""
        return self.not_before <= now and (self.holder is None or self.holder is taker)

    def may_pass(self, taker: Taker, now: float) -> bool:
        """Whether a message that has just come may go out before any that waits."""
        return not self.waiting and self.may(taker, now)

    def take(self, item: Item, taker: Taker) -> None:
        """A taker has the next message."""
        self.holder = taker
        self.outstanding.append(item)

    def acknowledged(self) -> Iterator[Item]:
        """Those that are done with, because all before them are acknowledged, too."""
        while self.outstanding and self.outstanding[0].state.name == "HELD":
            yield self.outstanding.popleft()

    def revoke(self, item: Item) -> list[Item]:
        """A message comes back, and with it the later ones."""
        kept = [each for each in self.outstanding if each.number < item.number]
        back = [each for each in self.outstanding if each.number >= item.number]
        self.outstanding = deque(kept)
        return back


class Keys:
    """The keys of a subscription."""

    def __init__(self) -> None:
        self._keys: dict[str, Key] = {}
        self._ready: deque[Key] = deque()
        self._delayed: set[Key] = set()

    def of(self, name: str) -> Key:
        """The key of a name, for one more message of it."""
        if name not in self._keys:
            self._keys[name] = Key(name)
        self._keys[name].loaded += 1
        return self._keys[name]

    def gone(self, key: Key) -> None:
        """A message of the key is no longer in memory."""
        key.loaded -= 1
        if not key.loaded:
            self._keys.pop(key.name, None)

    def wait(self, key: Key, item: Item) -> None:
        """A message that has just come waits behind the others of its key."""
        key.waiting.append(item)
        self._queue(key)

    def put_back(self, key: Key, item: Item) -> None:
        """A message that was about to go out waits again, before the others of its key."""
        key.waiting.appendleft(item)
        self._queue(key)

    def next(self, taker: Taker, now: float) -> Item | None:
        """The next message that waits and that a taker may have."""
        for _ in range(len(self._ready)):
            key = self._ready.popleft()
            while key.waiting and key.waiting[0].state.name != "READY":  # acknowledged late
                key.waiting.popleft()
            if not key.waiting:
                key.queued = False
                continue
            if key.may(taker, now):
                item = key.waiting.popleft()
                key.queued = bool(key.waiting)
                if key.waiting:  # the whole of a key goes out before the next
                    self._ready.appendleft(key)
                return item
            self._ready.append(key)
        return None

    def settle(self, key: Key) -> bool:
        """After an acknowledgement: whether another taker may have the key now."""
        if key.outstanding:
            return False
        key.holder = None
        if key.waiting:
            self._queue(key)
            return True
        return False

    def returned(self, key: Key, items: list[Item], not_before: float) -> None:
        """Messages have come back, to go out again not before a moment."""
        key.waiting.extendleft(reversed(items))
        key.not_before = not_before
        self._delayed.add(key)
        if not key.outstanding:
            key.holder = None
        self._queue(key)

    def due(self, now: float) -> bool:
        """Whether a key that had to wait may go out now."""
        ready = {key for key in self._delayed if key.not_before <= now}
        self._delayed -= ready
        return bool(ready)

    def moments(self, now: float) -> list[float]:
        """When keys that have to wait may go out."""
        return [key.not_before for key in self._delayed if key.not_before > now]

    def _queue(self, key: Key) -> None:
        if not key.queued and key.waiting:
            key.queued = True
            self._ready.append(key)
