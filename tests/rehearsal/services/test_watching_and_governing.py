"""Metrics, alerts, topics, keys, accounts, taxonomies: what each fills in and refuses."""

from typing import Any

import pytest

from tests.rehearsal.conftest import NUMBER, PROJECT, Client, refusal

PARENT = f"projects/{PROJECT}"
PLACE = f"{PARENT}/locations/europe-west1"


def test_a_log_metric_has_a_descriptor_and_labels_that_are_extracted(google: Client) -> None:
    metrics = google("logging", "v2").projects().metrics()
    made = metrics.create(parent=PARENT, body={"name": "runs", "filter": "severity>=ERROR"}).execute()
    assert (made["name"], made["metricDescriptor"]["metricKind"]) == ("runs", "DELTA")
    assert made["metricDescriptor"]["type"] == "logging.googleapis.com/user/runs"
    labelled = {"name": "more", "filter": "x", "labelExtractors": {"step": "EXTRACT(jsonPayload.step)"}}
    status, message, _ = refusal(metrics.create(parent=PARENT, body=labelled))
    assert (status, "label extractors" in message) == (400, True)
    assert refusal(metrics.get(metricName=f"{PARENT}/metrics/none"))[:2] == (404, "Metric none does not exist.")


def policy(**held: Any) -> dict[str, Any]:
    threshold = {"filter": 'metric.type="x"', "duration": "300s", "comparison": "COMPARISON_GT"} | held
    return {
        "displayName": "runs",
        "combiner": "OR",
        "conditions": [{"displayName": "a run failed", "conditionThreshold": threshold}],
    }


def test_an_alert_policy_is_enabled_and_its_conditions_have_names(google: Client) -> None:
    made = google("monitoring", "v3").projects().alertPolicies().create(name=PARENT, body=policy()).execute()
    assert made["enabled"]
    assert made["conditions"][0]["name"].startswith(f"{made['name']}/conditions/")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (policy(duration="90s"), "multiple of 60 seconds"),
        (policy(filter=""), "conditions[0].condition_threshold.filter"),
        (policy() | {"conditions": []}, "1 to 6 conditions"),
        (policy() | {"alertStrategy": {"autoClose": "600s"}}, "should be at least 30 minutes"),
        (policy() | {"alertStrategy": {"autoClose": "691200s"}}, "should be at most 7 days"),
        (policy() | {"notificationChannels": [f"{PARENT}/notificationChannels/1"]}, "was not found"),
    ],
)
def test_an_alert_policy_that_could_not_fire_is_refused(google: Client, body: dict[str, Any], words: str) -> None:
    _, message, _ = refusal(google("monitoring", "v3").projects().alertPolicies().create(name=PARENT, body=body))
    assert words in message


def test_an_alert_is_of_a_log_metric_that_there_is(google: Client) -> None:
    kind = "logging.googleapis.com/user/runs"
    body = policy(filter=f'resource.type="cloud_run_job" AND metric.type="{kind}"')
    create = google("monitoring", "v3").projects().alertPolicies().create(name=PARENT, body=body)
    status, message, _ = refusal(create)
    assert (status, message.startswith(f'Cannot find metric(s) that match type = "{kind}".')) == (404, True)
    metrics = google("logging", "v2").projects().metrics()
    metrics.create(parent=PARENT, body={"name": "runs", "filter": "severity>=ERROR"}).execute()
    create.execute()
    metrics.delete(metricName=f"{PARENT}/metrics/runs").execute()


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"email": "a@example.com"}, 'the label "email" is not allowed for the type "email".'),
        ({}, 'the label "email_address" must be specified for the type "email".'),
    ],
)
def test_a_channel_has_the_labels_of_its_kind(google: Client, labels: dict[str, str], words: str) -> None:
    channels = google("monitoring", "v3").projects().notificationChannels()
    status, message, _ = refusal(channels.create(name=PARENT, body={"type": "email", "labels": labels}))
    assert (status, message.endswith(words)) == (400, True)
    channels.create(name=PARENT, body={"type": "slack", "labels": {"Channel_Name": "#A"}}).execute()


def test_a_channel_that_a_policy_notifies_is_not_deleted(google: Client) -> None:
    monitoring = google("monitoring", "v3").projects()
    body = {"type": "email", "labels": {"email_address": "a@example.com"}}
    channel = monitoring.notificationChannels().create(name=PARENT, body=body).execute()["name"]
    monitoring.alertPolicies().create(name=PARENT, body=policy() | {"notificationChannels": [channel]}).execute()
    assert refusal(monitoring.notificationChannels().delete(name=channel))[0] == 400
    monitoring.notificationChannels().delete(name=channel, force=True).execute()


