"""Subscriptions. https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions"""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnipipe.laptop.services.pubsub import bigquery, filters, masks, names, paging, storage
from omnipipe.laptop.services.pubsub.broker import is_pull, seconds
from omnipipe.laptop.services.pubsub.failures import exists, invalid, not_here, out_of_range, precondition
from omnipipe.laptop.services.pubsub.messages import Empty, Message, Subscription, named

if TYPE_CHECKING:
    from omnipipe.laptop.services.pubsub.access import Caller
    from omnipipe.laptop.services.pubsub.broker import Broker

DEADLINE = (10, 600)
RETENTION = (600, 604_800)
BACKOFF = (0, 600)
ATTEMPTS = (5, 100)
MIN_TTL = 86_400
_FIXED = frozenset(
    {"name", "topic", "filter", "state", "detached", "enable_message_ordering", "topic_message_retention_duration"}
)


async def create(broker: Broker, caller: Caller, request: Message) -> Message:
    """A new subscription."""
    name = names.new("subscriptions", request.name)
    topic = names.known("topics", request.topic)
    caller.need("pubsub.subscriptions.create", names.project_of(name))
    caller.need("pubsub.topics.attachSubscription", topic)
    of = broker.topic(topic)
    if name in broker.subscriptions:
        raise exists(name)
    body = Subscription()
    body.CopyFrom(request)
    _fill(body)
    _check(broker, body)
    if body.filter:
        filters.parse(body.filter)
    await _check_target(broker, body)
    if of.body.HasField("message_retention_duration"):
        body.topic_message_retention_duration.CopyFrom(of.body.message_retention_duration)
    body.state = Subscription.State.Value("ACTIVE")
    for config in (body.bigquery_config, body.cloud_storage_config):
        config.state = type(config).State.Value("ACTIVE") if config.ByteSize() else 0
    if name in broker.subscriptions:  # while a table was looked at
        raise exists(name)
    broker.restart(broker.make("subscription", body))
    await broker.store.committed()
    return body


async def get(broker: Broker, caller: Caller, request: Message) -> Message:
    """A subscription."""
    name = names.known("subscriptions", request.subscription)
    caller.need("pubsub.subscriptions.get", name)
    return broker.subscription(name).body


async def update(broker: Broker, caller: Caller, request: Message) -> Message:
    """Other settings of a subscription, those of the mask."""
    name = names.known("subscriptions", request.subscription.name)
    caller.need("pubsub.subscriptions.update", name)
    subscription = broker.subscription(name)
    changed = masks.merged(request, request.subscription, subscription.body, _FIXED)
    _fill(changed)
    _check(broker, changed)
    await _check_target(broker, changed)
    subscription = broker.subscription(name)
    subscription.body.CopyFrom(changed)
    broker.keep(subscription)
    broker.restart(subscription)
    await broker.store.committed()
    return subscription.body


async def list_(broker: Broker, caller: Caller, request: Message) -> Message:
    """The subscriptions of a project."""
    project = names.project_of(request.project)
    caller.need("pubsub.subscriptions.list", project)
    page, token = paging.page(broker.subscriptions, project, request.page_size, request.page_token)
    bodies = [broker.subscriptions[name].body for name in page]
    return named("ListSubscriptionsResponse")(subscriptions=bodies, next_page_token=token)


async def delete(broker: Broker, caller: Caller, request: Message) -> Message:
    """A subscription is no more, and neither is what it has not delivered."""
    name = names.known("subscriptions", request.subscription)
    caller.need("pubsub.subscriptions.delete", name)
    subscription = broker.subscription(name)
    broker.remove(subscription)
    broker.restart(subscription)
    await broker.store.committed()
    return Empty()


async def detach(broker: Broker, caller: Caller, request: Message) -> Message:
    """https://cloud.google.com/pubsub/docs/detach-subscriptions"""
    name = names.known("subscriptions", request.subscription)
    subscription = broker.subscription(name)
    caller.need("pubsub.topics.detachSubscription", subscription.body.topic)
    subscription.body.detached = True
    broker.keep(subscription)
    broker.drop(subscription)
    broker.restart(subscription)
    await broker.store.committed()
    return named("DetachSubscriptionResponse")()


