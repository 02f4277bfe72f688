"""Pub/Sub's resources, as the program registers them."""

from typing import Any

import pytest
import requests

from omnipipe.laptop import lifecycle, shells
from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.deployment import Deployment
from omnipipe.laptop.errors import LaptopError, LosesData
from omnipipe.laptop.iam.tokens import OWNER
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.pubsub.resources import KINDS, NAME, SCHEMA, SUBSCRIPTION, TOPIC
from tests.laptop.conftest import PROJECT

AVRO = '{"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}%s]}'
TOPIC_ID = f"projects/{PROJECT}/topics/events"


def register(
    cloud: Cloud, type_: str, name: str, *, lose: bool = False, **inputs: Any
) -> tuple[str, dict[str, Any]]:
    return Deployment(cloud, may_lose_data=lose).register(type_, name, {"name": name, **inputs}, False)


def shown(cloud: Cloud, path: str) -> Any:
    answer = requests.get(f"{cloud.pubsub_url}/v1/{path}", headers=cloud.as_owner(), timeout=10)
    return answer.json() if answer.ok else None


@pytest.mark.servers
def test_a_program_without_pubsub_has_no_process_and_the_first_resource_starts_it(cloud: Cloud) -> None:
    cloud.remember()
    assert NAME not in lifecycle.expected_processes(cloud)
    id_, outputs = register(cloud, TOPIC, "events", labels={"a": "b"})
    assert (id_, outputs["name"]) == (TOPIC_ID, "events")
    assert NAME in lifecycle.expected_processes(cloud)
    assert NAME in cloud.processes.running()
    assert KINDS[TOPIC].problem(cloud, cloud.registry.of_type(TOPIC)[0]) is None

    Deployment(cloud).take_down_unregistered()
    assert NAME not in cloud.processes.running()


@pytest.mark.servers
def test_resources_are_made_changed_and_removed_as_the_program_says(cloud: Cloud) -> None:
    cloud.remember()
    register(cloud, SCHEMA, "shape", type="AVRO", definition=AVRO % "")
    register(cloud, TOPIC, "dead")
    settings = {"schema": f"projects/{PROJECT}/schemas/shape", "encoding": "JSON"}
    register(cloud, TOPIC, "events", schemaSettings=settings, messageRetentionDuration="600s")
    first = {
        "topic": TOPIC_ID,
        "ackDeadlineSeconds": 20.0,  # Pulumi's numbers
        "expirationPolicy": {"ttl": ""},
        "deadLetterPolicy": {"deadLetterTopic": f"projects/{PROJECT}/topics/dead", "maxDeliveryAttempts": 5.0},
        "retryPolicy": {"minimumBackoff": "10s", "maximumBackoff": "60s"},
    }
    id_, _ = register(cloud, SUBSCRIPTION, "reader", **first)
    made = shown(cloud, id_)
    assert (made["ackDeadlineSeconds"], made["expirationPolicy"], made["topic"]) == (20, {}, TOPIC_ID)
    assert made["deadLetterPolicy"]["maxDeliveryAttempts"] == 5

    register(cloud, SUBSCRIPTION, "reader", **first | {"ackDeadlineSeconds": 30.0, "retryPolicy": None})
    assert (shown(cloud, id_)["ackDeadlineSeconds"], "retryPolicy" in shown(cloud, id_)) == (30, False)
    revision = shown(cloud, f"projects/{PROJECT}/schemas/shape")["revisionId"]
    more = AVRO % ', {"name": "b", "type": "string", "default": ""}'
    register(cloud, SCHEMA, "shape", type="AVRO", definition=more)
    register(cloud, SCHEMA, "shape", type="AVRO", definition=more)
    revisions = shown(cloud, f"projects/{PROJECT}/schemas/shape:listRevisions")["schemas"]
    assert [each["revisionId"] for each in revisions][1:] == [revision]

    with pytest.raises(LosesData, match="filter None becomes attributes:a"):
        register(cloud, SUBSCRIPTION, "reader", **first, filter="attributes:a")
    register(cloud, SUBSCRIPTION, "reader", lose=True, **first, filter="attributes:a")
    assert shown(cloud, id_)["filter"] == "attributes:a"
    Deployment(cloud, may_lose_data=True).take_down_unregistered()
    assert list(cloud.registry) == []


@pytest.mark.servers
def test_what_pubsub_refuses_is_told_in_its_words(cloud: Cloud) -> None:
    cloud.remember()
    with pytest.raises(
        LaptopError, match=r"Subscription reader: Pub/Sub refused it: Resource not found \(resource=e"
    ):
        register(cloud, SUBSCRIPTION, "reader", topic=TOPIC_ID)
    with pytest.raises(LaptopError, match="has no message transforms"):
        register(cloud, TOPIC, "events", messageTransforms=[{"javascriptUdf": {"functionName": "f", "code": "c"}}])
    with pytest.raises(LaptopError, match="Invalid schema definition"):
        register(cloud, SCHEMA, "shape", type="AVRO", definition="{")


@pytest.mark.servers
def test_what_was_there_is_there_after_a_stop_and_each_address_is_the_same(cloud: Cloud) -> None:
    cloud.remember()
    register(cloud, TOPIC, "events")
    workload = cloud.workload_environment(f"poller@{PROJECT}.iam.gserviceaccount.com", cloud.home.directory)
    own, owners = workload["PUBSUB_EMULATOR_HOST"], cloud.pubsub_address(OWNER)
    assert len({own, owners, cloud.pubsub_url.removeprefix("http://")}) == 3
    cloud.processes.stop()
    register(cloud, TOPIC, "events")
    assert shown(cloud, TOPIC_ID)
    assert requests.get(f"http://{own}/v1/{TOPIC_ID}", timeout=5).status_code == 403
    assert requests.get(f"http://{owners}/v1/{TOPIC_ID}", timeout=5).json()["name"] == TOPIC_ID


def test_a_shell_finds_pubsub_where_the_program_has_some(cloud: Cloud) -> None:
    assert "PUBSUB_EMULATOR_HOST" not in shells.of_owner(cloud)
    cloud.registry.put(Resource(TOPIC, "events", {"name": "events"}))
    assert shells.of_owner(cloud)["PUBSUB_EMULATOR_HOST"] == cloud.pubsub_address(OWNER)


def test_a_push_with_a_token_comes_from_inside() -> None:
    token = {"oidcToken": {"serviceAccountEmail": "pusher@x"}}
    assert KINDS[SUBSCRIPTION].calls_as(Resource(SUBSCRIPTION, "s", {"pushConfig": token})) == "pusher@x"
    assert KINDS[SUBSCRIPTION].calls_as(Resource(SUBSCRIPTION, "s", {"topic": "t"})) is None
