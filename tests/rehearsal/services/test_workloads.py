"""What runs: jobs, functions, workflows, schedules, streams; each needs what it names."""

import io
from typing import Any

import pytest
from googleapiclient.http import MediaIoBaseUpload

from tests.rehearsal.conftest import NUMBER, PROJECT, Client, failure, grant, make_account, refusal

PARENT = f"projects/{PROJECT}"
PLACE = f"{PARENT}/locations/europe-west1"
EMAIL = f"runner@{PROJECT}.iam.gserviceaccount.com"
SOURCE = "main:\n  steps:\n    - end:\n        return: 1\n"


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


def with_secret(version: str = "latest") -> dict[str, Any]:
    reference = {"secretKeyRef": {"secret": "password", "version": version}}
    body = job(env=[{"name": "PASSWORD", "valueSource": reference}])
    body["template"]["template"]["serviceAccount"] = EMAIL
    return body


AT = "spec.template.spec.containers[0].env[0].value_from.secret_key_ref.name"
READER = "roles/secretmanager.secretAccessor"


def test_a_job_fails_without_the_version_of_its_secret_and_stays(google: Client) -> None:
    make_account(google)
    for id_, prepare in (("without", lambda: None), ("empty", lambda: make_secret(google))):
        prepare()
        code, message = failure(create_job(google, with_secret(), id_))
        assert (code, message) == (
            9,
            f"{AT}: Secret projects/{NUMBER}/secrets/password/versions/latest was not found",
        )
    jobs = google("run", "v2").projects().locations().jobs()
    made = jobs.get(name=f"{PLACE}/jobs/empty").execute()
    assert made["terminalCondition"]["state"] == "CONDITION_FAILED"
    assert refusal(create_job(google, with_secret(), "empty"))[0] == 409


def test_a_jobs_account_must_be_allowed_to_read_its_secret(google: Client) -> None:
    secrets, name = make_secret(google), f"{PARENT}/secrets/password"
    secrets.addVersion(parent=name, body={"payload": {"data": "eA=="}}).execute()
    status, message, _ = refusal(create_job(google, with_secret()))
    assert (status, message) == (
        403,
        f"Permission 'iam.serviceaccounts.actAs' denied on service account {EMAIL} (or it may not exist).",
    )
    make_account(google)
    code, message = failure(create_job(google, with_secret(), "first"))
    assert code == 9
    assert message == (
        f"{AT}: Permission denied on secret: projects/{NUMBER}/secrets/password/versions/latest for Revision service "
        f"account {EMAIL}. The service account used must be granted the 'Secret Manager Secret Accessor' role "
        "(roles/secretmanager.secretAccessor) at the secret, project or higher level."
    )
    grant(secrets, name, READER, EMAIL)
    assert "error" not in create_job(google, with_secret("1"), "second").execute()
    secrets.versions().disable(name=f"{name}/versions/1", body={}).execute()
    assert failure(create_job(google, with_secret(), "third"))[1].endswith("is in DISABLED state.")


def test_googles_own_account_reads_no_secret_by_itself(google: Client) -> None:
    secrets, name = make_secret(google), f"{PARENT}/secrets/password"
    secrets.addVersion(parent=name, body={"payload": {"data": "eA=="}}).execute()
    body = with_secret()
    del body["template"]["template"]["serviceAccount"]
    default = f"{NUMBER}-compute@developer.gserviceaccount.com"
    assert f"for Revision service account {default}." in failure(create_job(google, body))[1]
    grant(secrets, name, READER, default)
    assert "error" not in create_job(google, body, "second").execute()


def test_a_services_secrets_are_mounted_too(google: Client) -> None:
    make_account(google)
    volume = {"name": "v", "secret": {"secret": "password", "items": [{"path": "p", "version": "1"}]}}
    template = {"serviceAccount": EMAIL, "containers": [{"image": "gcr.io/x/y"}], "volumes": [volume]}
    services = google("run", "v2").projects().locations().services()
    code, message = failure(services.create(parent=PLACE, serviceId="api", body={"template": template}))
    assert (code, message) == (
        9,
        "Revision 'api-00001-abc' is not ready and cannot serve traffic. spec.template.spec.volumes[0].secret."
        f"items[0].key: Secret projects/{NUMBER}/secrets/password/versions/1 was not found",
    )


