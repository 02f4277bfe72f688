"""Cloud Functions: functions-framework on the very zip that the program uploaded, with the same environment."""

from __future__ import annotations

import shutil
import socket
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from omnipipe.laptop.environments import environment
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.ports import HOST
from omnipipe.laptop.processes import Spec
from omnipipe.laptop.services import secretmanager
from omnipipe.laptop.services.base import Kind
from omnipipe.laptop.services.storage import object_path

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource

FUNCTION = "gcp:cloudfunctionsv2/function:Function"


class Function(Kind):
    """A function: a process that serves it, with the packages of the zip's own requirements.txt and no others."""

    effect = "functions-framework on its zip"

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        name, build, service = (
            resource.inputs["name"],
            resource.inputs["buildConfig"],
            resource.inputs["serviceConfig"],
        )
        if not build["runtime"].startswith("python3"):
            raise LaptopError(
                f"the function {name} wants {build['runtime']}: the laptop runs Python functions only"
            )
        source = build["source"]["storageSource"]
        code = _unpack(object_path(cloud, source["bucket"], source["object"]), cloud.home.path("functions"), name)
        packages = environment(code / "requirements.txt")
        port = cloud.ports.of(name)
        secrets = {
            entry["key"]: secretmanager.read(cloud, entry["secret"], entry["version"])
            for entry in service.get("secretEnvironmentVariables", [])
        }
        spec = Spec(
            name,
            [
                *(str(packages / "bin" / "functions-framework"), "--target", build["entryPoint"]),
                *("--source", "main.py", "--host", HOST, "--port", str(port)),
            ],
            env={
                **cloud.workload_environment(service["serviceAccountEmail"], packages),
                **service.get("environmentVariables", {}),
                **secrets,
                # What Cloud Run itself tells a function.
                "K_SERVICE": name,
                "FUNCTION_TARGET": build["entryPoint"],
                "PORT": str(port),
            },
            cwd=code,
        )
        cloud.start(spec, port_name=name)
        cloud.processes.wait_ready(name, lambda: _listens(port))
        uri = f"http://{HOST}:{port}"
        resource.id = f"projects/{cloud.project}/locations/{cloud.region}/functions/{name}"
        resource.outputs = {**resource.inputs, "url": uri, "serviceConfig": {**service, "uri": uri}}

    def remove(self, cloud: Cloud, resource: Resource) -> None:
        cloud.processes.stop([resource.inputs["name"]])

    def describe(self, cloud: Cloud, resource: Resource) -> str:
        return resource.outputs["url"]


def _unpack(archive: Path, functions: Path, name: str) -> Path:
    """Unpack a zip once; its name holds the hash of its content."""
    if not archive.is_file():
        raise LaptopError(f"the function {name} is built from {archive.name}, which is not in the bucket")
    target = functions / archive.stem
    if not target.exists():
        temporary = functions / f".{archive.stem}.new"
        shutil.rmtree(temporary, ignore_errors=True)
        with zipfile.ZipFile(archive) as file:
            file.extractall(temporary)
        with suppress(FileExistsError):
            temporary.rename(target)
    return target


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


KINDS: dict[str, Kind] = {FUNCTION: Function()}
