"""Labels have a form, of whatever they are; what only is called labels has another."""

from typing import Any

import pytest

from tests.rehearsal.conftest import PROJECT, Client, refusal

PARENT = f"projects/{PROJECT}"


def secret(google: Client, labels: dict[str, str]) -> Any:
    body = {"replication": {"automatic": {}}, "labels": labels}
    return google("secretmanager", "v1").projects().secrets().create(parent=PARENT, secretId="x", body=body)


@pytest.mark.parametrize("labels", [{"Team": "a"}, {"1st": "a"}, {"a b": "c"}, {"": "c"}, {"a" * 64: "b"}])
def test_a_key_has_a_form(google: Client, labels: dict[str, str]) -> None:
    status, message, _ = refusal(secret(google, labels))
    assert (status, f"Label key '{next(iter(labels))}' violates format constraints." in message) == (400, True)


@pytest.mark.parametrize("value", ["Data", "a.b", "a" * 64])
def test_a_value_has_a_form(google: Client, value: str) -> None:
    status, message, _ = refusal(secret(google, {"team": value}))
    assert (status, f"Label value '{value}' violates format constraints." in message) == (400, True)


def test_others_are_taken(google: Client) -> None:
    made = secret(google, {"team": "data-1_2", "größe": "", "b" * 63: "b" * 63}).execute()
    assert made["labels"]["team"] == "data-1_2"


def test_a_change_has_the_same_form(google: Client) -> None:
    name = secret(google, {}).execute()["name"]
    secrets = google("secretmanager", "v1").projects().secrets()
    assert refusal(secrets.patch(name=name, updateMask="labels", body={"labels": {"A": "b"}}))[0] == 400


def test_an_instances_labels_are_in_its_settings(google: Client) -> None:
    settings = {"tier": "db-f1-micro", "userLabels": {"Team": "a"}}
    body = {"name": "oltp", "databaseVersion": "POSTGRES_17", "settings": settings}
    assert (
        "Label key 'Team'"
        in refusal(google("sqladmin", "v1beta4").instances().insert(project=PROJECT, body=body))[1]
    )
