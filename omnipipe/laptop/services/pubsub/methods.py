"""The methods of Pub/Sub, for gRPC and for REST: https://cloud.google.com/pubsub/docs/reference/service_apis_overview"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from omnipipe.laptop.services.pubsub import (
    policies,
    publishing,
    pulling,
    schemas,
    snapshots,
    subscriptions,
    topics,
)
from omnipipe.laptop.services.pubsub.access import Caller
from omnipipe.laptop.services.pubsub.broker import Broker
from omnipipe.laptop.services.pubsub.messages import Message

Handler = Callable[[Broker, Caller, Any], Awaitable[Message]]


@dataclass(frozen=True)
class Rule:
    """How REST calls a method: the field in braces is the part of the path; ``body`` is a field, or * for the rest."""

    verb: str
    path: str
    body: str = ""


@dataclass(frozen=True)
class Method:
    """A method of a service: its messages' names, what it does, and its rules."""

    service: str
    name: str
    request: str
    response: str
    handler: Handler
    rules: tuple[Rule, ...]


def _method(service: str, name: str, response: str, handler: Handler, *rules: Rule, request: str = "") -> Method:
    return Method(service, name, request or f"{name}Request", response, handler, rules)


PUBLISHER, SUBSCRIBER, SCHEMAS = (
    f"google.pubsub.v1.{name}" for name in ("Publisher", "Subscriber", "SchemaService")
)
IAM = "google.iam.v1.IAMPolicy"
_TOPIC, _SUBSCRIPTION = "projects/*/topics/*", "projects/*/subscriptions/*"
_SNAPSHOT, _SCHEMA = "projects/*/snapshots/*", "projects/*/schemas/*"
_ANY = (_TOPIC, _SUBSCRIPTION, _SNAPSHOT, _SCHEMA)


def _get(path: str) -> Rule:
    return Rule("GET", path)


def _post(path: str, body: str = "*") -> Rule:
    return Rule("POST", path, body)


