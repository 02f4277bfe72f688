"""Cloud Run: services and jobs. https://cloud.google.com/run/docs/reference/rest"""

from __future__ import annotations

import re
from typing import Any

from omnipipe.rehearsal import operations, policies, standard
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused
from omnipipe.rehearsal.service import Service
from omnipipe.rehearsal.store import Record

HOST = "run"
service = Service(
    HOST,
    missing={
        "jobs": 'job "{name}" not found',
        "services": 'service "{name}" not found',
        "": "Resource '{name}' not found",
    },
    duplicate={"jobs": "Resource '{id}' already exists.", "services": "Resource '{id}' already exists."},
    metadata="",
    defaults={
        # https://cloud.google.com/run/docs/configuring/services/cpu and …/memory-limits; …/jobs/…
        "services": {
            "ingress": "INGRESS_TRAFFIC_ALL",
            "launchStage": "GA",
            "traffic": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}],
            "template": {"maxInstanceRequestConcurrency": 80, "timeout": "300s"},
        },
        "jobs": {
            "launchStage": "GA",
            "template": {
                "taskCount": 1,
                "template": {"maxRetries": 3, "timeout": "600s"},
            },
        },
    },
)
_ID = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
_MEMORY = re.compile(r"\d+(\.\d+)?([KMGT]i?|[kmgt])?")
# https://cloud.google.com/secret-manager/docs/access-control: those with secretmanager.versions.access
_READERS = ("roles/secretmanager.secretAccessor", "roles/secretmanager.admin", "roles/owner")
_KNOWN_LIMITS = {"cpu", "memory", "nvidia.com/gpu"}


def _task(body: dict[str, Any]) -> dict[str, Any]:
    """What describes the containers: a service's template, a job's template's template."""
    template = body.get("template") or {}
    return template.get("template") or {} if "taskCount" in template or "template" in template else template


@service.checks("services", "jobs", "workerPools")
def check(call: Call, body: dict[str, Any]) -> None:
    """Names, limits, and what a workload must find when it starts: its secrets and its account's right to them."""
    id_ = call.query.get("jobId") or call.query.get("serviceId")
    if id_:
        kind = call.collection[:-1]
        call.require_form(_ID, id_, f"{kind}_id: only lowercase, digits, and hyphens; must begin with letter")
    task = _task(body)
    _require_account(call, task.get("serviceAccount", ""))
    containers = task.get("containers") or []
    if call.method.verb == "create" and not containers:
        raise Refused(400, "template.containers: must have at least one container")
    for container in containers:
        limits = (container.get("resources") or {}).get("limits") or {}
        for name, value in limits.items():
            if name not in _KNOWN_LIMITS:
                raise Refused(400, f"template.containers.resources.limits: unsupported resource type '{name}'")
            if name == "memory" and not _MEMORY.fullmatch(str(value)):
                raise Refused(400, f"template.containers.resources.limits.memory: invalid quantity '{value}'")
        for variable in container.get("env") or ():
            reference = (variable.get("valueSource") or {}).get("secretKeyRef")
            if reference:
                _require_secret(call, task, reference)
    for volume in task.get("volumes") or ():
        if volume.get("secret"):
            _require_secret(call, task, volume["secret"])


def _require_account(call: Call, email: str) -> None:
    """https://cloud.google.com/run/docs/securing/service-identity: an account of the project must be there."""
    own = email.endswith(f"@{call.project}.iam.gserviceaccount.com")
    if own and not call.other("iam", f"projects/{call.project}/serviceAccounts/{email}"):
        raise Refused(404, f"Service account {email} does not exist.")


def _require_secret(call: Call, task: dict[str, Any], reference: dict[str, Any]) -> None:
    """https://cloud.google.com/run/docs/configuring/services/secrets: it exists, and the account may read it."""
    short = reference.get("secret", "")
    name = call.plane.with_id(
        short if short.startswith("projects/") else f"projects/{call.project}/secrets/{short}"
    )
    named = next((each.get("version") for each in reference.get("items") or ()), reference.get("version"))
    version, secret = named or "latest", call.other("secretmanager", name)
    if version == "latest" and secret:
        version = str(secret.hidden.get("versions", "latest"))
    if not secret or not call.other("secretmanager", f"{name}/versions/{version}"):
        full = f"{call.plane.numbered(name)}/versions/{named or 'latest'}"
        raise Refused(404, f"spec.template.spec.containers[0].env: Secret {full} was not found")
    account = task.get("serviceAccount", "")
    on = [("secretmanager", name), ("cloudresourcemanager", f"projects/{call.project}")]
    own = account.endswith(f"@{call.project}.iam.gserviceaccount.com")
    if own and not policies.holds(call, f"serviceAccount:{account}", _READERS, on):
        message = (
            f"Permission denied on secret: {call.plane.numbered(name)}/versions/{named or 'latest'} for Revision "
            f"service account {account}. The service account used must be granted the 'Secret Manager Secret Accessor' "
            "role (roles/secretmanager.secretAccessor) at the secret, project or higher level."
        )
        raise Refused(400, message)


