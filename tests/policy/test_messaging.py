"""Subscriptions of Pub/Sub."""

from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN

from policy.messaging import subscriptions
from tests.policy.conftest import said


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"ackDeadlineSeconds": 601}, "ackDeadlineSeconds is 601: give 10 to 600 seconds"),
        ({"ackDeadlineSeconds": 9}, "ackDeadlineSeconds is 9"),
        (
            {"bigqueryConfig": {"table": "raw.events"}},
            "bigqueryConfig.table is 'raw.events': write PROJECT.DATASET.TABLE",
        ),
        ({"bigqueryConfig": {"table": "events"}}, "bigqueryConfig.table is 'events'"),
        ({"bigqueryConfig": {"table": "my-project.ra-w.events"}}, "bigqueryConfig.table"),
    ],
)
def test_a_subscription_that_google_refuses(inputs: dict[str, Any], words: str) -> None:
    (message,) = said(subscriptions, "pubsub.Subscription", inputs)
    assert words in message


@pytest.mark.parametrize(
    "inputs",
    [
        *({"ackDeadlineSeconds": seconds} for seconds in (0, 10, 600, UNKNOWN)),
        *(
            {"bigqueryConfig": {"table": name}}
            for name in ("my-project.raw.events", "my-project:raw.events", UNKNOWN)
        ),
        {"bigqueryConfig": {"table": "example.com:my-project.raw.events"}},
        {},
    ],
)
def test_a_subscription_that_google_takes(inputs: dict[str, Any]) -> None:
    assert not said(subscriptions, "pubsub.Subscription", inputs)
