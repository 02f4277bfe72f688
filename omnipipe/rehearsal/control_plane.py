"""Google's control plane, in memory: a request comes in, is checked as Google checks it, done, and answered."""

from __future__ import annotations

import importlib
import re
import threading
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from omnipipe.rehearsal import discovery, enabling, operations, policies, singletons, standard
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.discovery import Api, Method
from omnipipe.rehearsal.errors import Refused
from omnipipe.rehearsal.schema import checked_body, checked_query
from omnipipe.rehearsal.service import Service
from omnipipe.rehearsal.store import Store
from omnipipe.rehearsal.world import Clock, World

_SERVICES = "omnipipe.rehearsal.services"
# Prefixes of addresses that bring bytes: https://cloud.google.com/storage/docs/uploads-downloads
_UPLOADS = ("/resumable/upload/", "/upload/")


class ControlPlane:
    """Answers for all of Google's APIs that have a document, from one memory."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()
        self.clock = Clock()
        self.links: Mapping[str, str] = {"compute": "https://www.googleapis.com/compute/v1/"}
        self._lock = threading.RLock()
        self._services: dict[str, Service] = {}
        self._creatable: dict[tuple[str, str], bool] = {}
        self.reset()

    def reset(self) -> None:
        """Forget all that was made."""
        self.store = Store()
        self.numbers = {self.world.project: self.world.number}
        for prepare in ("cloudresourcemanager", "serviceusage", "cloudbilling", "compute"):
            self.service(prepare).apply("prepares", "", self)

    def answer(
        self,
        http: str,
        host: str,
        path: str,
        query: Mapping[str, list[str]],
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        media: bytes = b"",
    ) -> tuple[int, Any]:
        """The status and the body of the answer to one request.

        ``host`` is the first label of Google's host name (``run``), ``path`` is percent-encoded, ``body`` the parsed
        JSON or None, ``media`` what an upload brings beside it.
        """
        service = self.service(host)
        try:
            with self._lock:
                answer = self._do(service, http, host, path, query, body, headers or {}, media)
        except Refused as error:
            return error.code, service.error(error)
        return (204, None) if answer is None else (200, answer)

    def _do(
        self,
        service: Service,
        http: str,
        host: str,
        path: str,
        query: Mapping[str, list[str]],
        body: Any,
        headers: Mapping[str, str],
        media: bytes,
    ) -> Any:
        plain = next((path[len(prefix) - 1 :] for prefix in _UPLOADS if path.startswith(prefix)), path).lstrip("/")
        api = discovery.api(host, plain)
        found = api.find(http, plain) if api else None
        if api is None or found is None:
            raise Refused(404, f"The requested URL {path} was not found on this server.")
        method, parameters = found
        below = _below_version(api, method.path, parameters)
        call = Call(self, service, api, method, self.with_id(below), {}, {}, headers, media)
        enabling.require(call)
        _require_location(call)
        call.media_wanted = query.get("alt") == ["media"]
        call.query = checked_query(api, method, query)
        sent = {} if body is None else body
        call.body = checked_body(api, method, sent, any_form=self.world.any_form)
        do = self.handler(api, method)
        if do is None:
            raise Refused(501, f"The rehearsal does not know {method.id}.")
        answer = do(call)
        return None if do is standard.delete and method.response is None else answer

    def handler(self, api: Api, method: Method) -> Callable[[Call], Any] | None:
        """What does a method of an API: a rule of its service, or what the APIs have in common; None for nothing."""
        service, kind = self.service(api.host), re.sub(r"[A-Z].*", "", method.verb)
        for key in (f"{method.collection}.{method.verb}", f"*.{method.verb}", f"*.{kind}…"):
            if own := service.rule("answers", key):
                return own
        if (method.collection, method.verb) == (operations.COLLECTION, "cancel"):
            return operations.cancel
        if method.on_policy:
            return policies.answer
        return standard.handler(method) or singletons.handler(api, method)

    # --- what the rules ask

    def service(self, host: str) -> Service:
        """The rules of an API's host; none where no file has them."""
        if host not in self._services:
            module = f"{_SERVICES}.{host}"
            known = find_spec(module) is not None if host.isidentifier() else False
            self._services[host] = importlib.import_module(module).service if known else Service(host)
        return self._services[host]

    def number(self, project: str) -> str:
        """A project's number."""
        return self.numbers.get(project, project)

    def numbered(self, name: str) -> str:
        """A name with the project's number in the place of its id."""
        return re.sub(
            r"(?<![^/])projects/([^/]+)", lambda found: f"projects/{self.number(found[1])}", name, count=1
        )

    def with_id(self, name: str) -> str:
        """A name with the project's id in the place of its number."""
        ids = {number: id_ for id_, number in self.numbers.items()}
        return re.sub(
            r"(?<![^/])projects/(\d+)(?=[/:]|$)", lambda found: f"projects/{ids.get(found[1], found[1])}", name
        )

    def knows_project(self, name: str) -> bool:
        """Whether the project that a name begins with is one that was made here."""
        found = re.match(r"projects/([^/]+)", name)
        return bool(found) and self.store.get("cloudresourcemanager", found[0]) is not None

    def require_project(self, call: Call) -> None:
        """Raise Refused (403) if the project in the path does not exist.

        https://cloud.google.com/apis/docs/troubleshooting: a project that is not there is one without permission.
        """
        if re.match(r"projects/[^-_/]", call.path) and not self.knows_project(f"projects/{call.project}"):
            raise Refused(
                403,
                f"Permission denied on resource project {call.project}.",
                details=[
                    {
                        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                        "reason": "CONSUMER_INVALID",
                        "domain": "googleapis.com",
                        "metadata": {
                            "consumer": f"projects/{call.project}",
                            "service": f"{call.api.host}.googleapis.com",
                        },
                    }
                ],
            )

    def is_creatable(self, api: Api, name: str) -> bool:
        """Whether a name is of resources that somebody makes by this API."""
        parts = name.split("/")
        if len(parts) < 2 or (parts[0] == "projects" and len(parts) == 2):
            return False
        methods = api.of_collection(parts[-2])
        item = next((each for verb, each in methods.items() if verb == "get"), None)
        makes = any(verb in methods for verb in ("create", "insert"))
        return makes and item is not None and item.flat.count("/") >= len(parts)


def _require_location(call: Call) -> None:
    """Raise Refused (403) for what is no location by its form: all are in small letters, BigQuery's EU and US too.

    The words: https://github.com/firezone/firezone/pull/7711
    """
    found = re.search(r"/locations/([^/:]+)", call.path)
    if found and found[1] != found[1].lower() and not call.plane.world.any_form:
        raise Refused(403, f"Permission denied on 'locations/{found[1]}' (or it may not exist).")


def _below_version(api: Api, path: str, parameters: Mapping[str, str]) -> str:
    filled = re.sub(r"\{\+?(\w+)\}", lambda found: parameters[found[1]], path)
    parts = path.split("/")
    depth = parts.index(api.version) + 1 if api.version in parts else 0
    for _ in range(depth):
        filled = filled.partition("/")[2]
    return filled
