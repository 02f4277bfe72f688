"""Instances: what Google refuses of one, and all that one has once it runs."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from omnipipe.rehearsal import identities, keys
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused, failed_precondition
from omnipipe.rehearsal.services.sqladmin.databases import populate
from omnipipe.rehearsal.services.sqladmin.rules import HOST, engine_of, service
from omnipipe.rehearsal.store import Record

# Of each major version the minor that is installed and the maintenance that brought it; they move on with time:
# https://cloud.google.com/sql/docs/db-versions
_MINOR = {"POSTGRES": "1", "MYSQL": "37", "SQLSERVER": "0"}
_TITLES = {"POSTGRES": "PostgreSQL", "MYSQL": "MySQL", "SQLSERVER": "SQL Server"}
_NAME = re.compile(r"[a-z](?:[-a-z0-9]{0,96}[a-z0-9])?")
# https://cloud.google.com/sql/docs/postgres/machine-series-overview: all, those of ENTERPRISE_PLUS, those it has not.
_TIER = re.compile(r"db-(f1-micro|g1-small|custom-\d+-\d+(-ext)?|n1-.*|(perf|memory)-optimized-N-\d+|c4a-.*)")
_PLUS = re.compile(r"db-((perf|memory)-optimized|c4a)-.*")
_NO_AGENT = "Per-Product Per-Project Service Account is not found for project."
_SHARED = re.compile(r"db-(f1-micro|g1-small)")


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
    if call.method.verb == "insert":
        _check_key(call, body)
    network = settings.get("ipConfiguration") or {}
    if network.get("privateNetwork") and call.method.verb == "insert":
        _require_peering(call, call.plane.with_id(network["privateNetwork"]))
    elif network.get("ipv4Enabled") is False and not (network.get("pscConfig") or network.get("privateNetwork")):
        raise Refused(
            400, "Invalid request: At least one of Public IP or Private IP or PSC connectivity must be enabled."
        )


def _check_key(call: Call, body: dict[str, Any]) -> None:
    """A key of the instance's region; the agent is made by whoever is to use it.

    https://cloud.google.com/sql/docs/postgres/configure-cmek
    """
    key = (body.get("diskEncryptionConfiguration") or {}).get("kmsKeyName")
    keys.require_place(call, key, body.get("region") or "us-central1", "Cloud SQL")
    there = identities.exists(call, identities.agent(call.plane, HOST, call.project))
    words = "Insufficient permission to use KMS key." if there else _NO_AGENT
    keys.require(call, key, Refused(400, words))


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
    engine, region = engine_of(body), body["region"]
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


def _network_settings(settings: dict[str, Any], engine: str) -> None:
    network, backup = settings["ipConfiguration"], settings["backupConfiguration"]
    if network.get("privateNetwork"):
        network.setdefault("enablePrivatePathForGoogleCloudServices", False)
    if backup.get("enabled") and engine == "POSTGRES":
        backup.setdefault("pointInTimeRecoveryEnabled", False)
    if engine == "POSTGRES":
        backup.setdefault("replicationLogArchivingEnabled", False)
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
        return
    body.setdefault("includeReplicasForMajorVersionUpgrade", False)
    body["settings"].setdefault("replicationLagMaxSeconds", 31536000)
    network = body["settings"]["ipConfiguration"]
    network.setdefault("serverCertificateRotationMode", "NO_AUTOMATIC_ROTATION")


@service.follows("instances")
def instance_changed(call: Call, record: Record) -> None:
    """What follows from the settings; each change of them is counted."""
    body, settings = record.body, record.body["settings"]
    # An update replaces the settings, and keeps what else it does not name:
    # https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1beta4/instances/update
    record.hidden["sent"] = {"settings"}
    engine, version = engine_of(body), str(body["databaseVersion"])
    record.hidden["version"] = record.hidden.get("version", 0) + 1
    settings["settingsVersion"] = str(record.hidden["version"])
    installed = f"{version}_{_MINOR.get(engine, '0')}"
    _network_settings(settings, engine)
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
    populate(call, record, engine)


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
