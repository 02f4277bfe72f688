"""Cloud SQL: an instance with all that it has, its users and databases, and what it refuses."""

from typing import Any

import pytest

from tests.rehearsal.conftest import PROJECT, Client, refusal

SETTINGS = {"tier": "db-f1-micro", "edition": "ENTERPRISE"}


@pytest.fixture
def sql(google: Client) -> Any:
    return google("sqladmin", "v1beta4")


def body(**settings: Any) -> dict[str, Any]:
    named = {"name": "oltp", "databaseVersion": "POSTGRES_17", "region": "europe-west1"}
    return named | {"settings": SETTINGS | settings}


def insert(sql: Any, **settings: Any) -> Any:
    return sql.instances().insert(project=PROJECT, body=body(**settings))


def get(sql: Any) -> dict[str, Any]:
    return sql.instances().get(project=PROJECT, instance="oltp").execute()


def test_an_instance_runs_with_all_that_google_fills_in(sql: Any) -> None:
    assert insert(sql).execute()["operationType"] == "CREATE"
    made = get(sql)
    assert (made["state"], made["connectionName"]) == ("RUNNABLE", f"{PROJECT}:europe-west1:oltp")
    assert made["settings"]["ipConfiguration"]["sslMode"] == "ALLOW_UNENCRYPTED_AND_ENCRYPTED"
    assert made["settings"]["settingsVersion"] == "1"
    assert made["ipAddresses"][0]["type"] == "PRIMARY"
    users = sql.users().list(project=PROJECT, instance="oltp").execute()["items"]
    assert [user["name"] for user in users] == ["postgres"]
    assert (
        sql.databases().get(project=PROJECT, instance="oltp", database="postgres").execute()["charset"] == "UTF8"
    )


def test_a_change_is_counted_and_keeps_the_rest(sql: Any) -> None:
    insert(sql).execute()
    changed = {"settings": {"userLabels": {"a": "b"}}}
    sql.instances().patch(project=PROJECT, instance="oltp", body=changed).execute()
    settings = get(sql)["settings"]
    assert (settings["settingsVersion"], settings["tier"], settings["userLabels"]) == (
        "2",
        "db-f1-micro",
        {"a": "b"},
    )


def test_an_update_replaces_the_settings_and_keeps_what_it_does_not_name_however_often(sql: Any) -> None:
    insert(sql, userLabels={"a": "b"}).execute()
    for version in ("2", "3"):
        sql.instances().update(project=PROJECT, instance="oltp", body={"settings": SETTINGS}).execute()
        made = get(sql)
        assert (made["databaseVersion"], made["region"]) == ("POSTGRES_17", "europe-west1")
        assert made["settings"]["settingsVersion"] == version
        assert "userLabels" not in made["settings"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"tier": "db-huge"}, "Invalid Tier (db-huge) for (ENTERPRISE) Edition"),
        ({"edition": "ENTERPRISE_PLUS"}, "Invalid Tier (db-f1-micro) for (ENTERPRISE_PLUS) Edition"),
        ({"ipConfiguration": {"ipv4Enabled": False}}, "At least one of Public IP or Private IP or PSC"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(sql: Any, settings: dict[str, Any], words: str) -> None:
    status, message, error = refusal(insert(sql, **settings))
    assert status == 400
    assert words in message
    assert "status" not in error


def test_a_private_address_needs_service_networking_first(sql: Any, google: Client) -> None:
    compute, networking = google("compute", "v1"), google("servicenetworking", "v1")
    network = f"projects/{PROJECT}/global/networks/net"
    compute.networks().insert(project=PROJECT, body={"name": "net", "autoCreateSubnetworks": False}).execute()
    address = {"name": "range", "purpose": "VPC_PEERING", "addressType": "INTERNAL", "prefixLength": 16}
    private = {"ipConfiguration": {"ipv4Enabled": False, "privateNetwork": network}}
    status, message, _ = refusal(insert(sql, **private))
    assert (status, "Service Networking connection" in message) == (400, True)

    connections = networking.services().connections()
    parent = "services/servicenetworking.googleapis.com"
    connection = {"network": network, "reservedPeeringRanges": ["range"]}
    assert refusal(connections.create(parent=parent, body=connection))[:2] == (
        400,
        "Cannot find allocated range range.",
    )
    compute.globalAddresses().insert(project=PROJECT, body=address | {"network": network}).execute()
    connections.create(parent=parent, body=connection).execute()
    insert(sql, **private).execute()
    assert [each["type"] for each in get(sql)["ipAddresses"]] == ["PRIVATE"]

    gone = {"consumerNetwork": network}
    request = connections.deleteConnection(
        name=f"{parent}/connections/servicenetworking-googleapis-com", body=gone
    )
    assert "are still using" in refusal(request)[1]
    sql.instances().delete(project=PROJECT, instance="oltp").execute()
    request.execute()


def test_a_protected_instance_is_not_deleted(sql: Any) -> None:
    insert(sql, deletionProtectionEnabled=True).execute()
    status, message, _ = refusal(sql.instances().delete(project=PROJECT, instance="oltp"))
    assert (status, message.startswith("The instance is protected.")) == (400, True)
    released = {"settings": {"deletionProtectionEnabled": False}}
    sql.instances().patch(project=PROJECT, instance="oltp", body=released).execute()
    sql.instances().delete(project=PROJECT, instance="oltp").execute()
    status, _, error = refusal(sql.instances().get(project=PROJECT, instance="oltp"))
    assert (status, error["message"]) == (404, "The Cloud SQL instance does not exist.")


def test_users_are_named_by_the_query(sql: Any) -> None:
    insert(sql).execute()
    users = sql.users()
    user = {"name": f"job@{PROJECT}.iam", "type": "CLOUD_IAM_SERVICE_ACCOUNT"}
    users.insert(project=PROJECT, instance="oltp", body=user).execute()
    assert refusal(users.insert(project=PROJECT, instance="oltp", body=user))[0] == 409
    whole = user | {"name": f"job@{PROJECT}.iam.gserviceaccount.com"}
    assert refusal(users.insert(project=PROJECT, instance="oltp", body=whole))[0] == 400
    users.delete(project=PROJECT, instance="oltp", name=user["name"]).execute()
    assert refusal(users.delete(project=PROJECT, instance="oltp", name=user["name"]))[0] == 404
