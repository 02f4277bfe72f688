"""Cloud Storage's JSON API. https://cloud.google.com/storage/docs/json_api/v1"""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import google_crc32c

from omnipipe.rehearsal import computed, etags, grants, identities, keys, paging, policies, references
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused
from omnipipe.rehearsal.service import Service
from omnipipe.rehearsal.store import Record

HOST = "storage"
service = Service(
    HOST,
    older=True,
    missing={"b": "The specified bucket does not exist.", "": "No such object: {b}/{id}"},
    duplicate={"b": "Your previous request to create the named bucket succeeded and you already own it."},
    defaults={
        # https://cloud.google.com/storage/docs/json_api/v1/buckets#resource
        "b": {
            "storageClass": "STANDARD",
            "location": "US",
            "iamConfiguration": {
                "publicAccessPrevention": "inherited",
                "uniformBucketLevelAccess": {"enabled": False},
            },
            # https://cloud.google.com/storage/docs/soft-delete: seven days
            "softDeletePolicy": {"retentionDurationSeconds": "604800"},
            "rpo": "DEFAULT",
            "satisfiesPZI": True,
        }
    },
)

# https://cloud.google.com/storage/docs/buckets#naming
_BUCKET = re.compile(r"(?!goog)(?!.*google)[a-z0-9][-_.a-z0-9]{1,220}[a-z0-9]")
_DUAL = {"ASIA1", "EUR4", "EUR5", "EUR7", "EUR8", "NAM4"}  # https://cloud.google.com/storage/docs/locations
_MULTI = {"US", "EU", "ASIA"}


@service.checks("b")
def check(call: Call, body: dict[str, Any]) -> None:
    """A bucket's name is for the whole world, and its project is a parameter; a key may be used."""
    if call.method.verb != "insert":
        _check_key(call, body, _project_of(call, str(body.get("projectNumber", ""))))
        return
    # https://cloud.google.com/storage/docs/encryption/customer-managed-keys
    key = (body.get("encryption") or {}).get("defaultKmsKeyName")
    if (place := (body.get("location") or "US").upper()) not in _DUAL:
        keys.require_place(call, key, place, "GCS")
    name = body.get("name", "")
    call.require_form(_BUCKET, name, f"Invalid bucket name: '{name}'")
    project = call.query.get("project", "")
    if not call.plane.knows_project(call.plane.with_id(f"projects/{project}")):
        raise Refused(400, f"Unknown project id: {project}")
    _check_key(call, body, _project_of(call, project))


def _project_of(call: Call, project: str) -> str:
    """A project's id, by its id or number."""
    return call.plane.with_id(f"projects/{project}").rpartition("/")[2]


def _check_key(call: Call, body: dict[str, Any], project: str) -> None:
    """https://cloud.google.com/storage/docs/encryption/using-customer-managed-keys"""
    words = (
        "Permission denied on Cloud KMS key. Please ensure that your Cloud Storage service account has been authorized "
        "to use this key."
    )
    agent = identities.agent(call.plane, HOST, project)
    keys.require(call, (body.get("encryption") or {}).get("defaultKmsKeyName"), Refused(403, words), agent)


@service.fills("b")
def bucket(call: Call, record: Record) -> None:
    """Places and classes are in capitals; times are told by other names than elsewhere."""
    body, now = record.body, call.plane.clock.timestamp()
    location = body["location"] = body["location"].upper()
    kinds = {True: "multi-region"} if location in _MULTI else {True: "dual-region"} if location in _DUAL else {}
    if (kinds.get(True) != "multi-region" and "-" in location) or not kinds:
        body.pop("rpo", None)
    body |= {
        "id": record.id,
        "selfLink": f"https://www.googleapis.com/storage/v1/b/{record.id}",
        "projectNumber": call.plane.number(_project_of(call, call.query["project"])),
        "locationType": kinds.get(True, "region"),
        "timeCreated": now,
        "generation": call.plane.clock.number(16),
        "metageneration": "0",
    }
    body["softDeletePolicy"].setdefault("effectiveTime", now)


