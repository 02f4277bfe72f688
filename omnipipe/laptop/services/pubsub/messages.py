"""Pub/Sub's messages as protobuf's own classes; those of google-cloud-pubsub wrap each access."""

from __future__ import annotations

from typing import Any

from google.iam.v1 import iam_policy_pb2, policy_pb2
from google.protobuf import empty_pb2
from google.pubsub_v1.types import pubsub, schema

# The classes are made at run time, so a type checker sees no fields of theirs.
Message = Any

Topic: Any = pubsub.Topic.pb()
Subscription: Any = pubsub.Subscription.pb()
Snapshot: Any = pubsub.Snapshot.pb()
Schema: Any = schema.Schema.pb()
PubsubMessage: Any = pubsub.PubsubMessage.pb()
ReceivedMessage: Any = pubsub.ReceivedMessage.pb()
PublishRequest: Any = pubsub.PublishRequest.pb()
PublishResponse: Any = pubsub.PublishResponse.pb()
PullResponse: Any = pubsub.PullResponse.pb()
StreamingPullRequest: Any = pubsub.StreamingPullRequest.pb()
StreamingPullResponse: Any = pubsub.StreamingPullResponse.pb()
BigQueryConfig: Any = pubsub.BigQueryConfig.pb()
CloudStorageConfig: Any = pubsub.CloudStorageConfig.pb()
Empty: Any = empty_pb2.Empty
Policy: Any = policy_pb2.Policy
TestIamPermissionsResponse: Any = iam_policy_pb2.TestIamPermissionsResponse

_IAM = {"SetIamPolicyRequest", "GetIamPolicyRequest", "TestIamPermissionsRequest", "TestIamPermissionsResponse"}


def named(name: str) -> Any:
    """A class by its name in Pub/Sub's own description, such as ``PullRequest``."""
    if name == "Empty":
        return Empty
    if name == "Policy":
        return Policy
    if name in _IAM:
        return getattr(iam_policy_pb2, name)
    return getattr(pubsub if hasattr(pubsub, name) else schema, name).pb()
