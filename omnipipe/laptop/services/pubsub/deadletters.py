"""Dead letters: https://cloud.google.com/pubsub/docs/dead-letter-topics"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from omnipipe.laptop.services.pubsub.messages import PubsubMessage

if TYPE_CHECKING:
    from omnipipe.laptop.services.pubsub.broker import Broker, Followed
    from omnipipe.laptop.services.pubsub.delivery import Item

logger = logging.getLogger(__name__)
_PREFIX = "CloudPubSubDeadLetterSource"
_SAY_AGAIN_S = 60.0
_said: dict[str, float] = {}


def forward(broker: Broker, subscription: Followed, item: Item, error: str = "") -> bool:
    """Publish a message that was delivered too often to its dead-letter topic.

    As Pub/Sub's own account, which must be a publisher there and a subscriber of the subscription; without, or
    without the topic, the message stays, and is delivered again. Returns whether it was forwarded.
    """
    name = subscription.body.dead_letter_policy.dead_letter_topic
    agent = broker.access.agent
    topic = broker.topics.get(name)
    problem = ""
    if topic is None:
        problem = f"there is no topic {name}"
    elif not agent.may("pubsub.topics.publish", name):
        problem = f"{agent.email} needs roles/pubsub.publisher on {name}"
    elif not agent.may("pubsub.subscriptions.consume", subscription.name):
        problem = f"{agent.email} needs roles/pubsub.subscriber on {subscription.name}"
    if topic is None or problem:
        if time.time() - _said.get(subscription.name, 0.0) > _SAY_AGAIN_S:
            _said[subscription.name] = time.time()
            logger.warning("dead letters of %s are not forwarded: %s", subscription.name, problem)
        return False
    letter = PubsubMessage()
    letter.CopyFrom(item.message)
    _, project, _, short = subscription.name.split("/")
    letter.attributes[f"{_PREFIX}DeliveryCount"] = str(item.attempt)
    letter.attributes[f"{_PREFIX}Subscription"] = short
    letter.attributes[f"{_PREFIX}SubscriptionProject"] = project
    letter.attributes[f"{_PREFIX}TopicPublishTime"] = item.message.publish_time.ToJsonString()
    if reason := subscription.errors.pop(item.number, error):
        letter.attributes[f"{_PREFIX}DeliveryErrorMessage"] = reason[:1024]
    broker.publish(topic, [letter])
    return True
