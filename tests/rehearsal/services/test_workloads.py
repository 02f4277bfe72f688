"""What runs: jobs, functions, workflows, schedules, streams; each needs what it names."""

import io
from typing import Any

import pytest
from googleapiclient.http import MediaIoBaseUpload

from tests.rehearsal.conftest import NUMBER, PROJECT, Client, refusal

PARENT = f"projects/{PROJECT}"
PLACE = f"{PARENT}/locations/europe-west1"
EMAIL = f"runner@{PROJECT}.iam.gserviceaccount.com"
SOURCE = "main:\n  steps:\n    - end:\n        return: 1\n"


def make_account(google: Client) -> None:
    accounts = google("iam", "v1").projects().serviceAccounts()
    accounts.create(name=PARENT, body={"accountId": "runner"}).execute()


def make_secret(google: Client) -> Any:
    secrets = google("secretmanager", "v1").projects().secrets()
    body = {"replication": {"automatic": {}}}
    secrets.create(parent=PARENT, secretId="password", body=body).execute()
    return secrets


def job(**container: Any) -> dict[str, Any]:
    return {"template": {"template": {"containers": [{"image": "europe-docker.pkg.dev/p/i/j"} | container]}}}


def create_job(google: Client, body: dict[str, Any], id_: str = "dbt") -> Any:
    return google("run", "v2").projects().locations().jobs().create(parent=PLACE, jobId=id_, body=body)


def test_a_job_is_ready_with_its_defaults(google: Client) -> None:
    operation = create_job(google, job()).execute()
    assert operation["metadata"]["name"] == f"{PLACE}/jobs/dbt"
    made = google("run", "v2").projects().locations().jobs().get(name=f"{PLACE}/jobs/dbt").execute()
    task = made["template"]["template"]
    assert (task["maxRetries"], task["timeout"]) == (3, "600s")
    assert task["containers"][0]["resources"]["limits"] == {"cpu": "1000m", "memory": "512Mi"}
    assert task["serviceAccount"] == f"{NUMBER}-compute@developer.gserviceaccount.com"
    assert made["terminalCondition"]["state"] == "CONDITION_SUCCEEDED"


@pytest.mark.parametrize(
    ("container", "words"),
    [
        ({"resources": {"limits": {"disk": "1Gi"}}}, "unsupported resource type 'disk'"),
        ({"resources": {"limits": {"memory": "much"}}}, "invalid quantity 'much'"),
    ],
)
def test_a_jobs_limits_are_known(google: Client, container: dict[str, Any], words: str) -> None:
    status, message, _ = refusal(create_job(google, job(**container)))
    assert (status, words in message) == (400, True)


def test_a_jobs_name_is_in_small_letters(google: Client) -> None:
    assert refusal(create_job(google, job(), "Dbt"))[0] == 400


def test_a_job_needs_the_version_of_its_secret(google: Client) -> None:
    reference = {"secretKeyRef": {"secret": "password", "version": "latest"}}
    body = job(env=[{"name": "PASSWORD", "valueSource": reference}])
    assert refusal(create_job(google, body))[0] == 404
    secrets = make_secret(google)
    status, message, _ = refusal(create_job(google, body))
    assert (status, message.endswith("/secrets/password/versions/latest was not found")) == (404, True)
    secrets.addVersion(parent=f"{PARENT}/secrets/password", body={"payload": {"data": "eA=="}}).execute()
    create_job(google, body).execute()


def test_a_jobs_account_is_there_and_may_read_its_secret(google: Client) -> None:
    secrets = make_secret(google)
    name = f"{PARENT}/secrets/password"
    secrets.addVersion(parent=name, body={"payload": {"data": "eA=="}}).execute()
    body = job(env=[{"name": "PASSWORD", "valueSource": {"secretKeyRef": {"secret": "password"}}}])
    body["template"]["template"]["serviceAccount"] = EMAIL
    assert refusal(create_job(google, body))[:2] == (404, f"Service account {EMAIL} does not exist.")
    make_account(google)
    status, message, _ = refusal(create_job(google, body))
    assert status == 400
    assert message.startswith(
        f"Permission denied on secret: projects/{NUMBER}/secrets/password/versions/latest for"
    )
    binding = {"role": "roles/secretmanager.secretAccessor", "members": [f"serviceAccount:{EMAIL}"]}
    secrets.setIamPolicy(resource=name, body={"policy": {"bindings": [binding]}}).execute()
    create_job(google, body).execute()


def test_a_secrets_versions_are_counted_read_and_destroyed(google: Client) -> None:
    secrets = make_secret(google)
    name = f"{PARENT}/secrets/password"
    for data in ("b25l", "dHdv"):
        secrets.addVersion(parent=name, body={"payload": {"data": data}}).execute()
    latest = secrets.versions().access(name=f"{name}/versions/latest").execute()
    assert latest["payload"]["data"] == "dHdv"
    assert latest["name"] == f"projects/{NUMBER}/secrets/password/versions/2"
    secrets.versions().destroy(name=f"{name}/versions/2", body={}).execute()
    status, message, error = refusal(secrets.versions().access(name=f"{name}/versions/2"))
    assert (status, error["status"]) == (400, "FAILED_PRECONDITION")
    assert message.endswith("is in DESTROYED state.")


