"""Snapshots and seek. https://cloud.google.com/pubsub/docs/replay-overview"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from omnipipe.laptop.services.pubsub import masks, names, paging
from omnipipe.laptop.services.pubsub.backlog import read_messages, restore, seek_to_time
from omnipipe.laptop.services.pubsub.failures import exists, invalid, precondition
from omnipipe.laptop.services.pubsub.messages import Empty, Message, Snapshot, named
from omnipipe.laptop.services.pubsub.pulling import consumed

if TYPE_CHECKING:
    from omnipipe.laptop.services.pubsub.access import Caller
    from omnipipe.laptop.services.pubsub.broker import Broker, Followed, Follower

LIFETIME_S = 7 * 86_400
_LEAST_LIFETIME_S = 3_600


async def create(broker: Broker, caller: Caller, request: Message) -> Message:
    """Remember what of a subscription is not acknowledged now."""
    name = names.new("snapshots", request.name)
    caller.need("pubsub.snapshots.create", names.project_of(name))
    subscription = consumed(broker, caller, request.subscription)
    if name in broker.snapshots:
        raise exists(name)
    if subscription.body.topic == names.DELETED_TOPIC or subscription.body.detached:
        raise precondition(f"Subscription {subscription.name} has no topic any more.")
    broker.store.settle()
    rows = broker.store.read(
        "SELECT MIN(published) FROM pending JOIN chunks USING (first) WHERE owner = ? AND NOT done",
        subscription.number,
    )
    now = time.time()
    oldest = rows[0][0] / 1e6 if rows[0][0] else now
    # "The lifetime of the newly-created snapshot is 7 days minus the age of the oldest unacked message."
    if oldest + LIFETIME_S - now < _LEAST_LIFETIME_S:
        raise precondition("The snapshot would expire in less than one hour: the oldest message is too old.")
    body = Snapshot(name=name, topic=subscription.body.topic, labels=dict(request.labels))
    body.expire_time.FromMicroseconds(round((oldest + LIFETIME_S) * 1e6))
    snapshot = broker.make("snapshot", body)
    broker.store.write(
        "INSERT INTO pending SELECT ?, first, acked, 0 FROM pending WHERE owner = ? AND NOT done",
        snapshot.number,
        subscription.number,
    )
    await broker.store.committed()
    return body


async def get(broker: Broker, caller: Caller, request: Message) -> Message:
    """A snapshot."""
    name = names.known("snapshots", request.snapshot)
    caller.need("pubsub.snapshots.get", name)
    return broker.snapshot(name).body


async def update(broker: Broker, caller: Caller, request: Message) -> Message:
    """Other labels, or an earlier end."""
    name = names.known("snapshots", request.snapshot.name)
    caller.need("pubsub.snapshots.update", name)
    snapshot = broker.snapshot(name)
    changed = masks.merged(request, request.snapshot, snapshot.body, frozenset({"name", "topic"}))
    snapshot.body.CopyFrom(changed)
    broker.keep(snapshot)
    await broker.store.committed()
    return snapshot.body


async def list_(broker: Broker, caller: Caller, request: Message) -> Message:
    """The snapshots of a project."""
    project = names.project_of(request.project)
    caller.need("pubsub.snapshots.list", project)
    page, token = paging.page(broker.snapshots, project, request.page_size, request.page_token)
    bodies = [broker.snapshots[name].body for name in page]
    return named("ListSnapshotsResponse")(snapshots=bodies, next_page_token=token)


async def delete(broker: Broker, caller: Caller, request: Message) -> Message:
    """A snapshot is no more."""
    name = names.known("snapshots", request.snapshot)
    caller.need("pubsub.snapshots.delete", name)
    broker.remove(broker.snapshot(name))
    await broker.store.committed()
    return Empty()


async def seek(broker: Broker, caller: Caller, request: Message) -> Message:
    """Let a subscription be as it was at a moment, or when a snapshot was made."""
    subscription = consumed(broker, caller, request.subscription)
    if subscription.body.detached:
        raise precondition(f"Subscription {subscription.name} is detached from its topic.")
    if request.HasField("snapshot"):
        name = names.known("snapshots", request.snapshot)
        caller.need("pubsub.snapshots.seek", name)
        _to_snapshot(broker, subscription, broker.snapshot(name))
    elif request.HasField("time"):
        broker.store.settle()
        topic = broker.topics.get(subscription.body.topic)
        retains = topic is not None and topic.body.HasField("message_retention_duration")
        seek_to_time(
            broker.store,
            subscription.number,
            request.time.ToMicroseconds(),
            subscription.bits,
            topic.number if topic is not None and retains else 0,
            subscription.body.retain_acked_messages,
        )
    else:
        raise invalid("No target was specified in the SeekRequest. Must specify either a time or a snapshot.")
    subscription.delivery.reset()
    await broker.store.committed()
    return named("SeekResponse")()


def _to_snapshot(broker: Broker, subscription: Followed, snapshot: Follower) -> None:
    if snapshot.body.topic != subscription.body.topic:
        raise invalid(f"The snapshot {snapshot.name} is of another topic than the subscription.")
    store = broker.store
    store.settle()
    rows = store.read(
        "SELECT first, acked, messages FROM pending JOIN chunks USING (first) WHERE owner = ?", snapshot.number
    )
    store.write("DELETE FROM pending WHERE owner = ?", subscription.number)
    for first, acked, content in rows:
        messages = read_messages(content)
        bits = int.from_bytes(acked, "little") | subscription.bits(messages)
        restore(store, subscription.number, first, bits, len(messages))
    broker.sweep()
