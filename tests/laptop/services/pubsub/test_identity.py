"""Who may what: a workload is known by the address that it was given."""

from collections.abc import Callable

import pytest
from google.api_core import exceptions
from google.iam.v1 import iam_policy_pb2

from omnipipe.laptop.registry import Resource
from tests.laptop.conftest import PROJECT, grant
from tests.laptop.services.pubsub.conftest import Running
from tests.laptop.services.pubsub.receiving import pull

ON_TOPIC = "gcp:pubsub/topicIAMMember:TopicIAMMember"
ON_SUBSCRIPTION = "gcp:pubsub/subscriptionIAMMember:SubscriptionIAMMember"
ON_PROJECT = "gcp:projects/iAMMember:IAMMember"


def test_a_workload_without_a_grant_may_nothing(pubsub: Running) -> None:
    topic, who = pubsub.topic(), pubsub.account("nobody")
    subscription = pubsub.subscription(topic)
    publisher, subscriber = pubsub.publisher(who), pubsub.subscriber(who)
    refused: list[Callable[[], object]] = [
        lambda: publisher.publish(topic, b"x").result(10),
        lambda: publisher.get_topic(topic=topic),
        lambda: publisher.create_topic(name=topic + "2"),
        lambda: publisher.delete_topic(topic=topic),
        lambda: list(publisher.list_topics(project=f"projects/{PROJECT}")),
        lambda: subscriber.pull(subscription=subscription, max_messages=1),
        lambda: subscriber.acknowledge(subscription=subscription, ack_ids=["x"]),
        lambda: subscriber.subscribe(subscription, lambda _: None).result(10),
        lambda: subscriber.create_subscription(name=subscription + "2", topic=topic),
        lambda: subscriber.delete_subscription(subscription=subscription),
        lambda: list(pubsub.schemas(who).list_schemas(parent=f"projects/{PROJECT}")),
    ]
    for request in refused:
        with pytest.raises(exceptions.PermissionDenied, match=r"User not authorized to perform this action\."):
            request()


def test_the_refusal_says_for_machines_what_was_missing(pubsub: Running) -> None:
    topic = pubsub.topic()
    with pytest.raises(exceptions.PermissionDenied) as refused:
        pubsub.publisher(pubsub.account("nobody")).get_topic(topic=topic)
    assert (refused.value.reason, refused.value.metadata) == (
        "IAM_PERMISSION_DENIED",
        {"permission": "pubsub.topics.get", "resource": topic},
    )


def test_a_publisher_of_a_topic_publishes_to_it_and_to_no_other(pubsub: Running) -> None:
    topic, other, who = pubsub.topic(), pubsub.topic(), pubsub.account("poller")
    grant(pubsub.cloud, ON_TOPIC, "roles/pubsub.publisher", who, topic=topic)
    client = pubsub.publisher(who)
    assert client.publish(topic, b"x").result(10)
    with pytest.raises(exceptions.PermissionDenied):
        client.publish(other, b"x").result(10)
    with pytest.raises(exceptions.PermissionDenied):
        client.get_topic(topic=topic)


def test_a_subscriber_consumes_its_subscription_and_a_grant_that_goes_counts_no_more(pubsub: Running) -> None:
    topic, who = pubsub.topic(), pubsub.account("reader")
    subscription = pubsub.subscription(topic)
    made = grant(pubsub.cloud, ON_SUBSCRIPTION, "roles/pubsub.subscriber", who, subscription=subscription)
    client = pubsub.subscriber(who)
    assert pull(client, subscription) == []
    with pytest.raises(exceptions.PermissionDenied):
        client.get_subscription(subscription=subscription)
    pubsub.cloud.registry.remove(made)
    with pytest.raises(exceptions.PermissionDenied):
        pull(client, subscription)


def test_to_subscribe_needs_both_the_project_and_the_topic(pubsub: Running) -> None:
    topic, who = pubsub.topic(), pubsub.account("maker")
    name = f"projects/{PROJECT}/subscriptions/made-{pubsub.new()}"
    grant(pubsub.cloud, ON_TOPIC, "roles/pubsub.subscriber", who, topic=topic)
    client = pubsub.subscriber(who)
    with pytest.raises(exceptions.PermissionDenied) as refused:
        client.create_subscription(name=name, topic=topic)
    assert (refused.value.metadata or {})["permission"] == "pubsub.subscriptions.create"
    grant(pubsub.cloud, ON_PROJECT, "roles/pubsub.editor", who, project=PROJECT)
    assert client.create_subscription(name=name, topic=topic).topic == topic


def test_a_binding_grants_to_all_of_its_members(pubsub: Running) -> None:
    topic, one, other = pubsub.topic(), pubsub.account("one"), pubsub.account("other")
    type_ = "gcp:pubsub/topicIAMBinding:TopicIAMBinding"
    members = [f"serviceAccount:{each}" for each in (one, other)]
    inputs = {"topic": topic, "role": "roles/pubsub.publisher", "members": members}
    pubsub.cloud.registry.put(Resource(type_, topic, inputs))
    for who in (one, other):
        assert pubsub.publisher(who).publish(topic, b"x").result(10)


def test_permissions_are_told_and_policies_change_by_the_program_only(pubsub: Running) -> None:
    topic, who = pubsub.topic(), pubsub.account("asker")
    grant(pubsub.cloud, ON_TOPIC, "roles/pubsub.publisher", who, topic=topic)
    client = pubsub.publisher(who)
    asked = ["pubsub.topics.publish", "pubsub.topics.delete"]
    request = iam_policy_pb2.TestIamPermissionsRequest(resource=topic, permissions=asked)
    assert list(client.test_iam_permissions(request=request).permissions) == ["pubsub.topics.publish"]
    with pytest.raises(exceptions.MethodNotImplemented, match="who may what says the program"):
        client.get_iam_policy(request=iam_policy_pb2.GetIamPolicyRequest(resource=topic))
