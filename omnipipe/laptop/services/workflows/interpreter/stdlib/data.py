"""The modules `base64`, `hash`, `json` and `uuid`."""

import base64
import hashlib
import hmac
import json
import re
import uuid
from typing import Any

from omnipipe.laptop.services.workflows.interpreter.errors import WorkflowError, failure
from omnipipe.laptop.services.workflows.interpreter.functions import define
from omnipipe.laptop.services.workflows.interpreter.stdlib.arguments import need
from omnipipe.laptop.services.workflows.interpreter.values import a_type, jsonable

_ALGORITHMS = ("MD5", "SHA1", "SHA224", "SHA256", "SHA384", "SHA512")


@define("base64.encode")
def base64_encode(data: Any, padding: Any = True) -> str:
    """Base64 text of bytes."""
    need(data, bytes, "data")
    need(padding, bool, "padding")
    text = base64.b64encode(data).decode()
    return text if padding else text.rstrip("=")


@define("base64.decode")
def base64_decode(data: Any, padding: Any = True) -> bytes:
    """Bytes of Base64 text; line ends are ignored."""
    need(data, str, "data")
    need(padding, bool, "padding")
    text = re.sub(r"[\r\n]", "", data)
    if not padding:
        text += "=" * (-len(text) % 4)
    return base64.b64decode(text, validate=True)


def _algorithm(name: Any) -> str:
    need(name, str, "algorithm")
    if name not in _ALGORITHMS:
        raise failure("ValueError", f"{name} is not supported: use one of {', '.join(_ALGORITHMS)}")
    return name.lower()


@define("hash.compute_checksum")
def compute_checksum(data: Any, algorithm: Any) -> bytes:
    """The checksum of bytes."""
    need(data, bytes, "data")
    return hashlib.new(_algorithm(algorithm), data).digest()


@define("hash.compute_hmac")
def compute_hmac(key: Any, data: Any, algorithm: Any) -> bytes:
    """The HMAC of bytes under a key."""
    need(key, bytes, "key")
    need(data, bytes, "data")
    return hmac.digest(key, data, _algorithm(algorithm))


@define("json.decode")
def json_decode(data: Any) -> Any:
    """The value of JSON text or its bytes."""
    if type(data) not in (bytes, str):
        raise failure("TypeError", f"data must be bytes or a string, not {a_type(data)}")

    def reject(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    return json.loads(data, parse_constant=reject)


@define("json.encode")
def json_encode(data: Any, indent: Any = None) -> bytes:
    """JSON of a value, as bytes."""
    return json_encode_to_string(data, indent).encode()


@define("json.encode_to_string")
def json_encode_to_string(data: Any, indent: Any = None) -> str:
    """JSON of a value, as text: compact, or indented by four spaces for true, or by a map of `prefix` and `indent`."""
    try:
        jsonable(data, "data")
    except WorkflowError as error:
        raise failure("ValueError", error.error["message"].partition(": ")[2]) from None
    if indent is None or indent is False:
        return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    prefix, width = _indentation(indent)
    # JSON itself has no line end within a string
    return json.dumps(data, ensure_ascii=False, indent=width, separators=(",", ": ")).replace("\n", f"\n{prefix}")


def _indentation(indent: Any) -> tuple[str, str]:
    if indent is True:
        indent = {}
    if type(indent) is not dict:
        raise failure("TypeError", f"indent must be a boolean or a map, not {a_type(indent)}")
    if unknown := indent.keys() - {"prefix", "indent"}:
        raise failure("ValueError", f"indent has no {min(unknown)!r}: it takes prefix and indent")
    prefix, width = indent.get("prefix", ""), indent.get("indent", "    ")
    need(prefix, str, "prefix of indent")
    need(width, str, "indent of indent")
    return prefix, width


@define("uuid.generate")
def uuid_generate() -> str:
    """A random UUID."""
    return str(uuid.uuid4())
