"""Cloud Workflows' executions: the API that starts, follows and cancels them, on the interpreter.

https://cloud.google.com/workflows/docs/reference/executions/rest
"""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, abort, jsonify, request

from omnipipe.laptop import platform_log
from omnipipe.laptop.home import write_json
from omnipipe.laptop.iam.control import needs
from omnipipe.laptop.kind import location
from omnipipe.laptop.lookups import PROJECT_NUMBER
from omnipipe.laptop.services.workflows.interpreter import (
    Callbacks,
    Environment,
    WorkflowError,
    answer_call,
    parse,
)
from omnipipe.laptop.services.workflows.interpreter.transport import METHODS
from omnipipe.laptop.services.workflows.resources import WORKFLOW

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.iam.gate import Gate
    from omnipipe.laptop.registry import Resource

ACTIVE, SUCCEEDED, FAILED, CANCELLED = "ACTIVE", "SUCCEEDED", "FAILED", "CANCELLED"
log = logging.getLogger("workflows")


class Executions:
    """Runs workflows, each execution in a thread. What ended is kept in a file an execution.

    Unlike Google's, an execution does not outlive this process: one that was cut off is failed at the next start.
    """

    def __init__(self, cloud: Cloud, gate: Gate, endpoints: Callable[[], Mapping[str, str]]) -> None:
        self._cloud = cloud
        self._gate = gate
        self._endpoints = endpoints
        self._folder = cloud.home.path("executions")
        self._live: dict[str, dict[str, Any]] = {}
        self._cancel: dict[str, threading.Event] = {}
        self._ending = threading.Lock()
        self._callbacks: dict[str, Callbacks] = {}
        for path in self._folder.glob("*.json"):
            execution = json.loads(path.read_text())
            if execution["state"] == ACTIVE:
                cut_off = {"message": "the laptop's Workflows service ended during this execution"}
                self._write(
                    execution | {"state": FAILED, "endTime": _now(), "error": {"payload": json.dumps(cut_off)}}
                )

    def start(self, workflow: Resource, argument: str | None) -> dict[str, Any]:
        """Start an execution. ``argument`` is JSON text, as the API has it."""
        id_ = str(uuid.uuid4())
        execution: dict[str, Any] = {
            "name": f"{workflow.id}/executions/{id_}",
            "startTime": _now(),
            "state": ACTIVE,
            "argument": argument or "null",
            "workflowRevisionId": "000001-000",
            "status": {"currentSteps": []},
        }
        self._live[id_] = execution
        self._cancel[id_] = threading.Event()
        address = f"{self._cloud.google}/v1/{execution['name']}/callbacks"
        self._callbacks[id_] = Callbacks(lambda: address)
        self._write(execution)
        threading.Thread(target=self._run, args=(workflow, id_), daemon=True).start()
        return execution

    def get(self, id_: str) -> dict[str, Any] | None:
        """An execution, live or ended; None if there is none."""
        if (live := self._live.get(id_)) is not None:
            return live
        path = self._folder / f"{id_}.json"
        return json.loads(path.read_text()) if path.is_file() else None

    def callbacks(self, id_: str) -> Callbacks | None:
        """The callback endpoints of a live execution; None if it is over, or there never was one."""
        return self._callbacks.get(id_)

    def cancel(self, id_: str) -> None:
        """End a live execution: no step begins any more. As on Google, what it has called goes on."""
        stop = self._cancel.get(id_)
        error = {"payload": json.dumps({"message": "the execution was cancelled"})}
        if stop is not None and self._end(id_, {"state": CANCELLED, "error": error}):
            stop.set()

    def _run(self, workflow: Resource, id_: str) -> None:
        execution = self._live[id_]
        name = workflow.inputs["name"]
        email = workflow.inputs["serviceAccount"].rpartition("/")[2]
        environment = Environment(
            project=self._cloud.project,
            location=location(self._cloud, workflow),
            workflow_id=name,
            execution_id=id_,
            project_number=PROJECT_NUMBER,
            service_account=email,
            env=workflow.inputs.get("userEnvVars") or {},
            endpoints=dict(self._endpoints()),
            token=lambda kind, target: self._cloud.tokens.issue(email, target),
            log=lambda severity, payload: self._log(email, name, severity, payload),
            callbacks=self._callbacks[id_],
        )

        def on_step(step: str, phase: str) -> None:
            if phase == "enter":
                execution["status"] = {"currentSteps": [{"routine": "main", "step": step}]}

        try:
            source = parse(workflow.inputs["sourceContents"], f"{name}.yaml")
            result = source.run(json.loads(execution["argument"]), environment, on_step, self._cancel[id_])
            ended: dict[str, Any] = {"state": SUCCEEDED, "result": json.dumps(result)}
        except WorkflowError as error:
            payload = json.dumps(error.error, default=_text)
            ended = {"state": FAILED, "error": {"payload": payload, "context": str(error)}}
        except Exception as error:
            # A defect of the interpreter must end the execution, or its caller would wait for ever.
            log.exception("the interpreter failed")
            ended = {"state": FAILED, "error": {"payload": json.dumps({"message": f"interpreter: {error!r}"})}}
        try:
            if ended["state"] == FAILED and not self._cancel[id_].is_set():
                self._log_failure(workflow, ended["error"])
        finally:
            self._end(id_, ended)
            del self._cancel[id_]

    def _end(self, id_: str, ended: dict[str, Any]) -> bool:
        """Keep how an execution ended, if it is the first to say so."""
        with self._ending:
            if id_ not in self._live:
                return False
            # On disk before anybody can see the end: a restart must not take it back.
            self._write(self._live[id_] | ended | {"endTime": _now()})
            del self._live[id_], self._callbacks[id_]
            return True

    def _log(self, email: str, name: str, severity: str, payload: str | dict[str, Any]) -> None:
        """Write an entry of ``sys.log``, if the workflow's account may; otherwise it is lost, as on Google."""
        project = f"projects/{self._cloud.project}"
        if self._gate.bindings().allow(email, "logging.logEntries.create", project):
            log.info("%s %s: %s", severity, name, payload)
        else:
            log.warning("%s: Permission 'logging.logEntries.create' denied on resource '%s'", name, project)

    def _log_failure(self, workflow: Resource, error: dict[str, str]) -> None:
        """Log what Workflows logs of an execution that failed: google.cloud.workflows.type.ExecutionsSystemLog."""
        name, region = workflow.inputs["name"], location(self._cloud, workflow)
        platform_log.write(
            self._cloud.home,
            "workflows.googleapis.com/Workflow",
            {"resource_container": self._cloud.project, "location": region, "workflow_id": name},
            "ERROR",
            {
                "@type": "type.googleapis.com/google.cloud.workflows.type.ExecutionsSystemLog",
                "state": FAILED,
                "failure": {"exception": error["payload"], "source": error.get("context", "")},
            },
        )

    def _write(self, execution: dict[str, Any]) -> None:
        write_json(self._folder / f"{execution['name'].rpartition('/')[2]}.json", execution)


