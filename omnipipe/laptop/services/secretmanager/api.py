"""Secret Manager's API for what a secret holds: a version's data, and a further version.

https://cloud.google.com/secret-manager/docs/reference/rest
"""

from __future__ import annotations

import base64
import threading
from binascii import Error as NoBase64
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, abort, jsonify, request

from omnipipe.laptop.api import Api, Control
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.iam.control import PROJECT, needs
from omnipipe.laptop.lookups import PROJECT_NUMBER
from omnipipe.laptop.services.secretmanager import resources as secretmanager

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud

MAX_DATA = 65_536
"""Bytes of a version (https://cloud.google.com/secret-manager/quotas)."""
# https://cloud.google.com/secret-manager/docs/access-control
_SECRET = PROJECT + "/secrets/{secret}"


def serve(control: Control) -> Api:
    """Answer for Secret Manager's API."""
    return Api((blueprint(control.cloud),))


def blueprint(cloud: Cloud) -> Blueprint:
    """The API's routes (v1)."""
    routes = Blueprint("secrets", __name__, url_prefix="/v1/projects/<project>/secrets")
    adding = threading.Lock()

    @routes.get("/<secret>/versions/<version>:access")
    @needs("secretmanager.versions.access", _SECRET + "/versions/{version}")
    def access(project: str, secret: str, version: str) -> Response:
        _require_secret(cloud, project, secret)
        try:
            number, data = secretmanager.read_numbered(cloud, secret, version)
        except LaptopError:
            abort(404, f"Secret Version [{_name(secret)}/versions/{version}] not found.")
        payload = {"data": base64.b64encode(data.encode()).decode()}
        return jsonify({"name": f"{_name(secret)}/versions/{number}", "payload": payload})

    @routes.post("/<secret>:addVersion")
    @needs("secretmanager.versions.add", _SECRET)
    def add_version(project: str, secret: str) -> Response:
        _require_secret(cloud, project, secret)
        data = _data(request.get_json(silent=True))
        with adding:
            number = secretmanager.add(cloud, secret, data)
        made = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        version: dict[str, Any] = {"name": f"{_name(secret)}/versions/{number}", "createTime": made}
        return jsonify(version | {"state": "ENABLED", "replicationStatus": {"automatic": {}}})

    return routes


def _require_secret(cloud: Cloud, project: str, secret: str) -> None:
    cloud.registry.refresh()
    known = [each.id for each in cloud.registry.of_type(secretmanager.SECRET)]
    if f"projects/{project}/secrets/{secret}" not in known:
        abort(404, f"Secret [{_name(secret)}] not found.")


def _name(secret: str) -> str:
    return f"projects/{PROJECT_NUMBER}/secrets/{secret}"


def _data(body: Any) -> str:
    """The text in a request to add a version: what other bytes are, the laptop's files do not keep."""
    try:
        content = base64.b64decode(body["payload"]["data"], validate=True)
    except (KeyError, TypeError, ValueError, NoBase64):
        abort(400, "payload.data must be the secret's data in Base64")
    if len(content) > MAX_DATA:
        abort(400, f"The secret payload is over the limit of {MAX_DATA} bytes.")
    try:
        return content.decode()
    except UnicodeDecodeError:
        abort(400, "the laptop keeps secrets as text: payload.data is not UTF-8")