@service.fills("services", "jobs", "workerPools")
def workload(call: Call, record: Record) -> None:
    """Who made it and when, and what each container and task has by default."""
    body = record.body
    body |= {"creator": "user@example.com", "lastModifier": "user@example.com", "generation": "0"}
    if record.collection == "services":
        body["uri"] = f"https://{record.id}-{call.number}.{call.location}.run.app"
        body["urls"] = [body["uri"]]
    if record.collection == "jobs":
        body["latestCreatedExecution"] = {}


@service.follows("services", "jobs", "workerPools")
def changed(call: Call, record: Record) -> None:
    """Each change is a generation, which is ready at once."""
    body, task = record.body, _task(record.body)
    body["generation"] = str(int(body["generation"]) + 1)
    body["observedGeneration"] = body["generation"]
    now = call.plane.clock.timestamp()
    condition = {"type": "Ready", "state": "CONDITION_SUCCEEDED", "lastTransitionTime": now}
    body["terminalCondition"] = condition
    is_job = record.collection == "jobs"
    task.setdefault("serviceAccount", f"{call.number}-compute@developer.gserviceaccount.com")
    task.setdefault("executionEnvironment", "EXECUTION_ENVIRONMENT_GEN2")
    for container in task.get("containers") or ():
        _fill_container(container, is_job)
    if not is_job:
        serving = next((each for each in task.get("containers") or () if each.get("ports")), None)
        containers = task.get("containers") or []
        if serving is None and len(containers) == 1 and record.collection == "services":
            containers[0]["ports"] = [{"name": "http1", "containerPort": 8080}]
        revision = f"{record.name}/revisions/{record.id}-{int(body['generation']):05d}-abc"
        body |= {"latestReadyRevision": revision, "latestCreatedRevision": revision}
        body["trafficStatuses"] = [dict(each) for each in body.get("traffic") or ()]


def _fill_container(container: dict[str, Any], is_job: bool) -> None:
    limits = container.setdefault("resources", {}).setdefault("limits", {})
    limits.setdefault("cpu", "1000m")
    limits.setdefault("memory", "512Mi")
    if not is_job:
        container["resources"].setdefault("cpuIdle", True)
        container["resources"].setdefault("startupCpuBoost", True)
    for kind in ("startupProbe", "livenessProbe"):
        if probe := container.get(kind):
            # https://cloud.google.com/run/docs/configuring/healthchecks
            probe.setdefault("timeoutSeconds", 1)
            probe.setdefault("periodSeconds", 10)
            probe.setdefault("failureThreshold", 3)
            for check_ in ("httpGet",):
                if check_ in probe:
                    probe[check_] = {"path": "/"} | (probe[check_] or {})


@service.operations()
def operation(call: Call, body: dict[str, Any], record: Record | None) -> None:
    """Its metadata is the resource itself."""
    if record:
        kind = call.api.resource(call.method) or ""
        short = kind.rpartition("V2")[2]
        body["metadata"] = {"@type": f"type.googleapis.com/google.cloud.run.v2.{short}"} | standard.shown(
            call, record
        )
        if body["response"].get("@type", "").endswith(("Empty", kind)):
            body["response"] = dict(body["metadata"])


@service.answers("jobs.run")
def run(call: Call) -> dict[str, Any]:
    """An execution, which has succeeded."""
    job = call.record()
    count = job.hidden["executions"] = job.hidden.get("executions", 0) + 1
    name, now = f"{job.name}/executions/{job.id}-{count:05d}", call.plane.clock.timestamp()
    tasks = job.body["template"]["taskCount"]
    condition = {"type": "Completed", "state": "CONDITION_SUCCEEDED", "lastTransitionTime": now}
    body = {
        "name": name,
        "job": job.id,
        "uid": call.plane.clock.uuid(),
        "createTime": now,
        "startTime": now,
        "completionTime": now,
        "taskCount": tasks,
        "succeededCount": tasks,
        "conditions": [condition],
        "template": job.body["template"]["template"],
    }
    record = call.store.add(Record(HOST, name, "executions", body))
    job.body["executionCount"] = count
    job.body["latestCreatedExecution"] = {"name": name, "createTime": now, "completionTime": now}
    return operations.finished(call, name, record, body)
