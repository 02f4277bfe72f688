"""Cloud Functions, second generation. https://cloud.google.com/functions/docs/reference/rest/v2"""

from __future__ import annotations

import re
from typing import Any

from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused
from omnipipe.rehearsal.service import Service
from omnipipe.rehearsal.store import Record

service = Service(
    "cloudfunctions",
    missing={"functions": "Resource '{name}' was not found"},
    duplicate={
        "functions": "Could not create Cloud Run service {id}. A Cloud Run service with this name already exists."
    },
)
_ID = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
# https://cloud.google.com/functions/docs/runtime-support
_RUNTIME = re.compile(r"(python3\d+|nodejs\d+|go1\d+|java\d+|dotnet\d+|ruby\d+|php\d+)")
_MEMORY = re.compile(r"\d+(\.\d+)?([KMG]i?|[kmg])?B?")


@service.checks("functions")
def check(call: Call, body: dict[str, Any]) -> None:
    """A runtime that there is, a source that was uploaded, an account that exists, a time that is allowed."""
    if call.api.version == "v1":
        return
    if id_ := call.query.get("functionId"):
        call.require_form(_ID, id_, f"Invalid function ID: {id_!r}.")
    build, run = body.get("buildConfig") or {}, body.get("serviceConfig") or {}
    if not _RUNTIME.fullmatch(build.get("runtime", "")):
        raise Refused(400, f"Invalid runtime {build.get('runtime')!r}.")
    if run.get("timeoutSeconds", 60) > 3600:
        raise Refused(400, "The timeout must be at most 3600 seconds.")
    memory = run.get("availableMemory")
    if memory and (not _MEMORY.fullmatch(memory) or memory.endswith("B")):
        raise Refused(400, f"Invalid available_memory {memory!r}: use a quantity such as 512Mi.")
    source = (build.get("source") or {}).get("storageSource") or {}
    if source and not call.other("storage", f"b/{source.get('bucket')}/o/{source.get('object')}"):
        raise Refused(404, f"The source gs://{source.get('bucket')}/{source.get('object')} was not found.")
    email = run.get("serviceAccountEmail", "")
    own = email.endswith(f"@{call.project}.iam.gserviceaccount.com")
    if own and not call.other("iam", f"projects/{call.project}/serviceAccounts/{email}"):
        raise Refused(404, f"Service account {email} was not found.")
    for variable in [*run.get("secretEnvironmentVariables", []), *run.get("secretVolumes", [])]:
        project = variable.get("projectId") or call.project
        name = call.plane.with_id(f"projects/{project}/secrets/{variable.get('secret')}")
        if not call.other("secretmanager", name):
            raise Refused(404, f"Secret {name} was not found.")


@service.follows("functions")
def function(call: Call, record: Record) -> None:
    """A function is a service of Cloud Run, which is made with it."""
    if call.api.version == "v1":
        return
    body, build = record.body, record.body.setdefault("buildConfig", {})
    run = body.setdefault("serviceConfig", {})
    place = record.name.rpartition("/functions/")[0]
    address = f"https://{call.location}-{call.project}.cloudfunctions.net/{record.id}"
    body |= {"environment": "GEN_2", "state": "ACTIVE", "url": address, "satisfiesPzi": True}
    account = f"{call.number}-compute@developer.gserviceaccount.com"
    run |= {
        "service": f"{place}/services/{record.id}",
        "uri": f"https://{record.id}-{call.number}.{call.location}.run.app",
        "revision": f"{record.id}-00001-abc",
    }
    # https://cloud.google.com/functions/docs/configuring
    defaults = {
        "timeoutSeconds": 60,
        "availableMemory": "256M",
        "availableCpu": "0.1666",
        "maxInstanceRequestConcurrency": 1,
        "maxInstanceCount": 100,
        "ingressSettings": "ALLOW_ALL",
        "allTrafficOnLatestRevision": True,
        "serviceAccountEmail": account,
    }
    for key, value in defaults.items():
        run.setdefault(key, value)
    # https://cloud.google.com/functions/docs/securing/build-custom-sa
    build.setdefault("serviceAccount", f"projects/{call.project}/serviceAccounts/{account}")
    build.setdefault("dockerRegistry", "ARTIFACT_REGISTRY")
    registry = f"projects/{call.project}/locations/{call.location}/repositories/gcf-artifacts"
    build.setdefault("dockerRepository", registry)
    build["build"] = f"projects/{call.number}/locations/{call.location}/builds/{call.plane.clock.uuid()}"
    build.setdefault("automaticUpdatePolicy", {})
    if source := (build.get("source") or {}).get("storageSource"):
        source.setdefault("generation", call.plane.clock.number(16))
        build["sourceProvenance"] = {"resolvedStorageSource": dict(source)}
    service_body = {"name": run["service"], "uri": run["uri"]}
    call.store.add(Record("run", run["service"], "services", service_body))


@service.removes("functions")
def delete(call: Call, record: Record) -> None:
    """Its service goes with it."""
    run = record.body.get("serviceConfig") or {}
    if below := call.other("run", run.get("service", "")):
        call.store.remove(below)
    call.store.remove(record)