def test_a_subscription_has_a_topic_and_a_deadline(google: Client) -> None:
    pubsub = google("pubsub", "v1").projects()
    name, topic = f"{PARENT}/subscriptions/events", f"{PARENT}/topics/events"
    request = pubsub.subscriptions().create(name=name, body={"topic": topic})
    assert refusal(request)[:2] == (404, "Resource not found (resource=events).")
    pubsub.topics().create(name=topic, body={}).execute()
    late = pubsub.subscriptions().create(name=name, body={"topic": topic, "ackDeadlineSeconds": 601})
    assert refusal(late)[0] == 400
    made = request.execute()
    assert (made["ackDeadlineSeconds"], made["state"], made["pushConfig"]) == (10, "ACTIVE", {})
    pubsub.topics().delete(topic=topic).execute()
    assert pubsub.subscriptions().get(subscription=name).execute()["topic"] == "_deleted-topic_"


def test_a_subscription_of_a_table_has_a_writer(google: Client) -> None:
    pubsub, bigquery = google("pubsub", "v1").projects(), google("bigquery", "v2")
    pubsub.topics().create(name=f"{PARENT}/topics/events", body={}).execute()
    bigquery.datasets().insert(projectId=PROJECT, body={"datasetReference": {"datasetId": "raw"}}).execute()
    table = {"tableReference": {"tableId": "events"}}
    bigquery.tables().insert(projectId=PROJECT, datasetId="raw", body=table).execute()
    body = {"topic": f"{PARENT}/topics/events", "bigqueryConfig": {"table": f"{PROJECT}.raw.events"}}
    create = pubsub.subscriptions().create(name=f"{PARENT}/subscriptions/events", body=body)
    agent = f"service-{NUMBER}@gcp-sa-pubsub.iam.gserviceaccount.com"
    status, message, _ = refusal(create)
    assert (status, message) == (
        403,
        f"Service account {agent} is missing permissions required to write to the BigQuery table: "
        "bigquery.tables.get, bigquery.tables.updateData.",
    )
    access = [{"role": "WRITER", "userByEmail": agent}]
    bigquery.datasets().patch(projectId=PROJECT, datasetId="raw", body={"access": access}).execute()
    create.execute()


def test_a_topic_has_a_schema_that_there_is(google: Client) -> None:
    name = f"{PARENT}/schemas/event"
    request = (
        google("pubsub", "v1")
        .projects()
        .topics()
        .create(name=f"{PARENT}/topics/events", body={"schemaSettings": {"schema": name, "encoding": "JSON"}})
    )
    assert refusal(request)[:2] == (404, f"Resource not found (resource={name}).")


def test_a_key_has_a_version_that_is_destroyed_and_is_never_deleted(google: Client) -> None:
    rings = google("cloudkms", "v1").projects().locations().keyRings()
    ring = rings.create(parent=PLACE, keyRingId="ring", body={}).execute()["name"]
    keys = rings.cryptoKeys()
    short = {"purpose": "ENCRYPT_DECRYPT", "rotationPeriod": "3600s"}
    assert refusal(keys.create(parent=ring, cryptoKeyId="key", body=short))[0] == 400
    key = keys.create(parent=ring, cryptoKeyId="key", body={"purpose": "ENCRYPT_DECRYPT"}).execute()
    version = key["primary"]["name"]
    assert version == f"{key['name']}/cryptoKeyVersions/1"
    destroyed = keys.cryptoKeyVersions().destroy(name=version, body={}).execute()
    assert destroyed["state"] == "DESTROY_SCHEDULED"
    assert refusal(keys.cryptoKeyVersions().destroy(name=version, body={}))[0] == 400
    assert refusal(keys.create(parent=ring, cryptoKeyId="key", body={"purpose": "ENCRYPT_DECRYPT"}))[0] == 409


def test_an_account_is_named_by_its_address(google: Client) -> None:
    accounts = google("iam", "v1").projects().serviceAccounts()
    made = accounts.create(name=PARENT, body={"accountId": "reader"}).execute()
    email = f"reader@{PROJECT}.iam.gserviceaccount.com"
    assert (made["email"], made["name"]) == (email, f"{PARENT}/serviceAccounts/{email}")
    assert accounts.get(name=f"projects/-/serviceAccounts/{made['uniqueId']}").execute() == made
    assert refusal(accounts.create(name=PARENT, body={"accountId": "reader"}))[0] == 409
    status, message, _ = refusal(accounts.create(name=PARENT, body={"accountId": "me"}))
    assert (status, message) == (400, 'The account ID "me" does not have a length between 6 and 30.')


