"""Cloud SQL. https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1beta4"""

from __future__ import annotations

import re
from copy import deepcopy
from datetime import timedelta
from typing import Any

from omnipipe.rehearsal import computed, operations
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused, failed_precondition
from omnipipe.rehearsal.service import Service
from omnipipe.rehearsal.store import Record

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
# Of each major version the minor that is installed and the maintenance that brought it; they move on with time:
# https://cloud.google.com/sql/docs/db-versions
_MINOR = {"POSTGRES": "1", "MYSQL": "37", "SQLSERVER": "0"}
# https://cloud.google.com/sql/docs/postgres/create-manage-users, …/mysql/…, …/sqlserver/…
_FIRST_USER = {"POSTGRES": "postgres", "MYSQL": "root", "SQLSERVER": "sqlserver"}
_TITLES = {"POSTGRES": "PostgreSQL", "MYSQL": "MySQL", "SQLSERVER": "SQL Server"}
_SYSTEM_DATABASES = {
    "POSTGRES": ("postgres",),
    "MYSQL": ("information_schema", "mysql", "performance_schema", "sys"),
    "SQLSERVER": ("master", "model", "msdb", "tempdb"),
}
_NAME = re.compile(r"[a-z](?:[-a-z0-9]{0,96}[a-z0-9])?")
# https://cloud.google.com/sql/docs/postgres/machine-series-overview: all, those of ENTERPRISE_PLUS, those it has not.
_TIER = re.compile(r"db-(f1-micro|g1-small|custom-\d+-\d+(-ext)?|n1-.*|(perf|memory)-optimized-N-\d+|c4a-.*)")
_PLUS = re.compile(r"db-((perf|memory)-optimized|c4a)-.*")
_SHARED = re.compile(r"db-(f1-micro|g1-small)")


def _engine(body: dict[str, Any]) -> str:
    return str(body.get("databaseVersion", "MYSQL_8_0")).partition("_")[0]


@service.checks("instances")
def check(call: Call, body: dict[str, Any]) -> None:
    """What Google refuses of an instance at once."""
    settings = body.get("settings") or {}
    if call.method.verb == "insert":
        call.require_form(
            _NAME, body.get("name", ""), f"Invalid request: Invalid instance name ({body.get('name')})."
        )
        if not settings.get("tier"):
            raise Refused(400, "Invalid request: Missing required field settings.tier.", reason="invalid")
    tier = settings.get("tier", "")
    edition = settings.get("edition") or "ENTERPRISE"
    wrong = _SHARED if edition == "ENTERPRISE_PLUS" else _PLUS
    if tier and (not _TIER.fullmatch(tier) or wrong.fullmatch(tier)):
        message = f"Invalid request: Invalid Tier ({tier}) for ({edition}) Edition. Use a predefined Tier instead."
        raise Refused(400, f"{message} Learn more at https://cloud.google.com/sql/docs/postgres/create-instance.")
    network = settings.get("ipConfiguration") or {}
    if network.get("privateNetwork") and call.method.verb == "insert":
        _require_peering(call, call.plane.with_id(network["privateNetwork"]))
    elif network.get("ipv4Enabled") is False and not (network.get("pscConfig") or network.get("privateNetwork")):
        raise Refused(
            400, "Invalid request: At least one of Public IP or Private IP or PSC connectivity must be enabled."
        )


def _require_peering(call: Call, network: str) -> None:
    """A private address needs service networking first: https://cloud.google.com/sql/docs/postgres/configure-private-services-access"""
    path = network.partition("projects/")[1] + network.partition("projects/")[2]
    for record in call.store:
        if record.collection == "connections" and record.host == "servicenetworking":
            peered = call.plane.with_id(record.body["network"])
            if peered == path:
                return
    message = (
        "Failed to create subnetwork. Couldn't find a Service Networking connection from producer project. Set up "
        f"private services access for the network {path} first."
    )
    raise failed_precondition(message, "networkNotPeered")