def blueprint(executions: Executions, cloud: Cloud) -> Blueprint:
    """The API's routes (v1)."""
    routes = Blueprint(
        "executions", __name__, url_prefix="/v1/projects/<project>/locations/<location>/workflows/<workflow>"
    )

    # Workflows takes no grant on a single workflow: https://cloud.google.com/workflows/docs/access-control
    @routes.post("/executions")
    @needs("workflows.executions.create")
    def start(project: str, location: str, workflow: str) -> Response:
        cloud.registry.refresh()
        id_ = f"projects/{project}/locations/{location}/workflows/{workflow}"
        found = [resource for resource in cloud.registry.of_type(WORKFLOW) if resource.id == id_]
        if not found:
            abort(404, f"workflow {id_} does not exist")
        argument = (request.get_json(silent=True) or {}).get("argument")
        try:
            json.loads(argument or "null")
        except (TypeError, ValueError) as error:
            abort(400, f"argument must be JSON, as text: {error}")
        return jsonify(executions.start(found[0], argument))

    @routes.get("/executions/<execution>")
    @needs("workflows.executions.get")
    def get(project: str, location: str, workflow: str, execution: str) -> Response:
        found = executions.get(execution)
        if found is None:
            abort(404, f"there is no execution {execution}")
        return jsonify(found)

    @routes.post("/executions/<execution>:cancel")
    @needs("workflows.executions.cancel")
    def cancel(project: str, location: str, workflow: str, execution: str) -> Response:
        executions.cancel(execution)
        return get(project, location, workflow, execution)

    @routes.route("/executions/<execution>/callbacks/<callback>", methods=METHODS, provide_automatic_options=False)
    @needs("workflows.callbacks.send")
    def callback(
        project: str, location: str, workflow: str, execution: str, callback: str
    ) -> tuple[Response, int]:
        url, headers = request.full_path.rstrip("?"), dict(request.headers)
        own = executions.callbacks(execution)
        code, answer = answer_call(own, request.method, url, headers, request.get_data())
        return jsonify(answer), code

    return routes


def _text(value: object) -> str:
    """JSON for what it has no form for: the bytes of an HTTP body in an error."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
