"""The random provider: values are made once and kept."""

from __future__ import annotations

import base64
import secrets
import string
from typing import TYPE_CHECKING

from omnipipe.laptop.kind import Kind

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource


class RandomPassword(Kind):
    """Letters and digits, and punctuation unless ``special`` is false."""

    effect = "made once, kept in the registry"

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        if previous is not None and previous.inputs == resource.inputs:
            resource.id, resource.outputs = previous.id, previous.outputs
            return
        alphabet = string.ascii_letters + string.digits
        if resource.inputs.get("special", True):
            alphabet += "!@#$%&*()-_=+[]{}<>:?"
        value = "".join(secrets.choice(alphabet) for _ in range(int(resource.inputs["length"])))
        resource.id = "none"  # as the provider has it: the value is no id
        resource.outputs = {**resource.inputs, "result": value}


class RandomBytes(Kind):
    """Random bytes, as base64 and as hex."""

    effect = "made once, kept in the registry"

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        if previous is not None and previous.inputs == resource.inputs:
            resource.id, resource.outputs = previous.id, previous.outputs
            return
        value = secrets.token_bytes(int(resource.inputs["length"]))
        resource.id = base64.b64encode(value).decode()
        resource.outputs = {**resource.inputs, "base64": resource.id, "hex": value.hex()}


KINDS: dict[str, Kind] = {
    "random:index/randomPassword:RandomPassword": RandomPassword(),
    "random:index/randomBytes:RandomBytes": RandomBytes(),
}
