"""Create, get, list, update, delete: what all APIs have in common."""

from typing import Any

import pytest

from omnipipe.rehearsal.control_plane import ControlPlane
from tests.rehearsal.conftest import NUMBER, PROJECT, Client, refusal

PARENT = f"projects/{PROJECT}"
PLACE = f"{PARENT}/locations/europe-west1"
AUTOMATIC = {"replication": {"automatic": {}}}


def secrets(google: Client) -> Any:
    return google("secretmanager", "v1").projects().secrets()


def make_secret(google: Client, id_: str, **more: Any) -> dict[str, Any]:
    return secrets(google).create(parent=PARENT, secretId=id_, body=AUTOMATIC | more).execute()


def test_what_was_made_is_answered_again(google: Client) -> None:
    made = make_secret(google, "password", labels={"a": "b"})
    assert made["name"] == f"projects/{NUMBER}/secrets/password"
    assert {"createTime", "etag"} <= set(made)
    assert secrets(google).get(name=f"{PARENT}/secrets/password").execute() == made
    assert secrets(google).get(name=f"projects/{NUMBER}/secrets/password").execute() == made


def test_a_name_is_taken_once(google: Client) -> None:
    make_secret(google, "password")
    status, message, error = refusal(secrets(google).create(parent=PARENT, secretId="password", body=AUTOMATIC))
    assert (status, error["status"]) == (409, "ALREADY_EXISTS")
    assert message == f"Secret [projects/{NUMBER}/secrets/password] already exists."


def test_what_is_not_there_is_not_found(google: Client) -> None:
    status, message, error = refusal(secrets(google).get(name=f"{PARENT}/secrets/none"))
    assert (status, error["status"]) == (404, "NOT_FOUND")
    assert message == f"Secret [projects/{NUMBER}/secrets/none] not found."


def test_a_parent_must_be_there(google: Client) -> None:
    keys = google("cloudkms", "v1").projects().locations().keyRings().cryptoKeys()
    request = keys.create(parent=f"{PLACE}/keyRings/none", cryptoKeyId="key", body={"purpose": "ENCRYPT_DECRYPT"})
    status, message, _ = refusal(request)
    assert (status, message) == (404, f"KeyRing {PLACE}/keyRings/none not found.")


def test_a_project_must_be_there(google: Client) -> None:
    status, message, error = refusal(secrets(google).create(parent="projects/other", secretId="s", body=AUTOMATIC))
    assert (status, message) == (403, "Permission denied on resource project other.")
    assert error["details"][0]["reason"] == "CONSUMER_INVALID"


def test_lists_come_in_pages(google: Client) -> None:
    for number in range(5):
        make_secret(google, f"s{number}")
    names, token = [], None
    while True:
        page = secrets(google).list(parent=PARENT, pageSize=2, pageToken=token).execute()
        assert len(page["secrets"]) <= 2
        names += [each["name"].rpartition("/")[2] for each in page["secrets"]]
        token = page.get("nextPageToken")
        if not token:
            break
    assert names == ["s0", "s1", "s2", "s3", "s4"]


def test_a_page_that_nobody_gave_is_refused(google: Client) -> None:
    assert refusal(secrets(google).list(parent=PARENT, pageToken="x"))[0] == 400


def test_a_mask_says_what_changes(google: Client) -> None:
    make_secret(google, "password", labels={"a": "b"}, annotations={"c": "d"})
    body = {"labels": {"a": "e"}, "annotations": {"not": "meant"}}
    changed = secrets(google).patch(name=f"{PARENT}/secrets/password", updateMask="labels", body=body).execute()
    assert (changed["labels"], changed["annotations"]) == ({"a": "e"}, {"c": "d"})
    emptied = secrets(google).patch(name=f"{PARENT}/secrets/password", updateMask="labels", body={}).execute()
    assert "labels" not in emptied


def test_a_mask_names_fields_that_there_are(google: Client) -> None:
    make_secret(google, "password")
    request = secrets(google).patch(name=f"{PARENT}/secrets/password", updateMask="label", body={})
    status, message, _ = refusal(request)
    assert (status, message) == (400, "Invalid field mask: 'label' names no field of Secret.")


def test_a_change_of_an_older_state_is_refused(google: Client) -> None:
    old = make_secret(google, "password")
    name = f"{PARENT}/secrets/password"
    secrets(google).patch(name=name, updateMask="labels", body={"labels": {"a": "b"}}).execute()
    status, _, error = refusal(secrets(google).patch(name=name, updateMask="labels", body={"etag": old["etag"]}))
    assert (status, error["status"]) == (409, "ABORTED")
    assert refusal(secrets(google).delete(name=name, etag="made up"))[0] == 409
    assert (
        refusal(secrets(google).delete(name=name, etag="ZWxzZXdoZXI="))[0] == 409
    )  # in Google's form, and not ours


