"""What is real: every resource that the program registered, with its inputs and outputs.

The file is the laptop's counterpart of Pulumi's state. It holds secrets, so it is readable by its owner only.
"""

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.home import write_json


@dataclass
class Resource:
    """A resource of the program. ``inputs`` and ``outputs`` have Pulumi's camelCase keys.

    ``failed``: it was made, and then failed at what a deployment waits for. Pulumi keeps that as an error of its
    initialisation.
    """

    type: str
    name: str
    inputs: dict[str, Any]
    outputs: dict[str, Any] = field(default_factory=dict)
    id: str = ""
    protect: bool = False
    failed: bool = False

    @property
    def key(self) -> str:
        """Identity within the program."""
        return f"{self.type}::{self.name}"

    @property
    def kind(self) -> str:
        """Short name, such as ``bigquery.Table`` or ``random.RandomPassword``."""
        package, module, kind = self.type.split(":")
        return f"{package if package != 'gcp' else module.split('/')[0]}.{kind}"


class Registry:
    """The resources that are real, on disk as one JSON file that is replaced at each change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._resources: dict[str, Resource] = {}
        self._stamp: tuple[int, ...] | None = None
        self.refresh()

    @property
    def stamp(self) -> tuple[int, ...] | None:
        """Changes when the resources do. None before there are any."""
        return self._stamp

    def refresh(self) -> None:
        """Read the file again if it changed: another process deploys while this one serves."""
        with self._lock:
            try:
                stamp = self._read_stamp()
            except FileNotFoundError:
                self._resources, self._stamp = {}, None
                return
            if stamp == self._stamp:
                return
            try:
                entries = json.loads(self._path.read_text())
            except ValueError as error:
                raise LaptopError(
                    f"{self._path} is damaged ({error}): start anew with `omnipipe down --purge`"
                ) from error
            self._resources = {entry.key: entry for entry in (Resource(**raw) for raw in entries)}
            self._stamp = stamp

    def get(self, key: str) -> Resource | None:
        """The resource of a key (``type::name``), or None."""
        return self._resources.get(key)

    def put(self, resource: Resource) -> None:
        """Record that a resource is real now."""
        with self._lock:
            self._resources[resource.key] = resource
            self._write()

    def remove(self, resource: Resource) -> None:
        """Record that a resource is gone."""
        with self._lock:
            del self._resources[resource.key]
            self._write()

    def of_type(self, type_: str) -> list[Resource]:
        """All resources of a type, in the order in which they were made."""
        return [resource for resource in list(self._resources.values()) if resource.type == type_]

    def find(self, type_: str, id_: str) -> Resource:
        """The resource of a type that has an id or a name on Google.

        Raises LaptopError when there is none: a reference to something that was never made.
        """
        for resource in self.of_type(type_):
            if id_ in (resource.id, resource.outputs.get("name"), resource.outputs.get("selfLink")):
                return resource
        raise LaptopError(f"{id_!r} is not a {type_.split(':')[-1]} that the program registered")

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self._resources.values()))

    def _write(self) -> None:
        write_json(self._path, [asdict(resource) for resource in self._resources.values()], mode=0o600)
        self._stamp = self._read_stamp()

    def _read_stamp(self) -> tuple[int, ...]:
        """Size too: two changes within a tick of the clock may give the file its earlier number back."""
        stat = self._path.stat()
        return stat.st_mtime_ns, stat.st_ino, stat.st_size
