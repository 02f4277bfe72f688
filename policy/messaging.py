"""Pub/Sub: deadlines within its limits, and tables named in full."""

from collections.abc import Iterator

from policy.forms import Form, broken, kinds, pattern
from policy.subject import Resource, resource_policy

_FORMS = (
    Form(
        "pubsub.Subscription",
        "ackDeadlineSeconds",
        lambda seconds: seconds == 0 or 10 <= seconds <= 600,  # 0 is the default, which is 10
        "give 10 to 600 seconds",
        "https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions",
    ),
    Form(
        "pubsub.Subscription",
        "bigqueryConfig.table",
        pattern(r"[a-z][a-z0-9.:-]+[.:]\w+\.[^.]+"),
        "write PROJECT.DATASET.TABLE",
        "https://cloud.google.com/pubsub/docs/create-bigquery-subscription",
    ),
)


@resource_policy(*kinds(*_FORMS), source="https://cloud.google.com/pubsub/docs/subscription-properties")
def subscriptions(subscription: Resource) -> Iterator[str]:
    """A subscription waits 10 to 600 seconds for an answer, and writes to a table that is named with its project."""
    yield from broken(subscription, *_FORMS)