async def modify_push(broker: Broker, caller: Caller, request: Message) -> Message:
    """Another endpoint, or none: a pull subscription."""
    name = names.known("subscriptions", request.subscription)
    caller.need("pubsub.subscriptions.update", name)
    subscription = broker.subscription(name)
    changed = Subscription()
    changed.CopyFrom(subscription.body)
    changed.push_config.CopyFrom(request.push_config)
    _check(broker, changed)
    subscription.body.CopyFrom(changed)
    broker.keep(subscription)
    broker.restart(subscription)
    await broker.store.committed()
    return Empty()


def _fill(body: Message) -> None:
    """Google's defaults for what is not said."""
    body.ack_deadline_seconds = body.ack_deadline_seconds or DEADLINE[0]
    if not body.HasField("message_retention_duration"):
        body.message_retention_duration.seconds = RETENTION[1]
    if not body.HasField("expiration_policy"):
        body.expiration_policy.ttl.seconds = 31 * 86_400
    if not body.HasField("push_config"):
        body.push_config.SetInParent()


def _check(broker: Broker, body: Message) -> None:
    if body.message_transforms:
        raise not_here("message transforms")
    if body.HasField("bigtable_config"):
        raise not_here("Bigtable")
    deadline = body.ack_deadline_seconds
    if not DEADLINE[0] <= deadline <= DEADLINE[1]:
        raise invalid(f"Invalid ack deadline given: (ack_deadline_seconds={deadline}).")
    kept = seconds(body.message_retention_duration)
    if not RETENTION[0] <= kept <= RETENTION[1]:
        raise invalid(
            f"Invalid message retention duration given: (message_retention_duration={kept:g}s). It must be between "
            "10 minutes and 7 days."
        )
    ttl = seconds(body.expiration_policy.ttl)
    if body.expiration_policy.HasField("ttl") and ttl < max(MIN_TTL, kept if body.retain_acked_messages else 0):
        raise invalid(
            f"Invalid expiration policy given: (ttl={ttl:g}s). It must be at least one day, and longer than the "
            "message retention duration."
        )
    if body.HasField("dead_letter_policy"):
        _check_dead_letters(broker, body.dead_letter_policy)
    if body.HasField("retry_policy"):
        policy = body.retry_policy
        least = seconds(policy.minimum_backoff) if policy.HasField("minimum_backoff") else 10.0
        most = seconds(policy.maximum_backoff) if policy.HasField("maximum_backoff") else 600.0
        for which, value in (("minimum_backoff", least), ("maximum_backoff", most)):
            if not BACKOFF[0] <= value <= BACKOFF[1]:
                raise invalid(
                    f"Invalid {which} given: ({which}={value:g}s). It must be between 0 and 600 seconds."
                )
        if least > most:
            raise invalid("The minimum_backoff of the retry policy must not be greater than its maximum_backoff.")
    kinds = [bool(body.push_config.push_endpoint), bool(body.bigquery_config.table)]
    if sum([*kinds, bool(body.cloud_storage_config.bucket)]) > 1:
        raise invalid("Only one of push_config, bigquery_config and cloud_storage_config can be set.")
    if kinds[0] and body.enable_exactly_once_delivery:
        raise invalid("Exactly-once delivery is not supported for push subscriptions.")
    endpoint = body.push_config.push_endpoint
    if endpoint and not endpoint.startswith(("https://", "http://")):
        raise invalid(f"Invalid push endpoint given (endpoint={endpoint}). It must be an https:// or http:// URL.")


async def _check_target(broker: Broker, body: Message) -> None:
    """Raise Failure unless a subscription can write where it is to write."""
    if body.bigquery_config.table:
        await bigquery.check(broker, broker.outside, body)
    if body.cloud_storage_config.bucket:
        await storage.check(broker, broker.outside, body)


def _check_dead_letters(broker: Broker, policy: Message) -> None:
    attempts = policy.max_delivery_attempts or ATTEMPTS[0]
    policy.max_delivery_attempts = attempts
    if not ATTEMPTS[0] <= attempts <= ATTEMPTS[1]:
        raise out_of_range("max_delivery_attempts", attempts, *ATTEMPTS)
    broker.topic(names.known("topics", policy.dead_letter_topic))


def require_pull(body: Message) -> None:
    """Raise Failure unless messages of a subscription may be pulled."""
    if body.detached:
        raise precondition(f"Subscription {body.name} is detached from its topic.")
    if not is_pull(body):
        raise precondition(
            "This method is not supported for this subscription type: it is not a pull subscription."
        )
