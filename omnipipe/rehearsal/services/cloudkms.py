"""Cloud KMS. https://cloud.google.com/kms/docs/reference/rest"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from omnipipe.rehearsal import standard
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused, failed_precondition
from omnipipe.rehearsal.service import Service
from omnipipe.rehearsal.store import Record

HOST = "cloudkms"
_SHORTEST_ROTATION_S = 24 * 3600
_KINDS = {
    "keyRings": "KeyRing",
    "cryptoKeys": "CryptoKey",
    "cryptoKeyVersions": "CryptoKeyVersion",
    "importJobs": "ImportJob",
}
service = Service(
    HOST,
    missing={collection: kind + " {name} not found." for collection, kind in _KINDS.items()},
    duplicate={collection: kind + " {name} already exists." for collection, kind in _KINDS.items()},
    defaults={
        # https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys
        "cryptoKeys": {
            "destroyScheduledDuration": "2592000s",
            "versionTemplate": {"algorithm": "GOOGLE_SYMMETRIC_ENCRYPTION", "protectionLevel": "SOFTWARE"},
        },
    },
)


@service.checks("cryptoKeys")
def check(call: Call, body: dict[str, Any]) -> None:
    """A key has a purpose; one that is not for encryption has an algorithm; rotation is no shorter than a day."""
    if not body.get("purpose"):
        raise Refused(400, "The CryptoKey purpose must be set.")
    encrypts = body["purpose"] in ("ENCRYPT_DECRYPT", 1)
    if not encrypts and not (body.get("versionTemplate") or {}).get("algorithm"):
        raise Refused(400, "The CryptoKey version_template.algorithm must be set for this purpose.")
    period = float(str(body.get("rotationPeriod") or "0s").removesuffix("s"))
    if period and period < _SHORTEST_ROTATION_S:  # none is no rotation
        raise Refused(400, "The rotation_period must be at least 24 hours.")


@service.fills("cryptoKeys")
def first_version(call: Call, record: Record) -> None:
    """A new key has a version, which is its primary if it encrypts."""
    if call.query.get("skipInitialVersionCreation"):
        return
    version = _version(call, record, 1)
    if record.body["purpose"] in ("ENCRYPT_DECRYPT", 1):
        record.body["primary"] = version.body


def _version(call: Call, key: Record, number: int) -> Record:
    name, now = f"{key.name}/cryptoKeyVersions/{number}", call.plane.clock.timestamp()
    body = {"name": name, "state": "ENABLED", "createTime": now, "generateTime": now} | key.body["versionTemplate"]
    return call.store.add(Record(HOST, name, "cryptoKeyVersions", body))


@service.answers("cryptoKeyVersions.create")
def create_version(call: Call) -> dict[str, Any]:
    """The next version of a key."""
    key = call.record(call.name.rpartition("/")[0])
    return _version(call, key, len(call.store.children(HOST, call.name)) + 1).body


@service.answers("cryptoKeyVersions.destroy")
def destroy(call: Call) -> dict[str, Any]:
    """A version's end is scheduled; https://cloud.google.com/kms/docs/destroy-restore"""
    version = call.record(call.name)
    if str(version.body["state"]).startswith("DESTROY"):
        raise failed_precondition(
            f"{version.name} is in state {version.body['state']}, which cannot be destroyed."
        )
    key = call.record(version.name.rpartition("/cryptoKeyVersions/")[0])
    wait = float(str(key.body["destroyScheduledDuration"]).removesuffix("s"))
    end = call.plane.clock.now() + timedelta(seconds=wait)
    version.body |= {"state": "DESTROY_SCHEDULED", "destroyTime": end.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
    return version.body


@service.answers("cryptoKeyVersions.restore")
def restore(call: Call) -> dict[str, Any]:
    """A version whose end is scheduled comes back, disabled."""
    version = call.record(call.name)
    version.body["state"] = "DISABLED"
    return version.body


@service.answers("cryptoKeys.updatePrimaryVersion")
def update_primary(call: Call) -> dict[str, Any]:
    """Another version is used to encrypt."""
    key = call.record()
    key.body["primary"] = call.record(f"{key.name}/cryptoKeyVersions/{call.body['cryptoKeyVersionId']}").body
    return standard.shown(call, key)


@service.fills("importJobs")
def import_job(call: Call, record: Record) -> None:
    """It lasts for three days: https://cloud.google.com/kms/docs/importing-a-key"""
    end = call.plane.clock.now() + timedelta(days=3)
    record.body |= {"state": "ACTIVE", "expireTime": end.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