@service.fills("instances")
def instance(call: Call, record: Record) -> None:
    """What an instance has once it runs, beside the defaults."""
    body, settings = record.body, record.body["settings"]
    now = call.plane.clock.now()
    engine, region = _engine(body), body["region"]
    zone = settings["locationPreference"].setdefault("zone", f"{region}-a")
    body |= {
        "kind": "sql#instance",
        "project": call.project,
        "state": "RUNNABLE",
        "connectionName": f"{call.project}:{region}:{record.id}",
        "gceZone": zone,
        "createTime": call.plane.clock.timestamp(),
        "serviceAccountEmailAddress": f"p{call.number}-{record.id[:6]}@gcp-sa-cloud-sql.iam.gserviceaccount.com",
        "serverCaCert": {
            "kind": "sql#sslCert",
            "certSerialNumber": "0",
            "cert": "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
            "commonName": "C=US,O=Google\\, Inc,CN=Google Cloud SQL Server CA",
            "sha1Fingerprint": "0" * 40,
            "instance": record.id,
            "createTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "expirationTime": (now + timedelta(days=3650)).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        },
    }
    _of_engine(body, engine)


def _network_settings(settings: dict[str, Any], engine: str, region: str) -> None:
    network, backup = settings["ipConfiguration"], settings["backupConfiguration"]
    if network.get("privateNetwork"):
        network.setdefault("enablePrivatePathForGoogleCloudServices", False)
    if backup.get("enabled"):
        backup.setdefault("location", re.sub(r"-.*", "", region) if region.startswith("us") else region)
        if engine == "POSTGRES":
            backup.setdefault("replicationLogArchivingEnabled", False)
            backup.setdefault("pointInTimeRecoveryEnabled", False)
    if engine == "MYSQL":
        backup.setdefault("binaryLogEnabled", False)
    # https://cloud.google.com/sql/docs/postgres/backup-recovery/backup-options
    backup.setdefault("backupTier", "STANDARD")


def _of_engine(body: dict[str, Any], engine: str) -> None:
    gemini = {"entitled": False, "activeQueryEnabled": False, "indexAdvisorEnabled": False}
    if engine == "POSTGRES":
        gemini |= {"googleVacuumMgmtEnabled": False, "oomSessionCancelEnabled": False}
    elif engine == "MYSQL":
        gemini |= {"flagRecommenderEnabled": True}
    if engine != "SQLSERVER":
        body.setdefault("geminiConfig", gemini)


@service.follows("instances")
def instance_changed(call: Call, record: Record) -> None:
    """What follows from the settings; each change of them is counted."""
    body, settings = record.body, record.body["settings"]
    engine, version = _engine(body), str(body["databaseVersion"])
    settings["settingsVersion"] = str(int(settings.get("settingsVersion") or 0) + 1)
    installed = f"{version}_{_MINOR.get(engine, '0')}"
    _network_settings(settings, engine, body["region"])
    body["databaseInstalledVersion"] = installed
    if newer := _newer(call, engine, version):
        body["upgradableDatabaseVersions"] = newer
    body["maintenanceVersion"] = f"{installed}.R20250302.00_19"
    addresses = []
    network = settings["ipConfiguration"]
    if network.get("ipv4Enabled"):
        addresses.append({"type": "PRIMARY", "ipAddress": "10.10.10.10"})
        if engine == "POSTGRES":
            addresses.append({"type": "OUTGOING", "ipAddress": "10.10.10.11"})
    if network.get("privateNetwork"):
        addresses.append({"type": "PRIVATE", "ipAddress": "10.1.2.3"})
    body["ipAddresses"] = addresses
    if (network.get("pscConfig") or {}).get("pscEnabled"):
        body.setdefault("dnsName", f"{record.id}.{call.plane.clock.number(12)}.{body['region']}.sql.goog.")
        body.setdefault("pscServiceAttachmentLink", _attachment(body, record))
    replica_of = body.get("masterInstanceName")
    if replica_of:
        master = call.store.get(HOST, f"projects/{call.project}/instances/{replica_of.rpartition(':')[2]}")
        if master is None:
            raise service.not_found(call, f"projects/{call.project}/instances/{replica_of}")
        names = master.body.setdefault("replicaNames", [])
        if record.id not in names:
            names.append(record.id)
        body["instanceType"] = "READ_REPLICA_INSTANCE"
    _own_user(call, record, engine)


def _newer(call: Call, engine: str, version: str) -> list[dict[str, str]]:
    """What an instance can become: the versions of its engine after its own, as the document lists them."""
    own = _numbers(version)
    names = call.api.schemas["DatabaseInstance"]["properties"]["databaseVersion"]["enum"]
    later = [name for name in names if name.startswith(f"{engine}_") and _numbers(name) > own]
    return [
        {
            "name": name,
            "majorVersion": "_".join(name.split("_")[: 3 if engine == "MYSQL" else 2]),
            "displayName": f"{_TITLES.get(engine, engine)} {'.'.join(map(str, _numbers(name)))}",
        }
        for name in sorted(later, key=_numbers)
    ]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("_")[1:] if part.isdigit())