def test_the_older_apis_patch_by_merging_and_refuse_an_old_etag_with_412(google: Client) -> None:
    datasets = google("bigquery", "v2").datasets()
    body = {"datasetReference": {"datasetId": "raw"}, "labels": {"a": "b"}, "description": "one"}
    made = datasets.insert(projectId=PROJECT, body=body).execute()
    changed = datasets.patch(projectId=PROJECT, datasetId="raw", body={"labels": {"c": "d"}}).execute()
    assert changed["labels"] == {"a": "b", "c": "d"}
    assert changed["description"] == "one"
    cleared = datasets.patch(projectId=PROJECT, datasetId="raw", body={"description": None}).execute()
    assert "description" not in cleared
    request = datasets.patch(projectId=PROJECT, datasetId="raw", body={"description": "two"})
    request.headers["If-Match"] = made["etag"]
    status, _, error = refusal(request)
    assert (status, error["errors"][0]["reason"]) == (412, "conditionNotMet")


def test_what_is_deleted_is_gone_with_all_below_it(google: Client) -> None:
    make_secret(google, "password")
    name = f"{PARENT}/secrets/password"
    version = secrets(google).addVersion(parent=name, body={"payload": {"data": "eA=="}}).execute()
    assert secrets(google).delete(name=name).execute() == {}
    assert refusal(secrets(google).get(name=name))[0] == 404
    assert refusal(secrets(google).versions().get(name=version["name"]))[0] == 404


def test_an_operation_is_done_when_it_is_answered_and_can_be_asked_again(google: Client) -> None:
    workflows = google("workflows", "v1").projects().locations()
    body = {"sourceContents": "main:\n  steps: []\n"}
    operation = workflows.workflows().create(parent=PLACE, workflowId="daily", body=body).execute()
    assert operation["done"]
    assert operation["metadata"]["target"] == f"{PLACE}/workflows/daily"
    assert operation["response"]["state"] == "ACTIVE"
    assert workflows.operations().get(name=operation["name"]).execute() == operation


def test_an_operation_of_compute_says_what_it_did_to_what(google: Client) -> None:
    compute = google("compute", "v1")
    operation = compute.networks().insert(project=PROJECT, body={"name": "net"}).execute()
    assert (operation["status"], operation["operationType"]) == ("DONE", "insert")
    assert operation["targetLink"].endswith(f"projects/{PROJECT}/global/networks/net")
    again = compute.globalOperations().get(project=PROJECT, operation=operation["name"]).execute()
    assert again == operation


def test_an_operation_that_is_done_can_be_cancelled_and_one_that_is_not_there_cannot(google: Client) -> None:
    workflows = google("workflows", "v1").projects().locations()
    request = workflows.operations().delete(name=f"{PLACE}/operations/none")
    assert refusal(request)[0] == 404
    streams = google("datastream", "v1").projects().locations()
    body = {"displayName": "target", "bigqueryProfile": {}}
    made = streams.connectionProfiles().create(parent=PLACE, connectionProfileId="target", body=body).execute()
    assert streams.operations().cancel(name=made["name"], body={}).execute() == {}


def test_what_there_is_one_of_is_read_and_changed(google: Client) -> None:
    settings = google("logging", "v2").folders()
    name = "folders/222/settings"
    assert settings.getSettings(name="folders/222").execute() == {"name": name}
    body = {"disableDefaultSink": True, "storageLocation": "eu"}
    changed = settings.updateSettings(name="folders/222", updateMask="storageLocation", body=body).execute()
    assert changed == {"name": name, "storageLocation": "eu"}
    assert settings.getSettings(name="folders/222").execute() == changed


def test_a_reset_forgets_all(google: Client, plane: ControlPlane) -> None:
    make_secret(google, "password")
    plane.reset()
    assert secrets(google).list(parent=PARENT).execute() == {}


@pytest.mark.parametrize(
    ("api", "path"),
    [
        ("sqladmin", f"/sql/v1beta4/projects/{PROJECT}/instances/i/resetSslConfig"),
        ("dlp", f"/v2/{PARENT}/content:inspect"),
    ],
)
def test_a_method_that_nobody_has_a_rule_for_is_refused_by_its_name(
    plane: ControlPlane, api: str, path: str
) -> None:
    status, body = plane.answer("POST", api, path, {}, {})
    assert status == 501
    assert body["error"]["message"].startswith("The rehearsal does not know")


def test_locations_are_in_small_letters(google: Client) -> None:
    taxonomies = google("datacatalog", "v1").projects().locations().taxonomies()
    request = taxonomies.create(parent=f"projects/{PROJECT}/locations/EU", body={"displayName": "pii"})
    assert refusal(request)[:2] == (403, "Permission denied on 'locations/EU' (or it may not exist).")
