"""Cloud Functions: functions-framework on the very zip that the program uploaded, with the same environment."""

from __future__ import annotations

import shutil
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omnipipe.laptop.environments import environment
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.iam.bindings import Bindings
from omnipipe.laptop.kind import Autonamed, Kind, Log, location
from omnipipe.laptop.lookups import PROJECT_NUMBER
from omnipipe.laptop.ports import HOST, listens
from omnipipe.laptop.processes import Spec
from omnipipe.laptop.services.secretmanager import resources as secretmanager
from omnipipe.laptop.services.storage.resources import object_path

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource

FUNCTION = "gcp:cloudfunctionsv2/function:Function"
INTERNAL_ONLY = "ALLOW_INTERNAL_ONLY"
_INGRESS = ("ALLOW_ALL", INTERNAL_ONLY)


class Function(Autonamed):
    """A function: a process that serves it, with the packages of the zip's own requirements.txt and no others."""

    effect = "functions-framework on its zip"
    different = "Python only, one instance"

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        name, build, service = (resource.inputs[key] for key in ("name", "buildConfig", "serviceConfig"))
        if not build["runtime"].startswith("python3"):
            raise LaptopError(
                f"the function {name} wants {build['runtime']}: the laptop runs Python functions only"
            )
        ingress = service.get("ingressSettings", "ALLOW_ALL")
        if ingress not in _INGRESS:
            raise LaptopError(f"the laptop has no load balancer for {ingress}: choose {' or '.join(_INGRESS)}")
        _require_builder(cloud, build)
        port = cloud.ports.of(name)
        cloud.start(started(cloud, resource), port_name=name)
        cloud.processes.wait_ready(name, lambda: listens(port))
        resource.id = f"projects/{cloud.project}/locations/{location(cloud, resource)}/functions/{name}"
        resource.outputs = {
            **resource.inputs,
            "url": public_address(cloud, name),
            "serviceConfig": {**service, "uri": address(cloud, name)},
        }

    def foreseen(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> dict[str, Any]:
        known = super().foreseen(cloud, resource, previous)
        if previous is None:
            del known["serviceConfig"]  # it will have the address, which nobody knows yet
        return known

    def remove(self, cloud: Cloud, resource: Resource) -> None:
        cloud.processes.stop([resource.inputs["name"]])

    def process(self, resource: Resource) -> str:
        return resource.inputs["name"]

    def address(self, resource: Resource) -> str:
        return resource.outputs["serviceConfig"]["uri"]

    def log(self, cloud: Cloud, resource: Resource) -> Log:
        name = resource.inputs["name"]
        labels = {"service_name": name, "configuration_name": name}
        return Log(
            name,
            "cloud_run_revision",
            {"project_id": cloud.project, "location": location(cloud, resource)} | labels,
        )


def started(cloud: Cloud, function: Resource) -> Spec:
    """How the process of a function is started, from the zip that was uploaded.

    Raises LaptopError for a zip that is missing, packages that cannot be installed, and a secret that it may not read.
    """
    name, build, service = (function.inputs[key] for key in ("name", "buildConfig", "serviceConfig"))
    source = build["source"]["storageSource"]
    code = _unpack(object_path(cloud, source["bucket"], source["object"]), cloud.home.path("functions"), name)
    packages = environment(code / "requirements.txt", needs="functions-framework")
    port = cloud.ports.of(name)
    account = service["serviceAccountEmail"]
    secrets = {
        entry["key"]: secretmanager.read_as(cloud, account, entry["secret"], entry["version"])
        for entry in service.get("secretEnvironmentVariables", [])
    }
    return Spec(
        name,
        [
            *(str(packages / "bin" / "functions-framework"), "--target", build["entryPoint"]),
            *("--source", "main.py", "--host", HOST, "--port", str(port)),
        ],
        env={
            **cloud.workload_environment(account, packages),
            **service.get("environmentVariables", {}),
            **secrets,
            # What Cloud Run itself tells a function.
            "K_SERVICE": name,
            "FUNCTION_TARGET": build["entryPoint"],
            "PORT": str(port),
        },
        cwd=code,
    )


def address(cloud: Cloud, name: str) -> str:
    """A function's own address (run.app on Google): its front door, which lets in whom the program named."""
    return f"{cloud.google}/functions/{name}"


def public_address(cloud: Cloud, name: str) -> str:
    """Its other address (cloudfunctions.net on Google), by which everybody comes from outside."""
    return f"{cloud.google}/cloudfunctions/{name}"


def _require_builder(cloud: Cloud, build: dict[str, Any]) -> None:
    """Raise LaptopError when the build's own account may not read the source, push the image or write the log.

    https://cloud.google.com/functions/docs/securing/build-custom-sa. Without one, Google's own builds, and may.
    """
    if not build.get("serviceAccount"):
        return
    account = build["serviceAccount"].rpartition("/")[2]
    bindings = Bindings(cloud.registry, cloud.project)
    needs = [
        ("storage.objects.get", f"projects/_/buckets/{build['source']['storageSource']['bucket']}"),
        # Cloud Functions copies the source there, and builds from the copy.
        ("storage.objects.get", f"projects/_/buckets/gcf-v2-sources-{PROJECT_NUMBER}-{cloud.region}"),
        ("logging.logEntries.create", f"projects/{cloud.project}"),
    ]
    if build.get("dockerRepository"):
        needs.append(("artifactregistry.repositories.uploadArtifacts", build["dockerRepository"]))
    for permission, resource in needs:
        if not bindings.allow(account, permission, resource):
            raise LaptopError(
                f"the build's service account {account} does not have permission '{permission}' on '{resource}'"
            )


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


KINDS: dict[str, Kind] = {FUNCTION: Function()}
