"""Cloud Composer. https://cloud.google.com/composer/docs/reference/rest"""

from __future__ import annotations

from typing import Any

from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.service import Service
from omnipipe.rehearsal.store import Record

# https://cloud.google.com/composer/docs/composer-3/composer-pricing-overview and …/environment-scaling: a small one.
_WORKLOADS = {
    "scheduler": {"count": 1, "cpu": 0.5, "memoryGb": 2, "storageGb": 1},
    "webServer": {"cpu": 1, "memoryGb": 4, "storageGb": 1},
    "worker": {"cpu": 0.5, "memoryGb": 2, "storageGb": 10, "minCount": 1, "maxCount": 3},
    "triggerer": {"count": 1, "cpu": 1, "memoryGb": 2},
    "dagProcessor": {"count": 1, "cpu": 1, "memoryGb": 4, "storageGb": 1},
}
service = Service(
    "composer",
    errors_have_reasons=True,
    missing={"environments": 'environment "{name}" not found'},
    duplicate={"environments": "environment '{name}' already exists"},
    defaults={
        "environments": {
            "config": {
                "environmentSize": "ENVIRONMENT_SIZE_SMALL",
                "encryptionConfig": {},
                "dataRetentionConfig": {
                    "airflowMetadataRetentionConfig": {
                        "retentionMode": "RETENTION_MODE_ENABLED",
                        "retentionDays": 60,
                    }
                },
                "nodeConfig": {"composerInternalIpv4CidrBlock": "100.64.128.0/20", "ipAllocationPolicy": {}},
                "privateEnvironmentConfig": {"networkingType": "PUBLIC", "networkingConfig": {}},
                "softwareConfig": {
                    "imageVersion": "composer-3-airflow-2.11.1-build.14",
                    "cloudDataLineageIntegration": {},
                    "webServerPluginsMode": "PLUGINS_ENABLED",
                    "auditLogsReplicationMode": "AUDIT_LOGS_REPLICATION_DISABLED",
                },
                "webServerNetworkAccessControl": {
                    "allowedIpRanges": [
                        {
                            "value": "0.0.0.0/0",
                            "description": "Allows access from all IPv4 addresses (default value)",
                        },
                        {"value": "::0/0", "description": "Allows access from all IPv6 addresses (default value)"},
                    ]
                },
                "workloadsConfig": _WORKLOADS,
            },
        }
    },
)


@service.fills("environments")
def environment(call: Call, record: Record) -> None:
    """Its bucket, its addresses, and a UUID; what it runs on is Google's."""
    body, config = record.body, record.body["config"]
    body["uuid"] = call.plane.clock.uuid()
    mark = body["uuid"].replace("-", "")
    bucket = (body.get("storageConfig") or {}).get(
        "bucket"
    ) or f"{call.location}-{record.id[:16]}-{mark[:8]}-bucket"
    body["storageConfig"] = {"bucket": bucket.removeprefix("gs://")}
    body["state"] = "RUNNING"
    config["dagGcsPrefix"] = f"gs://{bucket}/dags"
    config["airflowUri"] = f"https://{mark}-dot-{call.location}.composer.googleusercontent.com"
    config["airflowByoidUri"] = f"https://{mark}-dot-{call.location}.composer.byoid.googleusercontent.com"


@service.operations()
def operation(call: Call, body: dict[str, Any], record: Record | None) -> None:
    """What it is about, and how it ended."""
    kinds = {"create": "CREATE", "patch": "UPDATE", "delete": "DELETE"}
    body["metadata"] |= {"operationType": kinds.get(call.method.verb, "UPDATE"), "state": "SUCCEEDED"}
    if record:
        body["metadata"] |= {"resource": record.name, "resourceUuid": record.body.get("uuid", "")}
