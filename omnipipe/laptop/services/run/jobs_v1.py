"""The older API of Cloud Run's jobs (v1, Knative's form): the same executions, in other words.

https://cloud.google.com/run/docs/reference/rest/v1/namespaces.jobs
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, abort, jsonify, request

from omnipipe.laptop.iam.control import needs
from omnipipe.laptop.services.run.jobs import LONG_POLL_S, NAME, Jobs, find
from omnipipe.laptop.services.run.resources import JOB

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource

_API = "run.googleapis.com/v1"


def blueprint(jobs: Jobs, cloud: Cloud) -> Blueprint:
    """The part of the API that looks at jobs, starts one and follows its execution. Its host says the region."""
    routes = Blueprint("run_v1", __name__, url_prefix=f"/apis/{_API}/namespaces/<project>")
    here = {"location": cloud.region}

    @routes.post("/jobs/<job>:run", defaults=here)
    @needs("run.jobs.run", NAME, with_overrides="run.jobs.runWithOverrides")
    def run(project: str, location: str, job: str) -> Response:
        resource = find(cloud, project, location, job)
        overrides = (request.get_json(silent=True) or {}).get("overrides") or {}
        operation = jobs.start(resource, _as_v2(overrides))
        return jsonify(_execution(project, operation))

    @routes.get("/jobs/<job>", defaults=here)
    @needs("run.jobs.get", NAME)
    def get(project: str, location: str, job: str) -> Response:
        return jsonify(_job(project, find(cloud, project, location, job)))

    @routes.get("/jobs", defaults=here)
    @needs("run.jobs.list")
    def list_(project: str, location: str) -> Response:
        cloud.registry.refresh()
        place = f"projects/{project}/locations/{location}/jobs/"
        found = [resource for resource in cloud.registry.of_type(JOB) if resource.id.startswith(place)]
        items = [_job(project, resource) for resource in found]
        return jsonify({"apiVersion": _API, "kind": "JobList", "items": items})

    @routes.get("/executions/<execution>", defaults=here)
    @needs("run.executions.get")
    def execution(project: str, location: str, execution: str) -> Response:
        name = jobs.operation_of(f"projects/{project}/locations/{location}/", execution)
        if name is None or (operation := jobs.wait(name, LONG_POLL_S)) is None:
            abort(404, f"Resource '{execution}' of kind 'EXECUTION' in project '{project}' does not exist.")
        return jsonify(_execution(project, operation))

    return routes


def _as_v2(overrides: dict[str, Any]) -> dict[str, Any]:
    """Overrides as the newer API has them. One container may stand without its list, as in Google's own samples."""
    found = dict(overrides)
    if isinstance(found.get("containerOverrides"), dict):
        found["containerOverrides"] = [found["containerOverrides"]]
    if (seconds := found.pop("timeoutSeconds", None)) is not None:
        found["timeout"] = f"{seconds}s"
    return found


def _job(project: str, resource: Resource) -> dict[str, Any]:
    labels = {"cloud.googleapis.com/location": resource.inputs["location"]}
    metadata = {"name": resource.inputs["name"], "namespace": project, "labels": labels}
    return {"apiVersion": _API, "kind": "Job", "metadata": metadata}


def _execution(project: str, operation: dict[str, Any]) -> dict[str, Any]:
    place, _, name = operation["metadata"]["name"].rpartition("/executions/")
    completed: dict[str, Any] = {"type": "Completed", "status": "Unknown"}
    if error := operation.get("error"):
        completed |= {"status": "False", "reason": "NonZeroExitCode", "message": error["message"]}
    elif operation["done"]:
        completed["status"] = "True"
    counts = {key: value for key, value in operation.get("response", {}).items() if key == "succeededCount"}
    labels = {"run.googleapis.com/job": place.rpartition("/")[2]}
    return {
        "apiVersion": _API,
        "kind": "Execution",
        "metadata": {"name": name, "namespace": project, "labels": labels},
        "status": {"conditions": [completed], **counts},
    }
