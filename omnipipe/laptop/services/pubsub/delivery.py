"""Delivery of one subscription: who has which message until when, and what is delivered again.

https://cloud.google.com/pubsub/docs/subscription-overview, .../lease-management, .../handling-failures
"""

from __future__ import annotations

import asyncio
import base64
import heapq
import itertools
import time
from binascii import Error as NoBase64
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from omnipipe.laptop.services.pubsub.backlog import WINDOW_BYTES, WINDOW_MESSAGES, Backlog, Chunk
from omnipipe.laptop.services.pubsub.failures import invalid
from omnipipe.laptop.services.pubsub.ordering import Key, Keys

INVALID_ACK_ID = "PERMANENT_FAILURE_INVALID_ACK_ID"
# Different for each process: what an earlier one gave out is known by it to be of the past.
_tokens = itertools.count(time.time_ns())


class State(Enum):
    """Where a message is."""

    READY = auto()
    LEASED = auto()
    LATER = auto()  # it may be delivered again after a while
    HELD = auto()  # acknowledged, but an earlier one of its ordering key is not
    GONE = auto()


class Item:
    """A message that is loaded."""

    __slots__ = ("attempt", "chunk", "deadline", "key", "message", "number", "size", "state", "taker", "token")

    def __init__(self, chunk: Chunk, number: int, message: Any, attempt: int, key: Key | None) -> None:
        self.chunk = chunk
        self.number = number
        self.message = message
        self.size = message.ByteSize()
        self.attempt = attempt
        self.key = key
        self.state = State.READY
        self.deadline = 0.0
        self.token = 0
        self.taker: Taker | None = None


class Taker:
    """Who takes messages: a pull, a stream, a push. It is told of the end of each lease."""

    def ended(self, item: Item) -> None:
        """A lease of this taker's is over: acknowledged, returned or expired."""


@dataclass(frozen=True)
class Rules:
    """What the subscription says of delivery. Times are in seconds; ``backoff`` is None for at once."""

    ordered: bool = False
    exactly_once: bool = False
    backoff: tuple[float, float] | None = None
    attempts: int = 0  # how many before a message is a dead letter; 0 for no end
    retention: float = 604_800.0


