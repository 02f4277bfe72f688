"""Topics. https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.topics"""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnipipe.laptop.services.pubsub import masks, names, paging, schemas
from omnipipe.laptop.services.pubsub.backlog import discard
from omnipipe.laptop.services.pubsub.broker import Followed, seconds
from omnipipe.laptop.services.pubsub.failures import exists, invalid, not_here
from omnipipe.laptop.services.pubsub.messages import Empty, Message, Topic, named

if TYPE_CHECKING:
    from omnipipe.laptop.services.pubsub.access import Caller
    from omnipipe.laptop.services.pubsub.broker import Broker

RETENTION = (600, 31 * 86_400)
_FIXED = frozenset({"name", "state", "satisfies_pzs", "kms_key_name"})


async def create(broker: Broker, caller: Caller, request: Message) -> Message:
    """A new topic."""
    name = names.new("topics", request.name)
    caller.need("pubsub.topics.create", names.project_of(name))
    if name in broker.topics:
        raise exists(name)
    _check(broker, caller, request)
    body = Topic()
    body.CopyFrom(request)
    body.state = Topic.State.Value("ACTIVE")
    broker.make("topic", body)
    await broker.store.committed()
    return body


async def get(broker: Broker, caller: Caller, request: Message) -> Message:
    """A topic."""
    name = names.known("topics", request.topic)
    caller.need("pubsub.topics.get", name)
    return broker.topic(name).body


async def update(broker: Broker, caller: Caller, request: Message) -> Message:
    """Other settings of a topic, those of the mask."""
    name = names.known("topics", request.topic.name)
    caller.need("pubsub.topics.update", name)
    topic = broker.topic(name)
    changed = masks.merged(request, request.topic, topic.body, _FIXED)
    _check(broker, caller, changed)
    topic.body.CopyFrom(changed)
    broker.keep(topic)
    for follower in broker.followers(name):
        if isinstance(follower, Followed):
            broker.keep(follower)  # how long its messages are kept may be the topic's to say
    broker.sweep()
    await broker.store.committed()
    return topic.body


async def list_(broker: Broker, caller: Caller, request: Message) -> Message:
    """The topics of a project."""
    project = names.project_of(request.project)
    caller.need("pubsub.topics.list", project)
    page, token = paging.page(broker.topics, project, request.page_size, request.page_token)
    return named("ListTopicsResponse")(topics=[broker.topics[name].body for name in page], next_page_token=token)


async def delete(broker: Broker, caller: Caller, request: Message) -> Message:
    """A topic is no more; its subscriptions keep what they have."""
    name = names.known("topics", request.topic)
    caller.need("pubsub.topics.delete", name)
    topic = broker.topic(name)
    broker.remove(topic)
    chunks = [first for (first,) in broker.store.read("SELECT first FROM chunks WHERE topic = ?", topic.number)]
    discard(broker.store, chunks)
    await broker.store.committed()
    return Empty()


async def subscriptions(broker: Broker, caller: Caller, request: Message) -> Message:
    """The names of a topic's subscriptions."""
    name = names.known("topics", request.topic)
    caller.need("pubsub.topics.get", name)
    broker.topic(name)
    attached = {each.name for each in broker.followers(name) if isinstance(each, Followed)}
    page, token = paging.page(attached, "", request.page_size, request.page_token)
    return named("ListTopicSubscriptionsResponse")(subscriptions=page, next_page_token=token)


async def snapshots(broker: Broker, caller: Caller, request: Message) -> Message:
    """The names of a topic's snapshots."""
    name = names.known("topics", request.topic)
    caller.need("pubsub.topics.get", name)
    broker.topic(name)
    attached = {each.name for each in broker.followers(name) if not isinstance(each, Followed)}
    page, token = paging.page(attached, "", request.page_size, request.page_token)
    return named("ListTopicSnapshotsResponse")(snapshots=page, next_page_token=token)


def _check(broker: Broker, caller: Caller, body: Message) -> None:
    if body.HasField("ingestion_data_source_settings"):
        raise not_here("ingestion from other sources")
    if body.message_transforms:
        raise not_here("message transforms")
    if body.HasField("message_retention_duration"):
        kept = seconds(body.message_retention_duration)
        if not RETENTION[0] <= kept <= RETENTION[1]:
            raise invalid(
                f"Invalid message retention duration given: (message_retention_duration={kept:g}s). It must be "
                f"between 10 minutes and 31 days."
            )
    if body.HasField("schema_settings"):
        name = names.known("schemas", body.schema_settings.schema)
        caller.need("pubsub.schemas.attach", name)
        schemas.require_revisions(broker, body.schema_settings)