def test_a_pools_id_is_kept_after_it_is_deleted(google: Client) -> None:
    pools = google("iam", "v1").projects().locations().workloadIdentityPools()
    place = f"{PARENT}/locations/global"
    assert refusal(pools.create(parent=place, workloadIdentityPoolId="gcp-pool", body={}))[0] == 400
    create = pools.create(parent=place, workloadIdentityPoolId="github", body={})
    create.execute()
    provider = {"oidc": {"issuerUri": "http://example.com"}}
    pool = f"{place}/workloadIdentityPools/github"
    request = pools.providers().create(parent=pool, workloadIdentityPoolProviderId="github", body=provider)
    assert "https://" in refusal(request)[1]
    pools.delete(name=pool).execute()
    assert pools.get(name=pool).execute()["state"] == "DELETED"
    assert refusal(create)[0] == 409


def test_a_policy_is_for_a_tag_that_there_is(google: Client) -> None:
    taxonomies = google("datacatalog", "v1").projects().locations().taxonomies()
    policies = google("bigquerydatapolicy", "v1").projects().locations().dataPolicies()

    def mask(tag: str, id_: str = "mask_names") -> Any:
        rule = {"predefinedExpression": "SHA256"}
        body = {"dataPolicyId": id_, "dataPolicyType": "DATA_MASKING_POLICY", "policyTag": tag}
        return policies.create(parent=PLACE, body=body | {"dataMaskingPolicy": rule})

    taxonomy = taxonomies.create(parent=PLACE, body={"displayName": "pii"}).execute()["name"]
    assert refusal(taxonomies.create(parent=PLACE, body={"displayName": "pii"}))[0] == 409
    assert refusal(mask(f"{taxonomy}/policyTags/1"))[0] == 404
    tag = taxonomies.policyTags().create(parent=taxonomy, body={"displayName": "name"}).execute()["name"]
    assert refusal(mask(tag, "mask-names"))[0] == 400
    made = mask(tag).execute()
    assert made["name"] == f"projects/{NUMBER}/locations/europe-west1/dataPolicies/mask_names"
    assert taxonomies.get(name=taxonomy).execute()["policyTagCount"] == 1


def test_a_project_has_a_number_a_policy_and_somebody_who_pays(google: Client) -> None:
    projects = google("cloudresourcemanager", "v1").projects()
    assert projects.get(projectId=PROJECT).execute()["projectNumber"] == NUMBER
    third = google("cloudresourcemanager", "v3").projects().get(name=f"projects/{PROJECT}").execute()
    assert third["name"] == f"projects/{NUMBER}"
    assert refusal(projects.get(projectId="nobodys"))[:2] == (403, "The caller does not have permission")
    info = google("cloudbilling", "v1").projects().getBillingInfo(name=f"projects/{PROJECT}").execute()
    assert info["billingEnabled"]


def test_a_budget_has_an_amount(google: Client) -> None:
    budgets = google("billingbudgets", "v1").billingAccounts().budgets()
    parent = "billingAccounts/000000-000000-000000"
    assert refusal(budgets.create(parent=parent, body={"displayName": "month"}))[0] == 400
    amount = {"specifiedAmount": {"currencyCode": "EUR", "units": 100}}
    made = budgets.create(parent=parent, body={"displayName": "month", "amount": amount}).execute()
    assert made["amount"]["specifiedAmount"]["units"] == "100"
    assert made["name"].startswith(f"{parent}/budgets/")


def test_a_pool_gives_identities_to_whom_its_rules_name(google: Client) -> None:
    pools = google("iam", "v1").projects().locations().workloadIdentityPools()
    place = f"projects/{PROJECT}/locations/global"
    pools.create(parent=place, workloadIdentityPoolId="github", body={}).execute()
    pool = f"{place}/workloadIdentityPools/github"
    rules = [{"googleCloudResource": "//run.googleapis.com/projects/1/name/locations/x/services/*"}]

    assert pools.listAttestationRules(resource=pool).execute() == {}
    assert pools.setAttestationRules(resource=pool, body={"attestationRules": rules}).execute()["done"]
    assert pools.listAttestationRules(resource=pool).execute() == {"attestationRules": rules}
    assert refusal(pools.listAttestationRules(resource=f"{pool}-2"))[0] == 404
