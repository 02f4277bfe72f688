"""BigQuery: what it fills in, what a table takes from its dataset, and what it refuses."""

from typing import Any

import pytest

from tests.rehearsal.conftest import PROJECT, Client, grant, make_key, refusal

KEY = f"projects/{PROJECT}/locations/europe/keyRings/ring/cryptoKeys/key"
COLUMNS = {"fields": [{"name": "id", "type": "INT64", "mode": "REQUIRED"}, {"name": "day", "type": "DATE"}]}


@pytest.fixture
def bigquery(google: Client) -> Any:
    return google("bigquery", "v2")


def make_dataset(bigquery: Any, id_: str = "raw", **more: Any) -> dict[str, Any]:
    body = {"datasetReference": {"datasetId": id_, "projectId": PROJECT}} | more
    return bigquery.datasets().insert(projectId=PROJECT, body=body).execute()


def table(id_: str = "trips", **more: Any) -> dict[str, Any]:
    return {"tableReference": {"projectId": PROJECT, "datasetId": "raw", "tableId": id_}, "schema": COLUMNS} | more


def insert(bigquery: Any, **more: Any) -> Any:
    return bigquery.tables().insert(projectId=PROJECT, datasetId="raw", body=table(**more))


def test_a_dataset_has_an_access_list_and_its_place_in_capitals(bigquery: Any) -> None:
    made = make_dataset(bigquery, location="eu")
    assert made["location"] == "EU"
    assert {"role": "OWNER", "specialGroup": "projectOwners"} in made["access"]
    assert (made["id"], made["type"]) == (f"{PROJECT}:raw", "DEFAULT")


def test_a_dataset_is_made_once(bigquery: Any) -> None:
    make_dataset(bigquery)
    body = {"datasetReference": {"datasetId": "raw"}}
    status, message, error = refusal(bigquery.datasets().insert(projectId=PROJECT, body=body))
    assert (status, message) == (409, f"Already Exists: Dataset {PROJECT}:raw")
    assert error["errors"] == [{"message": message, "domain": "global", "reason": "duplicate"}]


def test_a_name_with_a_hyphen_is_none(bigquery: Any) -> None:
    body = {"datasetReference": {"datasetId": "raw-data"}}
    status, message, _ = refusal(bigquery.datasets().insert(projectId=PROJECT, body=body))
    assert status == 400
    assert message.startswith('Invalid dataset ID "raw-data".')


def test_a_table_takes_its_datasets_key_and_place(bigquery: Any, google: Client) -> None:
    assert make_key(google, "europe") == KEY
    agent = bigquery.projects().getServiceAccount(projectId=PROJECT).execute()["email"]
    keys = google("cloudkms", "v1").projects().locations().keyRings().cryptoKeys()
    grant(keys, KEY, "roles/cloudkms.cryptoKeyEncrypterDecrypter", agent)
    make_dataset(bigquery, location="EU", defaultEncryptionConfiguration={"kmsKeyName": KEY})
    made = insert(bigquery).execute()
    assert made["encryptionConfiguration"] == {"kmsKeyName": KEY}
    assert (made["location"], made["type"], made["numRows"]) == ("EU", "TABLE", "0")
    assert made["schema"]["fields"][0]["type"] == "INTEGER"


def test_a_dataset_is_granted_by_roles_that_there_are(bigquery: Any) -> None:
    access = [{"role": "roles/bigquery.metadataReader", "groupByEmail": "data@example.com"}]
    body = {"datasetReference": {"datasetId": "raw"}, "access": access}
    status, message, _ = refusal(bigquery.datasets().insert(projectId=PROJECT, body=body))
    words = "Role roles/bigquery.metadataReader is not supported for this resource."
    assert (status, message) == (400, f"IAM setPolicy failed for Dataset {PROJECT}:raw: {words}")


def test_a_key_must_exist(bigquery: Any) -> None:
    body = {"datasetReference": {"datasetId": "raw"}, "defaultEncryptionConfiguration": {"kmsKeyName": KEY}}
    status, message, _ = refusal(bigquery.datasets().insert(projectId=PROJECT, body=body))
    assert (status, message) == (404, f"CryptoKey {KEY} not found.")


def test_a_columns_policy_tag_must_exist(bigquery: Any, google: Client) -> None:
    make_dataset(bigquery)
    taxonomies, place = (
        google("datacatalog", "v1").projects().locations().taxonomies(),
        f"projects/{PROJECT}/locations/eu",
    )
    taxonomy = taxonomies.create(parent=place, body={"displayName": "pii"}).execute()["name"]

    def tagged(tag: str) -> Any:
        column = {"name": "email", "type": "STRING", "policyTags": {"names": [tag]}}
        return insert(bigquery, schema={"fields": [column]})

    assert refusal(tagged(f"{taxonomy}/policyTags/1"))[0] == 404
    tag = taxonomies.policyTags().create(parent=taxonomy, body={"displayName": "email"}).execute()["name"]
    tagged(tag).execute()


def test_a_table_needs_its_dataset(bigquery: Any) -> None:
    status, message, _ = refusal(insert(bigquery))
    assert (status, message) == (404, f"Not found: Dataset {PROJECT}:raw")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"schema": {"fields": [{"name": "id", "type": "NUMBER"}]}},
            "Invalid value for type: NUMBER is not a valid value",
        ),
        (
            {"timePartitioning": {"type": "DAY", "field": "date"}},
            "The field specified for partitioning cannot be found in the schema: date",
        ),
        (
            {"clustering": {"fields": ["city"]}},
            "The field specified for clustering cannot be found in the schema: city",
        ),
    ],
)
def test_a_table_fits_its_schema(bigquery: Any, more: dict[str, Any], message: str) -> None:
    make_dataset(bigquery)
    status, said, _ = refusal(insert(bigquery, **more))
    assert (status, said) == (400, message)


def test_a_dataset_with_tables_is_not_deleted_unless_told(bigquery: Any) -> None:
    make_dataset(bigquery)
    insert(bigquery).execute()
    datasets = bigquery.datasets()
    status, message, error = refusal(datasets.delete(projectId=PROJECT, datasetId="raw"))
    assert (status, message) == (400, f"Dataset {PROJECT}:raw is still in use")
    assert error["errors"][0]["reason"] == "resourceInUse"
    datasets.delete(projectId=PROJECT, datasetId="raw", deleteContents=True).execute()
    assert refusal(bigquery.tables().get(projectId=PROJECT, datasetId="raw", tableId="trips"))[0] == 404


def test_a_role_is_told_by_its_older_name_and_is_of_somebody(bigquery: Any, google: Client) -> None:
    email = f"reader@{PROJECT}.iam.gserviceaccount.com"
    access = [{"role": "roles/bigquery.dataViewer", "userByEmail": email}]
    make_dataset(bigquery)
    request = bigquery.datasets().patch(projectId=PROJECT, datasetId="raw", body={"access": access})
    wanted = f"IAM setPolicy failed for Dataset {PROJECT}:raw: Service account {email} does not exist."
    assert refusal(request)[:2] == (400, wanted)
    accounts = google("iam", "v1").projects().serviceAccounts()
    accounts.create(name=f"projects/{PROJECT}", body={"accountId": "reader"}).execute()
    assert request.execute()["access"] == [{"role": "READER", "userByEmail": email}]
