"""A small program of many kinds of resources, in a component: what a deployment that goes wrong half-way leaves."""

import json

import pulumi
import pulumi_gcp as gcp

REGION = "europe-west1"
APIS = (
    "artifactregistry",
    "bigquery",
    "cloudscheduler",
    "compute",
    "iam",
    "logging",
    "monitoring",
    "pubsub",
    "secretmanager",
    "sqladmin",
    "storage",
    "workflows",
)

shop = pulumi.ComponentResource("shop:index:Shop", "shop")
apis = [
    gcp.projects.Service(f"api-{api}", service=f"{api}.googleapis.com", disable_on_destroy=False) for api in APIS
]
own = pulumi.ResourceOptions(parent=shop, depends_on=apis)

network = gcp.compute.Network("network", name="shop", auto_create_subnetworks=False, opts=own)
gcp.compute.Subnetwork(
    "subnet", name="shop", region=REGION, network=network.id, ip_cidr_range="10.0.0.0/24", opts=own
)
clerk = gcp.serviceaccount.Account("clerk", account_id="shop-clerk", opts=own)
gcp.projects.IAMMember(
    "clerk-logs", project="shop-dev", role="roles/logging.logWriter", member=clerk.member, opts=own
)
gcp.projects.IAMCustomRole(
    "teller", role_id="teller", title="Teller", permissions=["pubsub.topics.publish"], opts=own
)
bucket = gcp.storage.Bucket("files", name="shop-dev-files", location=REGION, opts=own)
gcp.storage.BucketObject("price-list", bucket=bucket.name, name="prices.txt", content="tea 3", opts=own)
dataset = gcp.bigquery.Dataset("sales", dataset_id="sales", location=REGION, opts=own)
gcp.bigquery.Table(
    "orders",
    dataset_id=dataset.dataset_id,
    table_id="orders",
    deletion_protection=False,
    schema=json.dumps([{"name": "id", "type": "STRING"}]),
    opts=own,
)
topic = gcp.pubsub.Topic("events", name="events", opts=own)
gcp.pubsub.Subscription("events-kept", name="events-kept", topic=topic.id, opts=own)
secret = gcp.secretmanager.Secret("till", secret_id="till", replication={"auto": {}}, opts=own)
gcp.secretmanager.SecretVersion("till-key", secret=secret.id, secret_data="open sesame", opts=own)
gcp.artifactregistry.Repository("images", repository_id="images", format="DOCKER", location=REGION, opts=own)
instance = gcp.sql.DatabaseInstance(
    "books",
    name="books",
    region=REGION,
    database_version="POSTGRES_17",
    deletion_protection=False,
    settings={"tier": "db-f1-micro", "edition": "ENTERPRISE"},
    opts=own,
)
gcp.sql.Database("ledger", name="ledger", instance=instance.name, opts=own)
gcp.logging.Metric("errors", name="errors", filter="severity>=ERROR", opts=own)
gcp.monitoring.NotificationChannel(
    "mail", type="email", display_name="mail", labels={"email_address": "shop@example.com"}, opts=own
)
gcp.workflows.Workflow(
    "daily",
    name="daily",
    region=REGION,
    service_account=clerk.id,
    deletion_protection=False,
    source_contents="main:\n  steps:\n    - done:\n        return: 1\n",
    opts=own,
)
gcp.cloudscheduler.Job(
    "morning",
    name="morning",
    region=REGION,
    schedule="0 6 * * *",
    pubsub_target={"topic_name": topic.id, "data": "e30="},
    opts=own,
)