class Delivery:
    """The messages of one subscription that are loaded, and the leases of those that are delivered.

    ``dead`` is asked to forward a message that was delivered too often; it says whether it did. ``counted`` keeps how
    often a message was delivered.
    """

    def __init__(
        self,
        backlog: Backlog,
        subscription: int,
        rules: Rules,
        dead: Callable[[Item], bool],
        counted: Callable[[Item], None],
        attempts: Callable[[Chunk], dict[int, int]],
    ) -> None:
        self.backlog = backlog
        self.rules = rules
        self._subscription = subscription
        self._dead = dead
        self._counted = counted
        self._attempts = attempts
        self._loop = asyncio.get_running_loop()
        self._listeners: set[asyncio.Event] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._clear()

    def _clear(self) -> None:
        self._items: dict[int, Item] = {}
        self._leases: dict[int, Item] = {}
        self._fresh: deque[Item] = deque()
        self._again: list[int] = []
        self._later: list[tuple[float, int]] = []
        self._keys = Keys()
        self._size = 0  # bytes of what is loaded

    # --- what comes in ---

    def published(self, chunk: Chunk, messages: Sequence[Any]) -> None:
        """Take what was just published."""
        room = len(self._items) < WINDOW_MESSAGES and self._size < WINDOW_BYTES
        if self.backlog.add(chunk, room):
            self._load_chunk(chunk, messages)
        if chunk.left:
            self._wake()

    def reset(self) -> None:
        """Begin anew with what the backlog has now: after a seek, or with other rules. Leases are void."""
        takers = [(item.taker, item) for item in self._leases.values() if item.taker]
        self._clear()
        self.backlog.rewind()
        for taker, item in takers:
            taker.ended(item)
        self._wake()

    def _load_chunk(self, chunk: Chunk, messages: Sequence[Any]) -> None:
        attempts = self._attempts(chunk) if self.rules.attempts else {}
        for number, message in enumerate(messages, chunk.first):
            if chunk.acked >> (number - chunk.first) & 1:
                continue
            key = self._keys.of(message.ordering_key) if self.rules.ordered and message.ordering_key else None
            item = Item(chunk, number, message, attempts.get(number, 0), key)
            self._items[number] = item
            self._size += item.size
            self._fresh.append(item)

    def _load(self) -> bool:
        """Load more, if there is more and room for it."""
        idle = len(self._items) - len(self._leases)
        if idle >= WINDOW_MESSAGES or (self._size >= WINDOW_BYTES and idle > len(self._items) // 2):
            return False
        loaded = self.backlog.load()
        for chunk, messages in loaded:
            self._load_chunk(chunk, messages)
        return bool(loaded)

    # --- who waits ---

    def listen(self, event: asyncio.Event) -> None:
        """Set an event each time that there may be something to take."""
        self._listeners.add(event)

    def unlisten(self, event: asyncio.Event) -> None:
        """No longer."""
        self._listeners.discard(event)

    def _wake(self) -> None:
        for event in self._listeners:
            event.set()

    # --- what goes out ---

    def take(self, taker: Taker, count: int, size: int, seconds: float) -> list[Item]:
        """Lease so many messages of together so many bytes (one at least) for so many seconds."""
        taken: list[Item] = []
        now = time.time()
        while len(taken) < count:
            item = self._next(taker, now)
            if item is None:
                break
            if taken and item.size > size:
                self._put_back(item)
                break
            size -= item.size
            item.state, item.taker, item.deadline, item.token = State.LEASED, taker, now + seconds, next(_tokens)
            item.attempt += 1
            if item.key:
                item.key.take(item, taker)
            self._leases[item.number] = item
            taken.append(item)
        if taken:
            self._arm(now + seconds)
        return taken

    def ack_id(self, item: Item) -> str:
        """By which the taker of a lease speaks of it."""
        return base64.urlsafe_b64encode(b"%d:%d:%d" % (self._subscription, item.number, item.token)).decode()

    def _next(self, taker: Taker, now: float) -> Item | None:
        while self._again:
            item = self._items.get(heapq.heappop(self._again))
            if item and item.state is State.READY and not self._too_old(item, now):
                return item
        while (item := self._keys.next(taker, now)) is not None:
            if not self._too_old(item, now):
                return item
        while True:
            if not self._fresh and not self._load():
                return None
            item = self._fresh.popleft()
            if item.state is not State.READY or self._too_old(item, now):
                continue
            if item.key is None or item.key.may_pass(taker, now):
                return item
            self._keys.wait(item.key, item)

    def _put_back(self, item: Item) -> None:
        if item.key:
            self._keys.put_back(item.key, item)
        else:
            heapq.heappush(self._again, item.number)

    def _too_old(self, item: Item, now: float) -> bool:
        if item.chunk.published / 1e6 + self.rules.retention > now:
            return False
        self._finish(item)
        return True

    # --- what comes back ---

    def acknowledge(self, ack_ids: Iterable[str]) -> dict[str, str]:
        """Messages are done with; which were not, and why. Raises Failure for what is no ack id of here."""
        refused = {}
        for ack_id, (number, token) in [(each, self._parsed(each)) for each in ack_ids]:
            item = self._items.get(number)
            leased = item is not None and item.state is State.LEASED and item.token == token
            if self.rules.exactly_once and (not leased or (item and item.deadline <= time.time())):
                refused[ack_id] = INVALID_ACK_ID
            elif item is not None and item.state is not State.HELD:
                self._acknowledge(item)
            elif item is None:
                # Of an earlier process, perhaps: late, but not wrong.
                self.backlog.acknowledge_stored(number)
        return refused

    def modify(self, ack_ids: Sequence[str], seconds: Sequence[int]) -> dict[str, str]:
        """Other deadlines, from now on; 0 returns a message. Which leases are over. Raises Failure as above."""
        refused = {}
        now = time.time()
        for ack_id, wanted in zip(ack_ids, seconds, strict=True):
            number, token = self._parsed(ack_id)
            item = self._leases.get(number)
            if item is None or item.token != token or item.deadline <= now:
                if self.rules.exactly_once:
                    refused[ack_id] = INVALID_ACK_ID
            elif wanted == 0:
                self._return(item, now)
            else:
                item.deadline = now + wanted
                self._arm(item.deadline)
        return refused

    def done(self, items: Iterable[Item]) -> None:
        """The same for who has the items themselves: they were brought where they should be."""
        for item in items:
            if item.state is State.LEASED and self._items.get(item.number) is item:
                self._acknowledge(item)

    def failed(self, items: Iterable[Item]) -> None:
        """They were not, and are to be delivered again."""
        now = time.time()
        for item in items:
            if item.state is State.LEASED and self._items.get(item.number) is item:
                self._return(item, now)

    def release(self, items: Iterable[Item]) -> None:
        """They were not tried, or nobody knows: they are to be delivered again, and this was no delivery."""
        for item in items:
            if item.state is not State.LEASED or self._items.get(item.number) is not item:
                continue
            together = item.key.revoke(item) if item.key else [item]
            for each in together:
                self._end_lease(each)
                each.state = State.READY
                each.attempt -= 1
            if item.key:
                self._keys.returned(item.key, together, 0.0)
            else:
                heapq.heappush(self._again, item.number)
        self._wake()

    def extend(self, items: Iterable[Item], seconds: float) -> None:
        """They are still on their way."""
        deadline = time.time() + seconds
        for item in items:
            item.deadline = deadline

    def _parsed(self, ack_id: str) -> tuple[int, int]:
        try:
            owner, number, token = (int(part) for part in base64.urlsafe_b64decode(ack_id).split(b":"))
        except (ValueError, NoBase64):
            owner = number = token = 0
        if owner != self._subscription:
            raise invalid(f"You have passed an invalid ack ID to the service (ack_id={ack_id}).")
        return number, token

    def _acknowledge(self, item: Item) -> None:
        leased = item.state is State.LEASED
        self._end_lease(item)
        if item.key is None or not leased:
            self._finish(item)
        elif self.rules.exactly_once:
            item.key.outstanding.remove(item)
            self._finish(item)
            self._settle(item.key)
        else:
            # An earlier one may be delivered again, and this one then after it: it is not done with before that.
            item.state = State.HELD
            for done in item.key.acknowledged():
                self._finish(done)
            self._settle(item.key)

    def _settle(self, key: Key) -> None:
        if self._keys.settle(key):
            self._wake()

    def _finish(self, item: Item) -> None:
        self._end_lease(item)
        item.state = State.GONE
        if self._items.pop(item.number, None) is not None:
            self._size -= item.size
            if item.key:
                self._keys.gone(item.key)
            self.backlog.acknowledge(item.chunk, item.number)

    def _end_lease(self, item: Item) -> None:
        if self._leases.pop(item.number, None) is not None and item.taker:
            taker, item.taker = item.taker, None
            taker.ended(item)

    def _return(self, item: Item, now: float) -> None:
        """A lease is over without an acknowledgement."""
        together = item.key.revoke(item) if item.key else [item]
        for each in together:
            self._end_lease(each)
            each.state = State.READY
            if self.rules.attempts:
                self._counted(each)
        if self.rules.attempts and item.attempt >= self.rules.attempts and self._dead(item):
            self._finish(item)
            together = [each for each in together if each is not item]
        wait = self._backoff(item)
        if item.key:
            self._keys.returned(item.key, together, now + wait)
            if wait:
                self._arm(now + wait)
        elif item.state is State.READY and wait:
            item.state = State.LATER
            heapq.heappush(self._later, (now + wait, item.number))
            self._arm(now + wait)
        elif item.state is State.READY:
            heapq.heappush(self._again, item.number)
        self._wake()

    def _backoff(self, item: Item) -> float:
        """https://cloud.google.com/pubsub/docs/handling-failures#exponential_backoff"""
        if self.rules.backoff is None:
            return 0.0
        least, most = self.rules.backoff
        return min(most, least * 2.0 ** min(item.attempt - 1, 30))

    # --- time ---

    def _arm(self, moment: float) -> None:
        """Look at the clock at a moment, or before it."""
        when = self._loop.time() + max(0.0, moment - time.time())
        if self._timer is None or self._timer.cancelled() or when < self._timer.when():
            if self._timer:
                self._timer.cancel()
            self._timer = self._loop.call_at(when, self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = time.time()
        for item in [each for each in self._leases.values() if each.deadline <= now]:
            if item.state is State.LEASED:  # not returned with an earlier one of its key
                self._return(item, now)
        woken = False
        while self._later and self._later[0][0] <= now:
            item = self._items.get(heapq.heappop(self._later)[1])
            if item and item.state is State.LATER:
                item.state = State.READY
                heapq.heappush(self._again, item.number)
                woken = True
        if self._keys.due(now) or woken:
            self._wake()
        coming = [each.deadline for each in self._leases.values()]
        coming += [self._later[0][0]] if self._later else []
        coming += self._keys.moments(now)
        if coming:
            self._arm(max(min(coming), now + 0.01))

    def close(self) -> None:
        """Look at no clock any more."""
        if self._timer:
            self._timer.cancel()
