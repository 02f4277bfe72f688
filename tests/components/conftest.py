"""The whole program of a stack, run against a cloud that only remembers what it is asked for."""

import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from omnipipe.laptop.home import PROJECT_ROOT
from omnipipe.laptop.program import Project, run
from omnipipe.laptop.registry import Resource


class Recorder:
    """Gives each resource plausible outputs, in the order in which the program registers them."""

    def __init__(self) -> None:
        self.resources: list[Resource] = []
        self._lock = threading.Lock()

    def register(self, type_: str, name: str, inputs: dict[str, Any], protect: bool) -> tuple[str, dict[str, Any]]:
        """Remember a resource."""
        outputs = {"name": name, **inputs}
        if type_.endswith(":Account"):
            outputs["email"] = f"{inputs['accountId']}@{inputs['project']}.iam.gserviceaccount.com"
        elif type_.endswith((":RandomPassword", ":RandomBytes")):
            outputs |= {"result": "generated", "base64": "Z2VuZXJhdGVk"}
        elif type_.endswith(":Image"):
            outputs |= {"digest": f"sha256:{name}", "ref": f"{inputs['tags'][0]}@sha256:{name}"}
        elif type_.endswith(":Function"):
            outputs["url"] = f"https://{inputs['name']}.example.run.app"
        elif type_.endswith(":SecretVersion"):
            outputs["version"] = "1"
        elif type_.endswith(":Address"):
            outputs |= {"address": "10.20.0.5", "selfLink": f"links/{name}"}
        elif type_.endswith(":DatabaseInstance"):
            outputs["pscServiceAttachmentLink"] = "projects/x/serviceAttachments/y"
        with self._lock:
            self.resources.append(Resource(type_, name, inputs, outputs, f"id/{name}", protect))
        return f"id/{name}", outputs

    def named(self, name: str) -> Resource:
        """The one resource of a name."""
        (found,) = (resource for resource in self.resources if resource.name == name)
        return found

    def of(self, kind: str) -> list[Resource]:
        """All resources of a kind, such as ``bigquery.Table``."""
        return [resource for resource in self.resources if resource.kind == kind]


@cache
def _deploy(stack: str) -> Recorder:
    recorder = Recorder()
    run(Project.load(PROJECT_ROOT, stack), recorder)
    return recorder


@pytest.fixture
def deploy() -> Callable[[str], Recorder]:
    """``deploy("dev")``: what the program registers for a stack."""
    return _deploy
