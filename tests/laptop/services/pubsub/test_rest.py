"""REST, as curl, gcloud and the workflows' connectors speak it."""

import base64

import pytest
import requests

from omnipipe.laptop.iam.tokens import CLOUD_PLATFORM
from tests.laptop.conftest import PROJECT, grant
from tests.laptop.services.pubsub.conftest import Running


def test_a_message_goes_through_rest_from_end_to_end(pubsub: Running) -> None:
    topic, subscription = (
        f"projects/{PROJECT}/{kind}/rest-{pubsub.new()}" for kind in ("topics", "subscriptions")
    )
    assert pubsub.rest("PUT", topic, {"labels": {"a": "b"}}).json() == {
        "name": topic,
        "labels": {"a": "b"},
        "state": "ACTIVE",
    }
    made = pubsub.rest("PUT", subscription, {"topic": topic, "ackDeadlineSeconds": 20}).json()
    assert made["messageRetentionDuration"] == "604800s"
    assert (made["ackDeadlineSeconds"], made["expirationPolicy"], made["pushConfig"]) == (
        20,
        {"ttl": "2678400s"},
        {},
    )
    data = base64.b64encode(b"hello").decode()
    sent = pubsub.rest("POST", f"{topic}:publish", {"messages": [{"data": data, "attributes": {"k": "v"}}]}).json()
    (got,) = pubsub.rest("POST", f"{subscription}:pull", {"maxMessages": 5}).json()["receivedMessages"]
    message = got["message"]
    assert (message["data"], message["attributes"], [message["messageId"]]) == (
        data,
        {"k": "v"},
        sent["messageIds"],
    )
    assert pubsub.rest("POST", f"{subscription}:acknowledge", {"ackIds": [got["ackId"]]}).json() == {}
    patched = pubsub.rest(
        "PATCH", subscription, {"subscription": {"ackDeadlineSeconds": 30}, "updateMask": "ackDeadlineSeconds"}
    )
    assert patched.json()["ackDeadlineSeconds"] == 30
    assert pubsub.rest("DELETE", subscription).status_code == 200
    assert pubsub.rest("GET", f"{topic}/subscriptions").json() == {}
    assert pubsub.rest("DELETE", topic).json() == {}


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "words"),
    [
        ("GET", "topics/nowhere", None, (404, "NOT_FOUND"), "Resource not found (resource=nowhere)."),
        ("PUT", "topics/x", None, (400, "INVALID_ARGUMENT"), "Invalid [topics] name: (name="),
        ("PUT", "topics/good-one", {"colour": 1}, (400, "INVALID_ARGUMENT"), "Invalid JSON payload received."),
        ("POST", "topics/nowhere:publish", [], (400, "INVALID_ARGUMENT"), "The body must be an object"),
        ("GET", "topics/a/b", None, (404, "NOT_FOUND"), "was not found on this server"),
        ("POST", "topics/nowhere:burn", {}, (404, "NOT_FOUND"), "was not found on this server"),
        ("GET", "topics/nowhere:getIamPolicy", None, (404, "NOT_FOUND"), "Resource not found (resource=nowhere)."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_as_google_tells_it(
    pubsub: Running, method: str, path: str, body: object, code: tuple[int, str], words: str
) -> None:
    answer = pubsub.rest(method, f"projects/{PROJECT}/{path}", body)
    error = answer.json()["error"]
    assert (answer.status_code, error["status"], error["code"]) == (code[0], code[1], code[0])
    assert words in error["message"]


def test_lists_have_pages(pubsub: Running) -> None:
    topics = sorted(pubsub.topic() for _ in range(3))
    found, token = [], topics[0][:-1]
    while True:
        page = pubsub.rest("GET", f"projects/{PROJECT}/topics?pageSize=1&pageToken={token}").json()
        found += [each["name"] for each in page.get("topics", [])]
        token = page.get("nextPageToken")
        if not token:
            break
    assert set(topics) <= set(found)
    assert len(found) == len(set(found))


def test_at_the_address_that_is_nobodys_own_a_token_says_who_asks(pubsub: Running) -> None:
    topic, email = pubsub.topic(), pubsub.account("writer")
    url = f"{pubsub.cloud.pubsub_url}/v1/{topic}:publish"
    body = {"messages": [{"data": "eA=="}]}
    refused = requests.post(url, json=body, timeout=10)
    assert (refused.status_code, refused.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    forged = requests.post(url, json=body, headers={"Authorization": "Bearer x"}, timeout=10)
    assert forged.status_code == 401
    headers = {"Authorization": f"Bearer {pubsub.cloud.tokens.issue(email, CLOUD_PLATFORM)}"}
    assert requests.post(url, json=body, headers=headers, timeout=10).status_code == 403
    type_ = "gcp:pubsub/topicIAMMember:TopicIAMMember"
    grant(pubsub.cloud, type_, "roles/pubsub.publisher", email, topic=topic.rpartition("/")[2])
    assert requests.post(url, json=body, headers=headers, timeout=10).json()["messageIds"]


def test_a_body_in_pieces_and_a_connection_that_is_kept(pubsub: Running) -> None:
    topic = pubsub.topic()
    with requests.Session() as session:
        url = f"http://{pubsub.address()}/v1/{topic}:publish"
        pieces = iter([b'{"messages": [', b'{"data": "eA=="}', b"]}"])
        assert session.post(url, data=pieces, timeout=10).json()["messageIds"]
        assert session.get(f"http://{pubsub.address()}/v1/{topic}?alt=json", timeout=10).json()["name"] == topic
