"""One request, as its API understands it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from omnipipe.rehearsal.discovery import Api, Method, Schema
from omnipipe.rehearsal.errors import Refused
from omnipipe.rehearsal.store import Record, Store

if TYPE_CHECKING:
    from omnipipe.rehearsal.control_plane import ControlPlane
    from omnipipe.rehearsal.service import Service


@dataclass
class Call:
    """A request that was checked against the schema.

    ``path`` is decoded and below the API's version, with the project's id; ``media`` is what an upload brings,
    ``media_wanted`` whether the answer is the content itself (``alt=media``).
    """

    plane: ControlPlane
    service: Service
    api: Api
    method: Method
    path: str
    query: Mapping[str, Any]
    body: dict[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    media: bytes = b""
    media_wanted: bool = False

    @property
    def store(self) -> Store:
        """What was made so far."""
        return self.plane.store

    @property
    def collection(self) -> str:
        """What the resources are called that it is about (``secrets``)."""
        return self.method.collection

    @property
    def name(self) -> str:
        """The name of the resource, or of the collection's parent and the collection, that it is about."""
        path = self.path
        if self.method.custom:
            return path.removesuffix(f":{self.method.custom}")
        if not self.method.is_item:
            for end in ("/iam/testPermissions", "/iam", f"/{self.method.verb}"):
                if path.endswith(end) and not path.endswith(f"/{self.collection}"):
                    return path.removesuffix(end)
        return path

    @property
    def project(self) -> str:
        """The id of the project in the path, or of the one that is deployed to."""
        found = re.search(r"(?:^|/)projects/([^/:]+)", self.path)
        return found[1] if found and found[1] not in ("-", "_") else self.plane.world.project

    @property
    def number(self) -> str:
        """The number of the project in the path."""
        return self.plane.number(self.project)

    @property
    def location(self) -> str:
        """The region, zone or location in the path, or ""."""
        found = re.search(r"/(?:locations|regions|zones)/([^/:]+)", self.path)
        return found[1] if found else ""

    @property
    def schema(self) -> Schema:
        """The schema of the resources that it is about."""
        return self.api.schemas.get(self.api.resource(self.method) or "", {})

    def record(self, name: str = "") -> Record:
        """The resource it is about, or another of the same API. Raises Refused (404) in the API's words."""
        wanted = name or self.name
        found = self.store.get(self.api.host, wanted)
        if found is None:
            raise self.service.not_found(self, wanted)
        return found

    def other(self, host: str, name: str) -> Record | None:
        """A resource of another API."""
        return self.store.get(host, name)

    def link(self, path: str) -> str:
        """The address of a resource as answers give it."""
        return f"{self.plane.links.get(self.api.host, self.api.root)}{path}"

    def require_form(self, form: re.Pattern[str], name: str, message: str) -> None:
        """Raise Refused (400) for a new resource's name that has not the form that Google asks for."""
        if not form.fullmatch(name) and not self.plane.world.any_form:
            raise Refused(400, message)