@service.follows("b")
def bucket_changed(call: Call, record: Record) -> None:
    """Each change of its metadata is counted; the old name of uniform access stays beside the new."""
    body = record.body
    body["updated"] = call.plane.clock.timestamp()
    body["metageneration"] = str(int(body["metageneration"]) + 1)
    access = body["iamConfiguration"]
    uniform = access["uniformBucketLevelAccess"]
    if uniform.get("enabled"):
        # It can be taken back for 90 days: https://cloud.google.com/storage/docs/uniform-bucket-level-access#lock
        end = call.plane.clock.now() + timedelta(days=90)
        uniform.setdefault("lockedTime", end.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    access["bucketPolicyOnly"] = dict(access["uniformBucketLevelAccess"])
    if "lifecycle" in body and not (body["lifecycle"] or {}).get("rule"):
        del body["lifecycle"]
    if autoclass := body.get("autoclass"):
        if autoclass.get("enabled"):
            autoclass.setdefault("toggleTime", body["updated"])
            autoclass.setdefault("terminalStorageClass", "NEARLINE")
            autoclass.setdefault("terminalStorageClassUpdateTime", body["updated"])
        else:
            del body["autoclass"]


@service.keeps("b")
def keep_bucket(call: Call, record: Record) -> None:
    """Only an empty one is deleted."""
    if any(each.collection in ("o", "managedFolders") for each in call.store.below(HOST, record.name)):
        raise Refused(409, "The bucket you tried to delete is not empty.", reason="conflict")


@service.answers("b.list")
def list_buckets(call: Call) -> dict[str, Any]:
    """The buckets of a project."""
    number = call.plane.number(_project_of(call, call.query["project"]))
    found = [each.body for each in call.store.children(HOST, "b") if each.body["projectNumber"] == number]
    part, token = paging.page(found, call.query)
    return {"kind": "storage#buckets"} | ({"items": list(part)} if part else {}) | _next(token)


def _next(token: str) -> dict[str, str]:
    return {"nextPageToken": token} if token else {}


@service.answers("serviceAccount.get")
def service_account(call: Call) -> dict[str, Any]:
    """The agent of a project: https://cloud.google.com/storage/docs/projects#service-agents"""
    email = identities.agent(call.plane, HOST, call.project)
    identities.make(call.plane, email)
    return {"kind": "storage#serviceAccount", "email_address": email}


@service.answers("b.getIamPolicy", "b.setIamPolicy", "b.testIamPermissions")
def bucket_policy(call: Call) -> dict[str, Any]:
    """A bucket's policy says what it is of; the project's owners have it from the start."""
    record = call.record()
    if record.policy is None:
        bindings = [
            {"role": "roles/storage.legacyBucketOwner", "members": [f"projectEditor:{call.plane.world.project}"]},
            {"role": "roles/storage.legacyBucketReader", "members": [f"projectViewer:{call.plane.world.project}"]},
        ]
        bindings[0]["members"].append(f"projectOwner:{call.plane.world.project}")
        record.policy = {"version": 1, "etag": etags.new(), "bindings": bindings}
    answer = policies.answer(call)
    if call.method.verb == "testIamPermissions":
        return {"kind": "storage#testIamPermissionsResponse"} | answer
    return {"kind": "storage#policy", "resourceId": f"projects/_/buckets/{record.id}"} | answer


# --- objects


@service.answers("o.insert")
def insert(call: Call) -> dict[str, Any]:
    """Upload an object; one of the same name is replaced, unless a generation was asked for."""
    bucket = call.record(call.name.rpartition("/o")[0])
    name = call.query.get("name") or call.body.get("name")
    if not name:
        raise Refused(400, "Required", reason="required")
    full = f"{bucket.name}/o/{name}"
    existing = call.store.get(HOST, full)
    wanted = call.query.get("ifGenerationMatch")
    if wanted is not None and wanted != (existing.body["generation"] if existing else "0"):
        message = "At least one of the pre-conditions you specified did not hold."
        raise Refused(412, message)
    now, generation = call.plane.clock.timestamp(), call.plane.clock.number(16)
    path = f"storage/v1/b/{bucket.id}/o/{quote(name, safe='')}"
    given = {"contentType": "application/octet-stream"} | computed.without_output_only(call.schema, call.body)
    body = given | {
        "kind": "storage#object",
        "id": f"{bucket.id}/{name}/{generation}",
        "selfLink": f"https://www.googleapis.com/{path}",
        "mediaLink": f"https://storage.googleapis.com/download/{path}?generation={generation}&alt=media",
        "name": name,
        "bucket": bucket.id,
        "generation": generation,
        "metageneration": "1",
        "storageClass": bucket.body["storageClass"],
        "size": str(len(call.media)),
        "md5Hash": base64.b64encode(hashlib.md5(call.media, usedforsecurity=False).digest()).decode(),
        "crc32c": base64.b64encode(google_crc32c.value(call.media).to_bytes(4, "big")).decode(),
        "etag": etags.new(),
        "timeCreated": now,
        "updated": now,
        "timeStorageClassUpdated": now,
        "timeFinalized": now,
    }
    return call.store.add(Record(HOST, full, "o", body, {"media": call.media})).body


@service.answers("o.get")
def get_object(call: Call) -> Any:
    """An object's metadata, or its bytes with alt=media."""
    record = call.store.get(HOST, call.name)
    if record is None:
        bucket = call.record(call.name.partition("/o/")[0])
        raise Refused(404, f"No such object: {bucket.id}/{call.name.partition('/o/')[2]}")
    return record.hidden["media"] if call.media_wanted else record.body


@service.answers("o.list")
def list_objects(call: Call) -> dict[str, Any]:
    """A bucket's objects below a prefix; what follows the delimiter is cut off and told once."""
    bucket = call.record(call.name.rpartition("/o")[0])
    prefix, delimiter = call.query.get("prefix", ""), call.query.get("delimiter", "")
    names, prefixes = [], []
    for record in sorted(call.store.below(HOST, f"{bucket.name}/o"), key=lambda each: each.name):
        name = record.body["name"]
        rest = name[len(prefix) :]
        if not name.startswith(prefix):
            continue
        if delimiter and delimiter in rest:
            prefixes.append(prefix + rest.partition(delimiter)[0] + delimiter)
        else:
            names.append(record.body)
    part, token = paging.page(names, call.query)
    found = {"prefixes": list(dict.fromkeys(prefixes))} if prefixes else {}
    return {"kind": "storage#objects"} | ({"items": list(part)} if part else {}) | found | _next(token)


# --- managed folders and notifications


@service.answers("managedFolders.insert")
def insert_folder(call: Call) -> dict[str, Any]:
    """Its name ends with a slash: https://cloud.google.com/storage/docs/managed-folders"""
    bucket = call.record(call.name.rpartition("/managedFolders")[0])
    name = call.body["name"].rstrip("/") + "/"
    now = call.plane.clock.timestamp()
    body = {
        "kind": "storage#managedFolder",
        "id": f"{bucket.id}/{name}",
        "selfLink": f"https://www.googleapis.com/storage/v1/b/{bucket.id}/managedFolders/{quote(name, safe='')}",
        "name": name,
        "bucket": bucket.id,
        "metageneration": "1",
        "createTime": now,
        "updateTime": now,
    }
    full = f"{bucket.name}/managedFolders/{name}"
    return call.store.add(Record(HOST, full, "managedFolders", body)).body


def _folder(call: Call) -> Record:
    name = call.name.rstrip("/") + "/"
    record = call.store.get(HOST, name)
    if record is None:
        raise Refused(404, f"The specified managed folder does not exist: {name.partition('/managedFolders/')[2]}")
    return record


@service.answers("managedFolders.get")
def get_folder(call: Call) -> dict[str, Any]:
    """A folder, with or without the slash."""
    return _folder(call).body


@service.answers("managedFolders.list")
def list_folders(call: Call) -> dict[str, Any]:
    """A bucket's folders."""
    found = [each.body for each in call.store.below(HOST, call.name)]
    part, token = paging.page(found, call.query)
    return {"kind": "storage#managedFolders"} | ({"items": list(part)} if part else {}) | _next(token)


@service.answers("managedFolders.delete")
def delete_folder(call: Call) -> None:
    """Forget it."""
    call.store.remove(_folder(call))


@service.answers("notificationConfigs.insert")
def notify(call: Call) -> dict[str, Any]:
    """A topic hears of a bucket's objects; it must exist. They are counted in each bucket."""
    bucket = call.record(call.name.rpartition("/notificationConfigs")[0])
    topic = references.name(call.body.get("topic", ""))
    if not call.other("pubsub", topic):
        raise Refused(400, f"Cloud Pub/Sub topic '{topic}' not found.")
    # https://cloud.google.com/storage/docs/reporting-changes#before-you-begin
    agent = identities.agent(call.plane, HOST, _project_of(call, bucket.body["projectNumber"]))
    if not grants.holds(call, agent, "pubsub.topics.publish", "pubsub", call.plane.with_id(topic)):
        message = (
            f"The service account '{agent}' does not have permission to publish messages to to the Cloud Pub/Sub topic "
            f"'//pubsub.googleapis.com/{topic}', or that topic does not exist."
        )
        raise Refused(403, message)
    count = bucket.hidden["notifications"] = bucket.hidden.get("notifications", 0) + 1
    body = dict(call.body) | {
        "id": str(count),
        "kind": "storage#notification",
        "selfLink": f"https://www.googleapis.com/storage/v1/b/{bucket.id}/notificationConfigs/{count}",
        "topic": f"//pubsub.googleapis.com/{topic}",
        "etag": etags.new(),
    }
    name = f"{bucket.name}/notificationConfigs/{count}"
    return call.store.add(Record(HOST, name, "notificationConfigs", body)).body
