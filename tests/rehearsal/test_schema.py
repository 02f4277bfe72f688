"""Requests that do not fit an API's description are refused in the words of Google's front end."""

from typing import Any

import pytest

from omnipipe.rehearsal.schema import takes_whole_names
from tests.rehearsal.conftest import PROJECT, Client, refusal

PARENT = f"projects/{PROJECT}"
AUTOMATIC = {"replication": {"automatic": {}}}


def secrets(google: Client) -> Any:
    return google("secretmanager", "v1").projects().secrets()


def test_an_unknown_field_is_named_with_its_place(google: Client) -> None:
    status, message, error = refusal(
        secrets(google).create(parent=PARENT, secretId="s", body={"replication": {"automatik": {}}})
    )
    wanted = (
        "Invalid JSON payload received. Unknown name \"automatik\" at 'secret.replication': Cannot find field."
    )
    assert (status, message, error["status"]) == (400, wanted, "INVALID_ARGUMENT")
    violation = error["details"][0]["fieldViolations"][0]
    assert violation == {"field": "secret.replication", "description": wanted}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"labels": ["a"]},
            "Invalid value at 'secret.labels' (type.googleapis.com/google.protobuf.Struct), ['a']",
        ),
        ({"labels": {"a": 1}}, "Invalid value at 'secret.labels['a']' (TYPE_STRING), 1"),
        ({"ttl": "1h"}, "Invalid value at 'secret.ttl' (type.googleapis.com/google.protobuf.Duration), \"1h\""),
    ],
)
def test_a_wrong_type_is_named_with_its_value(google: Client, body: dict[str, Any], message: str) -> None:
    status, said, _ = refusal(secrets(google).create(parent=PARENT, secretId="s", body=AUTOMATIC | body))
    assert (status, said) == (400, message)


def test_every_field_that_is_wrong_is_told(google: Client) -> None:
    _, message, error = refusal(secrets(google).create(parent=PARENT, secretId="s", body={"a": 1, "b": 2}))
    assert message.count("\n") == 1
    assert len(error["details"][0]["fieldViolations"]) == 2


def test_a_wrong_enum_is_refused(google: Client) -> None:
    policies = google("monitoring", "v3").projects().alertPolicies()
    status, message, _ = refusal(policies.create(name=PARENT, body={"combiner": "NOT"}))
    assert (status, message) == (400, "Invalid value at 'alert_policy.combiner' (TYPE_ENUM), \"NOT\"")


def test_where_a_whole_name_is_asked_for_an_id_is_none(google: Client) -> None:
    profiles = google("datastream", "v1").projects().locations().connectionProfiles()
    place = f"projects/{PROJECT}/locations/europe-west1"
    body = {"displayName": "x", "privateConnectivity": {"privateConnection": "cdc-private"}, "bigqueryProfile": {}}
    status, message, _ = refusal(profiles.create(parent=place, connectionProfileId="x", body=body))
    at = "connection_profile.private_connectivity.private_connection"
    words = f"Invalid resource field value in the request. 'cdc-private' at '{at}' is no resource's name."
    assert (status, message) == (400, words)


@pytest.mark.parametrize(
    ("description", "whole"),
    [
        ("The format of this field is `projects/{projectId}/serviceAccounts/{serviceAccountEmail}`.", True),
        (
            "Required. A reference. Format: `projects/{project}/locations/{location}/privateConnections/{name}`",
            True,
        ),
        ("Format: projects/{project}/serviceAccounts/{account} or {account} Using `-` as a wildcard", False),
        (
            "It can be either the fully-qualified URI, or the short name. The format is `projects/*/connectors/*`",
            False,
        ),
        (
            "Format: {secret} if the secret is in the same project. projects/{project}/secrets/{secret} if not",
            False,
        ),
    ],
)
def test_a_description_tells_whether_a_name_may_be_short(description: str, whole: bool) -> None:
    assert takes_whole_names(description) is whole


def test_an_unknown_parameter_is_refused(google: Client) -> None:
    request = secrets(google).list(parent=PARENT)
    request.uri += "&pageSice=3"
    status, message, _ = refusal(request)
    assert status == 400
    assert message.endswith("Cannot bind query parameter. Field 'pageSice' could not be found in request message.")


def test_an_address_that_no_method_has_is_not_found(google: Client) -> None:
    request = secrets(google).get(name=f"{PARENT}/secrets/s")
    request.uri = request.uri.replace("/secrets/", "/secretz/")
    with pytest.raises(Exception, match="404"):
        request.execute()


def test_both_spellings_of_a_name_are_taken_and_numbers_of_64_bits_are_texts(google: Client) -> None:
    made = secrets(google).create(parent=PARENT, secretId="s", body=AUTOMATIC | {"version_destroy_ttl": "86400s"})
    assert made.execute()["versionDestroyTtl"] == "86400s"
    instances = google("bigquery", "v2").datasets()
    body = {"datasetReference": {"datasetId": "raw"}, "defaultTableExpirationMs": 3600000}
    assert instances.insert(projectId=PROJECT, body=body).execute()["defaultTableExpirationMs"] == "3600000"


def test_zeros_and_empty_texts_are_left_out_of_an_answer(google: Client) -> None:
    topics = google("pubsub", "v1").projects().topics()
    name = f"{PARENT}/topics/events"
    made = topics.create(name=name, body={"labels": {}, "kmsKeyName": "", "satisfiesPzs": False}).execute()
    assert made == {"name": name, "state": "ACTIVE"}
