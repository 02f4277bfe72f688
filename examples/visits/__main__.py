"""A function counts the visits of a day, a job writes them into BigQuery, a workflow does both each evening."""

from pathlib import Path

import pulumi
import pulumi_docker_build as docker_build
from pulumi_gcp import (
    bigquery,
    cloudfunctionsv2,
    cloudrunv2,
    cloudscheduler,
    projects,
    serviceaccount,
    storage,
    workflows,
)

gcp = pulumi.Config("gcp")
project, region = gcp.require("project"), gcp.require("region")
account = serviceaccount.Account("visits", account_id="visits")
me = account.member

bucket = storage.Bucket("code", name=f"{project}-code", location=region, uniform_bucket_level_access=True)
code = storage.BucketObject("count", bucket=bucket.name, source=pulumi.FileArchive("count"))
count = cloudfunctionsv2.Function(
    "count",
    name="count",
    location=region,
    build_config={
        "runtime": "python312",
        "entry_point": "count",
        "source": {"storage_source": {"bucket": bucket.name, "object": code.name}},
    },
    service_config={"service_account_email": account.email},
)
dataset = bigquery.Dataset("visits", dataset_id="visits", location=region)
image = docker_build.Image(
    "load",
    tags=[f"{region}-docker.pkg.dev/{project}/images/load:latest"],
    context={"location": "load"},
    dockerfile={"location": "load/Dockerfile"},
    push=True,
)
load = cloudrunv2.Job(
    "load",
    name="load",
    location=region,
    template={
        "template": {
            "service_account": account.email,
            "containers": [{"image": image.ref, "envs": [{"name": "DATASET", "value": dataset.dataset_id}]}],
            "max_retries": 0,
        }
    },
)
evening = workflows.Workflow(
    "evening",
    name="evening",
    region=region,
    service_account=account.id,
    source_contents=Path("evening.yaml").read_text(),
    user_env_vars={"COUNT_URL": count.service_config.uri, "LOAD_JOB": load.id},
)
cloudscheduler.Job(
    "evening",
    name="evening",
    region=region,
    schedule="0 20 * * *",
    http_target={
        "http_method": "POST",
        "uri": pulumi.Output.concat("https://workflowexecutions.googleapis.com/v1/", evening.id, "/executions"),
        "oauth_token": {"service_account_email": account.email},
    },
)

# Who may do what. Take one away: what needs it fails here as it would on Google.
cloudrunv2.ServiceIamMember("call", name=count.name, location=region, role="roles/run.invoker", member=me)
cloudrunv2.JobIamMember(
    "start", name=load.name, location=region, role="roles/run.jobsExecutorWithOverrides", member=me
)
bigquery.DatasetIamMember("write", dataset_id=dataset.dataset_id, role="roles/bigquery.dataEditor", member=me)
for role in ("bigquery.jobUser", "logging.logWriter", "run.viewer", "workflows.invoker"):
    projects.IAMMember(role, project=project, role=f"roles/{role}", member=me)
