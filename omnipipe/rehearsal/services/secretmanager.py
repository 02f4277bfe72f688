"""Secret Manager. https://cloud.google.com/secret-manager/docs/reference/rest"""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import google_crc32c

from omnipipe.rehearsal import computed, keys, references, standard
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused, failed_precondition
from omnipipe.rehearsal.service import Service
from omnipipe.rehearsal.store import Record

HOST = "secretmanager"
service = Service(
    HOST,
    by_number=True,
    missing={
        "secrets": "Secret [{numbered}] not found.",
        "versions": "Secret Version [{numbered}] not found.",
    },
    duplicate={"secrets": "Secret [{numbered}] already exists."},
)


@service.checks("secrets")
def check(call: Call, body: dict[str, Any]) -> None:
    """A replication is a must: https://cloud.google.com/secret-manager/docs/choosing-replication"""
    if call.method.verb == "create" and not body.get("replication") and not call.location:
        raise Refused(400, "Secret.replication cannot be empty.")
    # https://cloud.google.com/secret-manager/docs/cmek: the key of one that Google replicates where it likes is global
    automatic = (body.get("replication") or {}).get("automatic") or {}
    key = (automatic.get("customerManagedEncryption") or {}).get("kmsKeyName")
    keys.require_place(call, key, "global", "Secret Manager")


@service.fills("secrets")
def expiry(call: Call, record: Record) -> None:
    """A time to live is told as the time of the end."""
    ttl = record.body.pop("ttl", None)
    if ttl:
        end = call.plane.clock.now() + timedelta(seconds=float(ttl.removesuffix("s")))
        record.body["expireTime"] = end.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@service.answers("secrets.addVersion")
def add_version(call: Call) -> dict[str, Any]:
    """Versions are counted from 1; the payload is at most 64 KiB."""
    secret = call.record()
    data = (call.body.get("payload") or {}).get("data", "")
    if len(base64.b64decode(data)) > 64 * 1024:
        raise Refused(400, "The payload must not be larger than 64KiB.")
    for host, key in references.of(call, secret.body.get("replication")):
        # A payload is encrypted here, nothing before: https://cloud.google.com/secret-manager/docs/cmek
        words = (
            f"Permission denied on Cloud KMS resource [{key}] (or it does not exist). Please grant "
            "cloudkms.cryptoKeyVersions.useToDecrypt and cloudkms.cryptoKeyVersions.useToEncrypt permissions "
            "(roles/cloudkms.cryptoKeyEncrypterDecrypter) to the Secret Manager service identity."
        )
        if host == "cloudkms":
            keys.require(call, key, failed_precondition(words))
    count = secret.hidden["versions"] = secret.hidden.get("versions", 0) + 1
    name = f"{secret.name}/versions/{count}"
    replication = secret.body.get("replication") or {}
    status: dict[str, Any] = {"automatic": {}}
    if managed := replication.get("userManaged"):
        status = {"userManaged": {"replicas": [{"location": each["location"]} for each in managed["replicas"]]}}
    body = {
        "name": name,
        "createTime": call.plane.clock.timestamp(),
        "state": "ENABLED",
        "replicationStatus": status,
    }
    record = Record(HOST, name, "versions", body, {"data": data})
    computed.touch(call, call.api.schemas["SecretVersion"], record)
    call.store.add(record)
    return standard.shown(call, record)


def _version(call: Call) -> Record:
    """A version by its number; `latest` is the last one made."""
    if call.name.endswith("/latest"):
        secret = call.record(call.name.rpartition("/versions/")[0])
        return call.record(f"{secret.name}/versions/{secret.hidden.get('versions', 0)}")
    return call.record(call.name)


@service.answers("versions.get")
def get_version(call: Call) -> dict[str, Any]:
    """A version without its payload."""
    return standard.shown(call, _version(call))


@service.answers("versions.access")
def access(call: Call) -> dict[str, Any]:
    """The payload of an enabled version, with its checksum."""
    record = _version(call)
    state = record.body["state"]
    if state != "ENABLED":
        raise failed_precondition(f"Secret Version [{call.plane.numbered(record.name)}] is in {state} state.")
    data = record.hidden["data"]
    checksum = google_crc32c.value(base64.b64decode(data))
    return {
        "name": call.plane.numbered(record.name),
        "payload": {"data": data, "dataCrc32c": str(checksum)},
    }


@service.answers("versions.enable", "versions.disable", "versions.destroy")
def switch(call: Call) -> dict[str, Any]:
    """Destroyed is for ever: https://cloud.google.com/secret-manager/docs/destroy-secret-version"""
    record = _version(call)
    if record.body["state"] == "DESTROYED":
        name = call.plane.numbered(record.name)
        raise failed_precondition(f"SecretVersion.state cannot be updated from DESTROYED. Secret Version [{name}]")
    states = {"enable": "ENABLED", "disable": "DISABLED", "destroy": "DESTROYED"}
    record.body["state"] = states[call.method.verb]
    if call.method.verb == "destroy":
        record.body["destroyTime"] = call.plane.clock.timestamp()
        record.hidden["data"] = ""
    computed.touch(call, call.api.schemas["SecretVersion"], record)
    return standard.shown(call, record)