def test_a_jobs_image_is_in_a_repository_that_there_is(google: Client) -> None:
    image = f"europe-west1-docker.pkg.dev/{PROJECT}/images/dbt:latest"
    assert failure(create_job(google, job(image=image), "first")) == (5, f"Image '{image}' not found.")
    repositories = google("artifactregistry", "v1").projects().locations().repositories()
    repositories.create(parent=PLACE, repositoryId="images", body={"format": "DOCKER"}).execute()
    assert "error" not in create_job(google, job(image=image), "second").execute()


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
    make_source(google)
    made = create_function(google, function()).execute()["response"]
    assert made["state"] == "ACTIVE"
    services = google("run", "v2").projects().locations().services()
    member = {"bindings": [{"role": "roles/run.invoker", "members": ["allUsers"]}]}
    services.setIamPolicy(resource=made["serviceConfig"]["service"], body={"policy": member}).execute()


def make_source(google: Client) -> None:
    storage = google("storage", "v1")
    storage.buckets().insert(project=PROJECT, body={"name": "p-dev-code"}).execute()
    media = MediaIoBaseUpload(io.BytesIO(b"zip"), "application/zip")
    storage.objects().insert(bucket="p-dev-code", name="weather.zip", media_body=media).execute()


def test_a_functions_accounts_are_there(google: Client) -> None:
    make_source(google)
    words = f"Service account projects/-/serviceAccounts/{EMAIL} was not found."
    builder = function(serviceAccount=f"{PARENT}/serviceAccounts/{EMAIL}")
    assert refusal(create_function(google, builder))[:2] == (404, words)
    runner = function() | {"serviceConfig": {"serviceAccountEmail": EMAIL}}
    assert refusal(create_function(google, runner))[:2] == (404, words)


def test_a_functions_builder_is_told_by_its_whole_name(google: Client) -> None:
    make_source(google)
    make_account(google)
    status, message, _ = refusal(create_function(google, function(serviceAccount=EMAIL)))
    assert (status, f"'{EMAIL}' at 'function.build_config.service_account'" in message) == (400, True)


def test_a_function_is_built_by_an_api_that_is_enabled(google: Client) -> None:
    make_source(google)
    name = f"{PARENT}/services/cloudbuild.googleapis.com"
    google("serviceusage", "v1").services().disable(name=name, body={}).execute()
    code, message = failure(create_function(google, function()))
    words = f"Build failed: Cloud Build API has not been used in project {NUMBER} before or it is disabled."
    assert (code, message.startswith(words)) == (7, True)


def test_who_builds_a_function_reads_its_source_and_writes_its_image(google: Client) -> None:
    make_source(google)
    make_account(google)
    repository = f"{PLACE}/repositories/images"
    body = function(serviceAccount=f"{PARENT}/serviceAccounts/{EMAIL}", dockerRepository=repository)
    functions = google("cloudfunctions", "v2").projects().locations().functions()

    def failed() -> tuple[int, str]:
        said = failure(create_function(google, body))
        assert functions.get(name=f"{PLACE}/functions/weather").execute()["state"] == "FAILED"
        functions.delete(name=f"{PLACE}/functions/weather").execute()
        return said

    code, message = failed()
    assert (code, message.startswith(f"Unable to retrieve the repository metadata for {repository}.")) == (7, True)
    repositories = google("artifactregistry", "v1").projects().locations().repositories()
    repositories.create(parent=PLACE, repositoryId="images", body={"format": "DOCKER"}).execute()
    code, message = failed()
    assert code == 3
    assert message.startswith(
        f"Build failed with status: FAILURE and message: Access to bucket gcf-v2-sources-{NUMBER}-europe-west1 denied. "
        f"You must grant Storage Object Viewer permission to {EMAIL}."
    )
    projects = google("cloudresourcemanager", "v1").projects()
    name = 'resource.name.startsWith("projects/_/buckets/gcf-v2-sources-")'
    grant(projects, PROJECT, "roles/storage.objectViewer", EMAIL, expression=name.replace("gcf", "run"))
    assert "Access to bucket" in failed()[1]
    grant(projects, PROJECT, "roles/storage.objectViewer", EMAIL, expression=name)
    code, message = failed()
    assert message.startswith("Could not build the function due to a missing permission")
    grant(repositories, repository, "roles/artifactregistry.writer", EMAIL)
    assert "error" not in create_function(google, body).execute()


