"""Cloud SQL's rules, to which the other files add; its defaults, its words, its engines."""

from __future__ import annotations

from typing import Any

from omnipipe.rehearsal.service import Service

HOST = "sqladmin"
# https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1beta4/instances#Settings: what is not told is this.
_SETTINGS: dict[str, Any] = {
    "kind": "sql#settings",
    "activationPolicy": "ALWAYS",
    "authorizedGaeApplications": [],
    "availabilityType": "ZONAL",
    "connectorEnforcement": "NOT_REQUIRED",
    "dataDiskSizeGb": "10",
    "dataDiskType": "PD_SSD",
    "deletionProtectionEnabled": False,
    "edition": "ENTERPRISE",
    "pricingPlan": "PER_USE",
    "replicationType": "SYNCHRONOUS",
    "storageAutoResize": True,
    "storageAutoResizeLimit": "0",
    "backupConfiguration": {
        "kind": "sql#backupConfiguration",
        "enabled": False,
        "startTime": "12:00",
        "transactionLogRetentionDays": 7,
        "transactionalLogStorageState": "TRANSACTIONAL_LOG_STORAGE_STATE_UNSPECIFIED",
        "backupRetentionSettings": {"retainedBackups": 7, "retentionUnit": "COUNT"},
    },
    "ipConfiguration": {
        "authorizedNetworks": [],
        "ipv4Enabled": True,
        "requireSsl": False,
        "sslMode": "ALLOW_UNENCRYPTED_AND_ENCRYPTED",
    },
    "locationPreference": {"kind": "sql#locationPreference"},
}
_INSTANCE = "The Cloud SQL instance does not exist."
service = Service(
    HOST,
    older=True,
    errors_have_status=False,
    missing={"instances": _INSTANCE, "": "Not Found"},
    duplicate={"instances": "The Cloud SQL instance already exists."},
    defaults={
        "instances": {
            "backendType": "SECOND_GEN",
            "instanceType": "CLOUD_SQL_INSTANCE",
            "region": "us-central1",
            "satisfiesPzi": True,
            "sqlNetworkArchitecture": "NEW_NETWORK_ARCHITECTURE",
            "settings": _SETTINGS,
        }
    },
)


def engine_of(body: dict[str, Any]) -> str:
    """Which engine an instance runs: POSTGRES, MYSQL or SQLSERVER."""
    return str(body.get("databaseVersion", "MYSQL_8_0")).partition("_")[0]