def function(**build: Any) -> dict[str, Any]:
    source = {"storageSource": {"bucket": "p-dev-code", "object": "weather.zip"}}
    return {"buildConfig": {"runtime": "python313", "entryPoint": "main", "source": source} | build}


def create_function(google: Client, body: dict[str, Any]) -> Any:
    functions = google("cloudfunctions", "v2").projects().locations().functions()
    return functions.create(parent=PLACE, functionId="weather", body=body)


def test_a_function_needs_its_source_and_makes_a_service(google: Client) -> None:
    status, message, _ = refusal(create_function(google, function()))
    assert (status, message) == (404, "The source gs://p-dev-code/weather.zip was not found.")
    storage = google("storage", "v1")
    storage.buckets().insert(project=PROJECT, body={"name": "p-dev-code"}).execute()
    media = MediaIoBaseUpload(io.BytesIO(b"zip"), "application/zip")
    storage.objects().insert(bucket="p-dev-code", name="weather.zip", media_body=media).execute()
    made = create_function(google, function()).execute()["response"]
    assert made["state"] == "ACTIVE"
    services = google("run", "v2").projects().locations().services()
    member = {"bindings": [{"role": "roles/run.invoker", "members": ["allUsers"]}]}
    services.setIamPolicy(resource=made["serviceConfig"]["service"], body={"policy": member}).execute()


def test_a_functions_runtime_is_one_that_there_is(google: Client) -> None:
    status, message, _ = refusal(create_function(google, function(runtime="python")))
    assert (status, message) == (400, "Invalid runtime 'python'.")


def test_a_workflow_can_be_read_and_runs_as_somebody(google: Client) -> None:
    workflows = google("workflows", "v1").projects().locations().workflows()

    def create(**more: Any) -> Any:
        body = {"sourceContents": SOURCE, "serviceAccount": EMAIL} | more
        return workflows.create(parent=PLACE, workflowId="daily", body=body)

    assert refusal(create())[:2] == (404, f"Service account {EMAIL} does not exist.")
    make_account(google)
    assert "parse error" in refusal(create(sourceContents="main: ["))[1]
    assert "main workflow is missing" in refusal(create(sourceContents="other: {}"))[1]
    made = create().execute()["response"]
    assert made["serviceAccount"] == f"{PARENT}/serviceAccounts/{EMAIL}"
    changed = workflows.patch(name=made["name"], updateMask="description", body={"description": "x"}).execute()
    assert changed["response"]["revisionId"] != made["revisionId"]


def test_a_schedule_is_one_that_comes(google: Client) -> None:
    jobs = google("cloudscheduler", "v1").projects().locations().jobs()

    def create(**more: Any) -> Any:
        target = {"uri": "https://example.com/run", "oauthToken": {"serviceAccountEmail": EMAIL}}
        body = {"name": f"{PLACE}/jobs/daily", "schedule": "0 4 * * *", "httpTarget": target} | more
        return jobs.create(parent=PLACE, body=body)

    assert refusal(create())[0] == 404
    make_account(google)
    assert refusal(create(schedule="0 4 * *"))[0] == 400
    assert refusal(create(timeZone="Europe/Nowhere"))[0] == 400
    made = create().execute()
    assert (made["state"], made["httpTarget"]["httpMethod"]) == ("ENABLED", "POST")
    assert made["httpTarget"]["oauthToken"]["scope"] == "https://www.googleapis.com/auth/cloud-platform"
    assert jobs.pause(name=made["name"], body={}).execute()["state"] == "PAUSED"


def test_a_stream_needs_its_profiles_and_keeps_them(google: Client) -> None:
    datastream = google("datastream", "v1").projects().locations()
    google("bigquery", "v2").datasets().insert(
        projectId=PROJECT, body={"datasetReference": {"datasetId": "raw"}}
    ).execute()
    stream = {
        "displayName": "cdc",
        "sourceConfig": {"sourceConnectionProfile": f"{PLACE}/connectionProfiles/source"},
        "destinationConfig": {
            "destinationConnectionProfile": f"{PLACE}/connectionProfiles/target",
            "bigqueryDestinationConfig": {"singleTargetDataset": {"datasetId": f"{PROJECT}:raw"}},
        },
        "backfillAll": {},
    }

    def create(body: dict[str, Any]) -> Any:
        return datastream.streams().create(parent=PLACE, streamId="cdc", body=body)

    status, message, _ = refusal(create(stream))
    assert (status, message) == (404, f"Resource '{PLACE}/connectionProfiles/source' was not found")
    postgres = {"hostname": "10.0.0.2", "username": "cdc", "password": "x", "database": "oltp"}
    for id_, profile in (("source", {"postgresqlProfile": postgres}), ("target", {"bigqueryProfile": {}})):
        body = {"displayName": id_} | profile
        profiles = datastream.connectionProfiles()
        made = profiles.create(parent=PLACE, connectionProfileId=id_, body=body).execute()["response"]
        assert "password" not in made.get("postgresqlProfile", {})
    assert refusal(create({key: value for key, value in stream.items() if key != "backfillAll"}))[0] == 400
    assert create(stream).execute()["response"]["state"] == "NOT_STARTED"
    status, message, _ = refusal(datastream.connectionProfiles().delete(name=f"{PLACE}/connectionProfiles/source"))
    assert (status, f"used by '{PLACE}/streams/cdc'" in message) == (400, True)