def _attachment(body: dict[str, Any], record: Record) -> str:
    return (
        f"projects/cloud-sql-tenant/regions/{body['region']}/serviceAttachments/{record.id}-psc-service-attachment"
    )


def _own_user(call: Call, record: Record, engine: str) -> None:
    if record.hidden.get("populated") or record.body.get("masterInstanceName"):
        return
    record.hidden["populated"] = True
    _user(call, record, {"name": _FIRST_USER.get(engine, "root"), "host": "%" if engine == "MYSQL" else ""})
    for name in _SYSTEM_DATABASES.get(engine, ()):
        full = f"{record.name}/databases/{name}"
        sets = {"POSTGRES": ("UTF8", "en_US.UTF8"), "MYSQL": ("utf8", "utf8_general_ci")}
        charset, collation = sets.get(engine, ("", "SQL_Latin1_General_CP1_CI_AS"))
        body = {"kind": "sql#database", "name": name, "instance": record.id, "project": call.project}
        body |= {"charset": charset, "collation": collation, "selfLink": call.link(full)}
        call.store.add(Record(HOST, full, "databases", body))


@service.keeps("instances")
def keep_instance(call: Call, record: Record) -> None:
    """https://cloud.google.com/sql/docs/postgres/deletion-protection; a primary goes after its replicas."""
    if record.body["settings"].get("deletionProtectionEnabled"):
        message = (
            "The instance is protected. Please disable the deletion protection and try again. To disable deletion "
            "protection, update the instance settings with deletionProtectionEnabled set to false."
        )
        raise failed_precondition(message, "deletionProtectionEnabled")
    if any(
        call.store.get(HOST, f"projects/{call.project}/instances/{name}")
        for name in record.body.get("replicaNames", [])
    ):
        raise Refused(400, "Invalid request: Failed to delete the instance because it has read replicas.")


# --- databases

_OPERATION = {
    "insert": "CREATE",
    "patch": "UPDATE",
    "update": "UPDATE",
    "delete": "DELETE",
    "clone": "CLONE",
    "switchover": "SWITCHOVER",
    "restart": "RESTART",
}


@service.operations()
def operation(call: Call, body: dict[str, Any], record: Record | None) -> None:
    """Its kind is in capitals, with what it is about; it is of the instance."""
    kind = _OPERATION.get(call.method.verb, call.method.verb.upper())
    about = {"databases": "_DATABASE", "users": "_USER"}.get(call.collection, "")
    body["operationType"] = f"{kind}{about}"
    instance = re.search(r"/instances/([^/]+)", call.path)
    name = record.id if record and call.collection == "instances" else instance[1] if instance else ""
    body["targetId"] = name


@service.fills("databases")
def database(call: Call, record: Record) -> None:
    """A database's set of characters is its engine's, unless it is told."""
    body = record.body
    instance = call.record(record.name.partition("/databases/")[0])
    engine = _engine(instance.body)
    charset, collation = ("UTF8", "en_US.UTF8") if engine == "POSTGRES" else ("utf8", "utf8_general_ci")
    body |= {"kind": "sql#database", "instance": instance.id, "project": call.project}
    body["charset"] = body.get("charset") or charset
    body["collation"] = body.get("collation") or collation


# --- users: they have no address of their own, a query names them


def _user(call: Call, instance: Record, sent: dict[str, Any]) -> Record:
    name, host = sent["name"], sent.get("host") or ""
    full = f"{instance.name}/users/{name}@{host}"
    body = {
        "kind": "sql#user",
        "name": name,
        "host": host,
        "instance": instance.id,
        "project": instance.body["project"],
        "iamStatus": "IAM_STATUS_UNSPECIFIED",
        "passwordPolicy": {"status": {}},
    }
    body |= {key: value for key, value in sent.items() if key not in ("password", "etag")}
    record = Record(HOST, full, "users", body)
    computed.touch(call, call.api.schemas["User"], record)
    return call.store.add(record)


def _instance(call: Call) -> Record:
    return call.record(
        call.name.rpartition("/users")[0] if call.name.endswith("/users") else call.name.partition("/users/")[0]
    )


