"""Cloud Functions, second generation. https://cloud.google.com/functions/docs/reference/rest/v2"""

from __future__ import annotations

import re
from typing import Any

from omnipipe.rehearsal import enabling, grants, identities, mounts
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused, failed_precondition
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
    for email in (run.get("serviceAccountEmail"), str(build.get("serviceAccount") or "").rpartition("/")[2]):
        if email and not identities.exists(call, email):
            # https://cloud.google.com/functions/docs/troubleshooting
            raise Refused(404, f"Service account projects/-/serviceAccounts/{email} was not found.")


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


@service.works("functions")
def deploy(call: Call, record: Record) -> None:
    """It is built, and then a service of Cloud Run, which looks for its secrets; one that failed stays in the way."""
    if call.api.version == "v1":
        return
    run = record.body["serviceConfig"]
    record.body["state"] = "FAILED"
    _build(call, record.body["buildConfig"])
    if not call.other("run", run["service"]):
        call.store.add(Record("run", run["service"], "services", {"name": run["service"], "uri": run["uri"]}))
    for variable in [*run.get("secretEnvironmentVariables", []), *run.get("secretVolumes", [])]:
        named = f"projects/{variable.get('projectId') or call.project}/secrets/{variable.get('secret')}"
        for version in variable.get("versions") or [variable]:
            said = mounts.secret(call, named, version.get("version") or "latest", run["serviceAccountEmail"])
            if said:
                raise failed_precondition(
                    "Could not create or update Cloud Run service. Accessing secret failed: Revision is not ready and "
                    f"cannot serve traffic. {said}"
                )
    record.body["state"] = "ACTIVE"


def _build(call: Call, build: dict[str, Any]) -> None:
    """Cloud Build is enabled, the repository there; who builds reads Google's copy of the source, writes the image.

    https://cloud.google.com/functions/docs/troubleshooting; what Google's default account may do depends on the
    organization's policies: https://cloud.google.com/build/docs/cloud-build-service-account-updates
    """
    if not enabling.is_enabled(call.plane, "cloudbuild", call.project):
        # https://github.com/micronaut-projects/micronaut-starter/issues/371
        raise Refused(403, f"Build failed: {enabling.disabled(call, 'cloudbuild', 'Cloud Build API')}")
    repository, builder = call.plane.with_id(build["dockerRepository"]), build["serviceAccount"].rpartition("/")[2]
    own = not repository.endswith("/gcf-artifacts") and call.plane.knows_project(repository)
    if own and not call.other("artifactregistry", repository):
        message = (
            f"Unable to retrieve the repository metadata for {repository}. Ensure that the Cloud Functions service "
            "account has 'artifactregistry.repositories.list' and 'artifactregistry.repositories.get' permissions. You "
            "can add the permissions by granting the role 'roles/artifactregistry.reader'."
        )
        raise Refused(403, message)
    if builder.endswith("@developer.gserviceaccount.com"):
        return
    bucket = f"gcf-v2-sources-{call.number}-{call.location}"
    if not grants.holds(call, builder, "storage.objects.get", "storage", f"b/{bucket}"):
        message = (
            f"Build failed with status: FAILURE and message: Access to bucket {bucket} denied. You must grant Storage "
            f"Object Viewer permission to {builder}. If you are using VPC Service Controls, you must also grant it "
            "access to your service perimeter."
        )
        raise Refused(400, message)
    upload = "artifactregistry.repositories.uploadArtifacts"
    if not grants.holds(call, builder, upload, "artifactregistry", repository):
        message = (
            "Could not build the function due to a missing permission on the build service account. If you didn't "
            "revoke that permission explicitly, this could be caused by a change in the organization policies."
        )
        raise Refused(400, message)


@service.removes("functions")
def delete(call: Call, record: Record) -> None:
    """Its service goes with it."""
    run = record.body.get("serviceConfig") or {}
    if below := call.other("run", run.get("service", "")):
        call.store.remove(below)
    call.store.remove(record)