def test_a_function_that_may_not_read_its_secret_fails(google: Client) -> None:
    make_source(google)
    make_account(google)
    variable = {"key": "PASSWORD", "projectId": PROJECT, "secret": "password", "version": "1"}
    run = {"serviceAccountEmail": EMAIL, "secretEnvironmentVariables": [variable]}
    code, message = failure(create_function(google, function() | {"serviceConfig": run}))
    assert (code, message) == (
        9,
        "Could not create or update Cloud Run service. Accessing secret failed: Revision is not ready and cannot serve "
        f"traffic. Secret projects/{NUMBER}/secrets/password/versions/1 was not found",
    )


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


def test_a_workflow_calls_what_there_is(google: Client) -> None:
    workflows = google("workflows", "v1").projects().locations().workflows()

    def create(called: str, id_: str) -> Any:
        source = f"""
main:
  steps:
    - first:
        try:
          steps:
            - fetch:
                call: {called}
                args: {{call: nobody}}
        except:
          as: e
          steps: [{{log: {{call: sys.log}}}}]
page:
  steps: [{{end: {{return: 1}}}}]
"""
        return workflows.create(parent=PLACE, workflowId=id_, body={"sourceContents": source})

    words = "failed to build: error in step fetch: symbol 'pages' not found"
    assert refusal(create("pages", "wrong"))[:2] == (400, words)
    for id_, called in (("sub", "page"), ("module", "http.get"), ("later", "${name}")):
        create(called, id_).execute()


def test_a_schedule_is_one_that_comes(google: Client) -> None:
    jobs = google("cloudscheduler", "v1").projects().locations().jobs()

    def create(**more: Any) -> Any:
        target = {"uri": "https://example.com/run", "oauthToken": {"serviceAccountEmail": EMAIL}}
        body = {"name": f"{PLACE}/jobs/daily", "schedule": "0 4 * * *", "httpTarget": target} | more
        return jobs.create(parent=PLACE, body=body)

    status, message, _ = refusal(create())
    assert (status, message) == (
        403,
        'The principal (user or service account) lacks IAM permission "iam.serviceAccounts.actAs" for the resource '
        f'"{EMAIL}" (or the resource may not exist).',
    )
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


def test_a_private_connection_stays_while_a_profile_uses_it(google: Client) -> None:
    datastream = google("datastream", "v1").projects().locations()
    name = f"{PLACE}/privateConnections/private"
    postgres = {"hostname": "10.0.0.2", "username": "cdc", "password": "x", "database": "oltp"}
    body = {
        "displayName": "source",
        "postgresqlProfile": postgres,
        "privateConnectivity": {"privateConnection": name},
    }
    create = datastream.connectionProfiles().create(parent=PLACE, connectionProfileId="source", body=body)
    assert refusal(create)[:2] == (404, f"Resource '{name}' was not found")
    private = {"displayName": "private", "vpcPeeringConfig": {"subnet": "10.2.0.0/29"}}
    connections = datastream.privateConnections()
    connections.create(parent=PLACE, privateConnectionId="private", body=private).execute()
    create.execute()
    assert f"used by '{PLACE}/connectionProfiles/source'" in refusal(connections.delete(name=name, force=True))[1]
    datastream.connectionProfiles().delete(name=f"{PLACE}/connectionProfiles/source").execute()
    connections.delete(name=name).execute()