METHODS = (
    _method(PUBLISHER, "CreateTopic", "Topic", topics.create, Rule("PUT", f"{{name={_TOPIC}}}", "*"), request="Topic"),
    _method(PUBLISHER, "UpdateTopic", "Topic", topics.update, Rule("PATCH", f"{{topic.name={_TOPIC}}}", "*")),
    _method(PUBLISHER, "Publish", "PublishResponse", publishing.publish, _post(f"{{topic={_TOPIC}}}:publish")),
    _method(PUBLISHER, "GetTopic", "Topic", topics.get, _get(f"{{topic={_TOPIC}}}")),
    _method(PUBLISHER, "ListTopics", "ListTopicsResponse", topics.list_, _get("{project=projects/*}/topics")),
    _method(PUBLISHER, "ListTopicSubscriptions", "ListTopicSubscriptionsResponse", topics.subscriptions,
            _get(f"{{topic={_TOPIC}}}/subscriptions")),
    _method(PUBLISHER, "ListTopicSnapshots", "ListTopicSnapshotsResponse", topics.snapshots,
            _get(f"{{topic={_TOPIC}}}/snapshots")),
    _method(PUBLISHER, "DeleteTopic", "Empty", topics.delete, Rule("DELETE", f"{{topic={_TOPIC}}}")),
    _method(PUBLISHER, "DetachSubscription", "DetachSubscriptionResponse", subscriptions.detach,
            _post(f"{{subscription={_SUBSCRIPTION}}}:detach", "")),
    _method(SUBSCRIBER, "CreateSubscription", "Subscription", subscriptions.create,
            Rule("PUT", f"{{name={_SUBSCRIPTION}}}", "*"), request="Subscription"),
    _method(SUBSCRIBER, "GetSubscription", "Subscription", subscriptions.get,
            _get(f"{{subscription={_SUBSCRIPTION}}}")),
    _method(SUBSCRIBER, "UpdateSubscription", "Subscription", subscriptions.update,
            Rule("PATCH", f"{{subscription.name={_SUBSCRIPTION}}}", "*")),
    _method(SUBSCRIBER, "ListSubscriptions", "ListSubscriptionsResponse", subscriptions.list_,
            _get("{project=projects/*}/subscriptions")),
    _method(SUBSCRIBER, "DeleteSubscription", "Empty", subscriptions.delete,
            Rule("DELETE", f"{{subscription={_SUBSCRIPTION}}}")),
    _method(SUBSCRIBER, "ModifyAckDeadline", "Empty", pulling.modify,
            _post(f"{{subscription={_SUBSCRIPTION}}}:modifyAckDeadline")),
    _method(SUBSCRIBER, "Acknowledge", "Empty", pulling.acknowledge,
            _post(f"{{subscription={_SUBSCRIPTION}}}:acknowledge")),
    _method(SUBSCRIBER, "Pull", "PullResponse", pulling.pull, _post(f"{{subscription={_SUBSCRIPTION}}}:pull")),
    _method(SUBSCRIBER, "ModifyPushConfig", "Empty", subscriptions.modify_push,
            _post(f"{{subscription={_SUBSCRIPTION}}}:modifyPushConfig")),
    _method(SUBSCRIBER, "GetSnapshot", "Snapshot", snapshots.get, _get(f"{{snapshot={_SNAPSHOT}}}")),
    _method(SUBSCRIBER, "ListSnapshots", "ListSnapshotsResponse", snapshots.list_,
            _get("{project=projects/*}/snapshots")),
    _method(SUBSCRIBER, "CreateSnapshot", "Snapshot", snapshots.create, Rule("PUT", f"{{name={_SNAPSHOT}}}", "*")),
    _method(SUBSCRIBER, "UpdateSnapshot", "Snapshot", snapshots.update,
            Rule("PATCH", f"{{snapshot.name={_SNAPSHOT}}}", "*")),
    _method(SUBSCRIBER, "DeleteSnapshot", "Empty", snapshots.delete, Rule("DELETE", f"{{snapshot={_SNAPSHOT}}}")),
    _method(SUBSCRIBER, "Seek", "SeekResponse", snapshots.seek, _post(f"{{subscription={_SUBSCRIPTION}}}:seek")),
    _method(SCHEMAS, "CreateSchema", "Schema", schemas.create, _post("{parent=projects/*}/schemas", "schema")),
    _method(SCHEMAS, "GetSchema", "Schema", schemas.get, _get(f"{{name={_SCHEMA}}}")),
    _method(SCHEMAS, "ListSchemas", "ListSchemasResponse", schemas.list_, _get("{parent=projects/*}/schemas")),
    _method(SCHEMAS, "ListSchemaRevisions", "ListSchemaRevisionsResponse", schemas.list_revisions,
            _get(f"{{name={_SCHEMA}}}:listRevisions")),
    _method(SCHEMAS, "CommitSchema", "Schema", schemas.commit, _post(f"{{name={_SCHEMA}}}:commit")),
    _method(SCHEMAS, "RollbackSchema", "Schema", schemas.rollback, _post(f"{{name={_SCHEMA}}}:rollback")),
    _method(SCHEMAS, "DeleteSchemaRevision", "Schema", schemas.delete_revision,
            Rule("DELETE", f"{{name={_SCHEMA}}}:deleteRevision")),
    _method(SCHEMAS, "DeleteSchema", "Empty", schemas.delete, Rule("DELETE", f"{{name={_SCHEMA}}}")),
    _method(SCHEMAS, "ValidateSchema", "ValidateSchemaResponse", schemas.validate,
            _post("{parent=projects/*}/schemas:validate")),
    _method(SCHEMAS, "ValidateMessage", "ValidateMessageResponse", schemas.validate_message,
            _post("{parent=projects/*}/schemas:validateMessage")),
    _method(IAM, "TestIamPermissions", "TestIamPermissionsResponse", policies.test_permissions,
            *(_post(f"{{resource={each}}}:testIamPermissions") for each in _ANY)),
    _method(IAM, "SetIamPolicy", "Policy", policies.change,
            *(_post(f"{{resource={each}}}:setIamPolicy") for each in _ANY)),
    _method(IAM, "GetIamPolicy", "Policy", policies.change,
            *(_get(f"{{resource={each}}}:getIamPolicy") for each in _ANY)),
)  # fmt: skip
