"""The random provider: https://www.pulumi.com/registry/packages/random/. Values are made once and kept."""

from __future__ import annotations

import base64
import secrets
import string
import uuid
from collections.abc import Mapping
from typing import Any

from omnipipe.rehearsal.engine.standins.values import Values

_SPECIAL = "!@#$%&*()-_=+[]{}<>:?"


class Random(Values):
    """Passwords, texts, bytes, ids, numbers and UUIDs."""

    package = "pulumi-random"
    replaces = True
    secrets = frozenset({"result", "base64", "hex"})

    def made(self, kind: str, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Raises ValueError for a type that it does not make."""
        match kind.rpartition(":")[2]:
            case "RandomPassword":
                return "none", {"result": _text(inputs)}  # as the provider has it: the value is no id
            case "RandomString":
                value = _text(inputs)
                return value, {"result": value}
            case "RandomBytes":
                content = secrets.token_bytes(int(inputs["length"]))
                encoded = base64.b64encode(content).decode()
                return encoded, {"base64": encoded, "hex": content.hex()}
            case "RandomId":
                content = secrets.token_bytes(int(inputs["byteLength"]))
                url = base64.urlsafe_b64encode(content).decode().rstrip("=")
                prefix = inputs.get("prefix") or ""
                return url, {
                    "b64Url": prefix + url,
                    "b64Std": prefix + base64.b64encode(content).decode(),
                    "hex": prefix + content.hex(),
                    "dec": prefix + str(int.from_bytes(content)),
                }
            case "RandomInteger":
                low, high = int(inputs["min"]), int(inputs["max"])
                value = low + secrets.randbelow(high - low + 1)
                return str(value), {"result": value}
            case "RandomUuid":
                value = str(uuid.uuid4())
                return value, {"result": value}
            case _:
                raise ValueError(f"the rehearsal's random provider does not make a {kind}")


def _text(inputs: Mapping[str, Any]) -> str:
    wanted = {"lower": string.ascii_lowercase, "upper": string.ascii_uppercase, "numeric": string.digits}
    letters = "".join(each for name, each in wanted.items() if inputs.get(name, True))
    if inputs.get("special", True):
        letters += inputs.get("overrideSpecial") or _SPECIAL
    return "".join(secrets.choice(letters) for _ in range(int(inputs["length"])))
