"""Topics, subscriptions, snapshots: what there is, and what becomes of a message that is published."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from omnipipe.laptop.services.pubsub import deadletters
from omnipipe.laptop.services.pubsub.access import Access
from omnipipe.laptop.services.pubsub.backlog import Backlog, Chunk
from omnipipe.laptop.services.pubsub.delivery import Delivery, Item, Rules
from omnipipe.laptop.services.pubsub.failures import not_found
from omnipipe.laptop.services.pubsub.filters import Filter, parse
from omnipipe.laptop.services.pubsub.messages import Message, PublishRequest, Schema, Snapshot, Subscription, Topic
from omnipipe.laptop.services.pubsub.names import DELETED_TOPIC
from omnipipe.laptop.services.pubsub.outside import Outside
from omnipipe.laptop.services.pubsub.store import Store

logger = logging.getLogger(__name__)
# https://cloud.google.com/pubsub/docs/push#push_backoff
_PUSH_BACKOFF = (0.1, 60.0)
_KINDS = {"topic": Topic, "subscription": Subscription, "snapshot": Snapshot}


class Record:
    """A resource: its number in the store, and what Google shows of it."""

    def __init__(self, number: int, body: Message) -> None:
        self.number = number
        self.body = body

    @property
    def name(self) -> str:
        """Its whole name."""
        return self.body.name


class Follower(Record):
    """Who gets what is published to a topic: a snapshot, and more of it, a subscription."""

    def __init__(self, number: int, body: Message, store: Store) -> None:
        super().__init__(number, body)
        self.backlog = Backlog(store, number, retain=False)

    def bits(self, messages: Sequence[Message]) -> int:
        """A bit for each message that is not for it."""
        return 0

    def published(self, chunk: Chunk, messages: Sequence[Message]) -> None:
        """Keep what was published."""
        self.backlog.add(chunk, room=False)


class Followed(Follower):
    """A subscription."""

    def __init__(self, number: int, body: Message, broker: Broker, used: float) -> None:
        super().__init__(number, body, broker.store)
        self.backlog.retain = body.retain_acked_messages
        self.used = used
        self.errors: dict[int, str] = {}  # why a message could not be brought somewhere, by its number
        self._filter: Filter | None = parse(body.filter) if body.filter else None
        self._broker = broker
        self.delivery = Delivery(
            self.backlog, number, self.rules(), self._dead, self._counted, broker.attempts_of(number)
        )

    def rules(self) -> Rules:
        """What its settings say of delivery."""
        body = self.body
        policy, topic = body.retry_policy, self._broker.topics.get(body.topic)
        # https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions#retrypolicy
        least = seconds(policy.minimum_backoff) if policy.HasField("minimum_backoff") else 10.0
        most = seconds(policy.maximum_backoff) if policy.HasField("maximum_backoff") else 600.0
        kept = seconds(body.message_retention_duration)
        of_topic = seconds(topic.body.message_retention_duration) if topic else 0.0
        return Rules(
            ordered=body.enable_message_ordering,
            exactly_once=body.enable_exactly_once_delivery,
            backoff=(least, most) if body.HasField("retry_policy") else None if is_pull(body) else _PUSH_BACKOFF,
            attempts=body.dead_letter_policy.max_delivery_attempts if body.HasField("dead_letter_policy") else 0,
            retention=max(kept, of_topic),
        )

    def bits(self, messages: Sequence[Message]) -> int:
        if self._filter is None:
            return 0
        return sum(1 << place for place, message in enumerate(messages) if not self._filter(message.attributes))

    def published(self, chunk: Chunk, messages: Sequence[Message]) -> None:
        self.delivery.published(chunk, messages)

    def use(self) -> None:
        """Somebody uses it: it does not expire."""
        self.used = time.time()

    def _dead(self, item: Item) -> bool:
        return deadletters.forward(self._broker, self, item)

    def _counted(self, item: Item) -> None:
        self._broker.store.write(
            "INSERT OR REPLACE INTO attempts VALUES (?, ?, ?)", self.number, item.number, item.attempt
        )


class Broker:
    """All of Pub/Sub's state. ``started`` is told of each subscription that begins, or has other settings."""

    def __init__(self, store: Store, access: Access, outside: Outside) -> None:
        self.store = store
        self.access = access
        self.outside = outside
        self.topics: dict[str, Record] = {}
        self.subscriptions: dict[str, Followed] = {}
        self.snapshots: dict[str, Follower] = {}
        self.schemas: dict[str, list[Message]] = {}  # revisions, the oldest first
        self.started: list[Callable[[Followed], None]] = []
        self._followers: dict[str, dict[int, Follower]] = {}
        store.before_commit.append(self._write)
        for number, kind, body, used in store.read(
            "SELECT number, kind, body, used FROM resources ORDER BY number"
        ):
            self._opened(kind, number, _KINDS[kind].FromString(body), used)
        for name, body in store.read("SELECT schema, body FROM revisions ORDER BY schema, position"):
            self.schemas.setdefault(name, []).append(Schema.FromString(body))

    # --- resources ---

    def topic(self, name: str) -> Record:
        """The topic of a name. Raises Failure (NOT_FOUND)."""
        return _found(self.topics, name)

    def subscription(self, name: str) -> Followed:
        """The subscription of a name. Raises Failure (NOT_FOUND)."""
        return _found(self.subscriptions, name)

    def snapshot(self, name: str) -> Follower:
        """The snapshot of a name. Raises Failure (NOT_FOUND)."""
        return _found(self.snapshots, name)

    def make(self, kind: str, body: Message) -> Any:
        """Keep a new resource."""
        statement = "INSERT INTO resources (name, kind, body, used) VALUES (?, ?, ?, ?)"
        number = self.store.write(statement, body.name, kind, body.SerializeToString(), time.time())
        return self._opened(kind, number, body, time.time())

    def keep(self, record: Record) -> None:
        """Keep what a resource is now."""
        body = record.body.SerializeToString()
        self.store.write("UPDATE resources SET body = ? WHERE number = ?", body, record.number)
        if record.number in [topic.number for topic in self.topics.values()]:
            self._retain(record)
        if isinstance(record, Followed):
            self._follow(record)
            record.backlog.retain = record.body.retain_acked_messages
            if record.delivery.rules != record.rules():
                record.delivery.rules = record.rules()
                record.delivery.reset()

    def remove(self, record: Record) -> None:
        """A resource is no more."""
        self.store.write("DELETE FROM resources WHERE number = ?", record.number)
        if isinstance(record, Follower):
            self.drop(record)
            self._followers.get(record.body.topic, {}).pop(record.number, None)
            if isinstance(record, Followed):
                record.delivery.close()
            self.subscriptions.pop(record.name, None)
            self.snapshots.pop(record.name, None)
            return
        del self.topics[record.name]
        self.store.write("DELETE FROM counters WHERE name = ?", f"retention-{record.number}")
        for follower in self._followers.pop(record.name, {}).values():
            follower.body.topic = DELETED_TOPIC
            self.keep(follower)

    def drop(self, follower: Follower) -> None:
        """Nothing waits for a subscription or a snapshot any more."""
        self.store.settle()
        self.store.write("DELETE FROM pending WHERE owner = ?", follower.number)
        self.store.write("DELETE FROM attempts WHERE owner = ?", follower.number)
        follower.backlog.rewind()
        if isinstance(follower, Followed):
            follower.delivery.reset()
        self.sweep()

    def followers(self, topic: str) -> list[Follower]:
        """The subscriptions and snapshots of a topic."""
        return list(self._followers.get(topic, {}).values())

    def restart(self, subscription: Followed) -> None:
        """Tell of a subscription that is new, or has other settings."""
        for tell in self.started:
            tell(subscription)

    def _opened(self, kind: str, number: int, body: Message, used: float) -> Record:
        if kind == "topic":
            record = self.topics[body.name] = Record(number, body)
            self._retain(record)
            return record
        if kind == "snapshot":
            follower = self.snapshots[body.name] = Follower(number, body, self.store)
        else:
            follower = self.subscriptions[body.name] = Followed(number, body, self, used)
        self._follow(follower)
        return follower

    def _follow(self, follower: Follower) -> None:
        ends = getattr(follower.body, "detached", False) or follower.body.topic == DELETED_TOPIC
        if ends:
            self._followers.get(follower.body.topic, {}).pop(follower.number, None)
        else:
            self._followers.setdefault(follower.body.topic, {})[follower.number] = follower

    def _retain(self, topic: Record) -> None:
        """Tell the store how long a topic keeps its messages, in microseconds."""
        kept = round(seconds(topic.body.message_retention_duration) * 1e6)
        if kept:
            self.store.write("INSERT OR REPLACE INTO counters VALUES (?, ?)", f"retention-{topic.number}", kept)
        else:
            self.store.write("DELETE FROM counters WHERE name = ?", f"retention-{topic.number}")

    # --- messages ---

    def publish(self, topic: Record, messages: Sequence[Message]) -> list[str]:
        """Take messages; returns their ids. They are kept when the store has committed."""
        first = self.store.next_number("message", len(messages))
        now = time.time()
        published = round(now * 1e6)
        ids = [str(number) for number in range(first, first + len(messages))]
        for message, id_ in zip(messages, ids, strict=True):
            message.message_id = id_
            message.publish_time.FromMicroseconds(published)
        followers = self.followers(topic.name)
        if followers or topic.body.HasField("message_retention_duration"):
            request = PublishRequest(messages=messages)
            self.store.write(
                "INSERT INTO chunks VALUES (?, ?, ?, ?, ?)",
                first,
                topic.number,
                len(messages),
                published,
                request.SerializeToString(),
            )
            for follower in followers:
                follower.published(Chunk(first, len(ids), published, follower.bits(messages)), messages)
        return ids

    def attempts_of(self, owner: int) -> Callable[[Chunk], dict[int, int]]:
        """How often the messages of a chunk were delivered before, by their numbers."""
        return lambda chunk: dict(
            self.store.read(
                "SELECT message, count FROM attempts WHERE owner = ? AND message BETWEEN ? AND ?",
                owner,
                chunk.first,
                chunk.first + chunk.count - 1,
            )
        )

    def sweep(self) -> None:
        """Remove what nobody waits for and nobody retains."""
        now = round(time.time() * 1e6)
        self.store.settle()
        for each in self.subscriptions.values():
            oldest = now - round(each.delivery.rules.retention * 1e6)
            self.store.write(
                "DELETE FROM pending WHERE owner = ? AND first IN (SELECT first FROM chunks WHERE published < ?)",
                each.number,
                oldest,
            )
        self.store.write(
            "DELETE FROM chunks WHERE NOT EXISTS (SELECT 1 FROM pending WHERE pending.first = chunks.first)"
            " AND published < ? - COALESCE((SELECT value FROM counters WHERE name = 'retention-' || topic), -1)",
            now,
        )
        self.store.write("DELETE FROM attempts WHERE message < (SELECT COALESCE(MIN(first), 1 << 62) FROM chunks)")

    def _write(self) -> None:
        for subscription in self.subscriptions.values():
            subscription.backlog.write()


def seconds(duration: Message) -> float:
    """A protobuf duration."""
    return duration.seconds + duration.nanos / 1e9


def is_pull(subscription: Message) -> bool:
    """Whether messages wait to be pulled, and are not brought anywhere."""
    return not (
        subscription.push_config.push_endpoint
        or subscription.bigquery_config.table
        or subscription.cloud_storage_config.bucket
    )


def _found(known: dict[str, Any], name: str) -> Any:
    if name not in known:
        raise not_found(name)
    return known[name]