def _named(call: Call, instance: Record) -> Record:
    name, host = call.query.get("name") or call.name.partition("/users/")[2], call.query.get("host")
    found = [each for each in call.store.below(HOST, f"{instance.name}/users") if each.body["name"] == name]
    same = [each for each in found if each.body["host"] == host]
    if not found:
        raise Refused(404, "User not found", reason="notFound")
    return (same or found)[0]


@service.answers("users.list")
def list_users(call: Call) -> dict[str, Any]:
    """Every user of an instance, without passwords."""
    found = [each.body for each in call.store.below(HOST, f"{_instance(call).name}/users")]
    return {"kind": "sql#usersList"} | ({"items": found} if found else {})


@service.answers("users.get")
def get_user(call: Call) -> dict[str, Any]:
    """One user."""
    return _named(call, _instance(call)).body


@service.answers("users.insert")
def insert_user(call: Call) -> dict[str, Any]:
    """A built-in user has a password, one of IAM a whole address (without .gserviceaccount.com in Postgres)."""
    instance = _instance(call)
    sent = dict(call.body)
    kind, name = sent.get("type") or "BUILT_IN", sent.get("name", "")
    if not name:
        raise Refused(400, "Invalid request: User name cannot be empty.")
    if "IAM" in kind and _engine(instance.body) == "POSTGRES" and name.endswith(".gserviceaccount.com"):
        raise Refused(
            400, "Invalid request: The database username for a service account leaves out .gserviceaccount.com."
        )
    if call.store.get(HOST, f"{instance.name}/users/{name}@{sent.get('host') or ''}"):
        raise Refused(409, f"Invalid request: user {name} already exists.", reason="userAlreadyExists")
    record = _user(call, instance, sent)
    return operations.finished(call, instance.name, record, None)


@service.answers("users.update")
def update_user(call: Call) -> dict[str, Any]:
    """A password, or a role."""
    instance = _instance(call)
    record = _named(call, instance)
    record.body |= {
        key: value for key, value in call.body.items() if key not in ("password", "etag", "name", "host")
    }
    return operations.finished(call, instance.name, record, None)


@service.answers("users.delete")
def delete_user(call: Call) -> dict[str, Any]:
    """Forget one."""
    instance = _instance(call)
    record = _named(call, instance)
    call.store.remove(record)
    return operations.finished(call, instance.name, record, None)


# --- what is done to an instance


@service.answers("instances.clone")
def clone(call: Call) -> dict[str, Any]:
    """Another instance of the same settings."""
    source, sent = call.record(), call.body.get("cloneContext", {})
    name = f"{source.name.rpartition('/')[0]}/{sent['destinationInstanceName']}"
    if call.store.get(HOST, name):
        raise service.exists(call, name)
    kept = {key: value for key, value in source.body.items() if key not in ("serverCaCert", "replicaNames")}
    body: dict[str, Any] = deepcopy(kept) | {"name": name.rpartition("/")[2], "selfLink": call.link(name)}
    if zone := sent.get("preferredZone"):
        body["settings"]["locationPreference"]["zone"] = zone
    record = call.store.add(Record(HOST, name, "instances", body))
    instance(call, record)
    instance_changed(call, record)
    return operations.finished(call, name, record, None)


@service.answers("instances.switchover", "instances.promoteReplica")
def switchover(call: Call) -> dict[str, Any]:
    """A replica becomes the primary: https://cloud.google.com/sql/docs/postgres/use-advanced-disaster-recovery"""
    replica = call.record()
    master_name = replica.body.pop("masterInstanceName", None)
    if not master_name:
        raise Refused(400, "Invalid request: The instance is not a replica.")
    replica.body["instanceType"] = "CLOUD_SQL_INSTANCE"
    master = call.store.get(HOST, f"projects/{call.project}/instances/{master_name.rpartition(':')[2]}")
    if master and call.method.verb == "switchover":
        master.body |= {
            "instanceType": "READ_REPLICA_INSTANCE",
            "masterInstanceName": f"{call.project}:{replica.id}",
        }
        master.body["replicaNames"] = [name for name in master.body.get("replicaNames", []) if name != replica.id]
        replica.body.setdefault("replicaNames", []).append(master.id)
    return operations.finished(call, replica.name, replica, None)


@service.answers("instances.restart")
def restart(call: Call) -> dict[str, Any]:
    """It runs again at once."""
    record = call.record()
    return operations.finished(call, record.name, record, None)
