"""Cloud Run: services and jobs. https://cloud.google.com/run/docs/reference/rest"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from omnipipe.rehearsal import identities, mounts, operations, reservations, standard
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused, failed_precondition
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
    looks_later=frozenset({"secretmanager"}),
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
_KNOWN_LIMITS = {"cpu", "memory", "nvidia.com/gpu"}


def _task(body: dict[str, Any]) -> dict[str, Any]:
    """What describes the containers: a service's template, a job's template's template."""
    template = body.get("template") or {}
    return template.get("template") or {} if "taskCount" in template or "template" in template else template


@service.checks("services", "jobs", "workerPools")
def check(call: Call, body: dict[str, Any]) -> None:
    """Names, limits, and the account that it runs as."""
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


def _require_account(call: Call, email: str) -> None:
    """What is not there and what one may not use are not told apart: https://cloud.google.com/run/docs/troubleshooting"""
    if email and not identities.exists(call, email):
        message = (
            f"Permission 'iam.serviceaccounts.actAs' denied on service account {email} (or it may not exist)."
        )
        raise Refused(403, message)


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


@service.works("services", "jobs", "workerPools")
def start(call: Call, record: Record) -> None:
    """It starts with its secrets and its image: https://cloud.google.com/run/docs/troubleshooting"""
    task = _task(record.body)
    complaints = [text for text in _of_secrets(call, task) if text]
    images = [mounts.image(call, container.get("image", "")) for container in task.get("containers") or ()]
    missing = next((text for text in images if text), "")
    if not complaints and not missing:
        return
    text = "\n".join(complaints) or missing
    if record.collection == "services":
        revision = record.body["latestCreatedRevision"].rpartition("/")[2]
        text = f"Revision '{revision}' is not ready and cannot serve traffic. {text}"
    record.body["terminalCondition"] |= {"state": "CONDITION_FAILED", "message": text}
    raise failed_precondition(text) if complaints else Refused(404, text)


def _of_secrets(call: Call, task: dict[str, Any]) -> Iterator[str]:
    """What is said of each secret that a task mounts, and of where it does."""
    account, at = task["serviceAccount"], "spec.template.spec"
    for number, container in enumerate(task.get("containers") or ()):
        for place, variable in enumerate(container.get("env") or ()):
            if reference := (variable.get("valueSource") or {}).get("secretKeyRef"):
                said = mounts.secret(call, reference["secret"], reference.get("version") or "latest", account)
                where = f"{at}.containers[{number}].env[{place}].value_from.secret_key_ref.name"
                yield f"{where}: {said}" if said else ""
    for number, volume in enumerate(task.get("volumes") or ()):
        held = volume.get("secret") or {}
        items: list[dict[str, Any]] = held.get("items") or ([{}] if held else [])
        for place, item in enumerate(items):
            said = mounts.secret(call, held["secret"], item.get("version") or "latest", account)
            yield f"{at}.volumes[{number}].secret.items[{place}].key: {said}" if said else ""


@service.removes("services", "jobs")
def delete(call: Call, record: Record) -> None:
    """Its addresses in a network are held on."""
    reservations.outlive(call, record)
    call.store.remove(record)


@service.operations()
def operation(call: Call, body: dict[str, Any], record: Record | None) -> None:
    """Its metadata is the resource itself."""
    if record:
        kind = call.api.resource(call.method) or ""
        short = kind.rpartition("V2")[2]
        body["metadata"] = {"@type": f"type.googleapis.com/google.cloud.run.v2.{short}"} | standard.shown(
            call, record
        )
        if body.get("response", {}).get("@type", "").endswith(("Empty", kind)):
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
