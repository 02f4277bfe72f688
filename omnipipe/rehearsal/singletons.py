"""What there is one of in each parent, such as its settings: read and changed, never made (https://google.aip.dev/156)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from omnipipe.rehearsal import computed, masks, standard
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.discovery import Api, Method
from omnipipe.rehearsal.store import Record


def handler(api: Api, method: Method) -> Callable[[Call], dict[str, Any]] | None:
    """What does a method, if it is about a singleton: ``getSettings`` at …/settings answers a Settings."""
    word = method.flat.rpartition("/")[2]
    named = "name" in api.schemas.get(method.response or "", {}).get("properties", {})
    if not named or "{" in word or method.verb.lower() not in (f"get{word}".lower(), f"update{word}".lower()):
        return None
    return get if method.http == "GET" else update


def _record(call: Call) -> Record:
    """The one that there is; nobody makes it, so that its parent is all that it needs."""
    standard.require_parent(call)
    name = call.path
    return call.store.get(call.api.host, name) or call.store.add(
        Record(call.api.host, name, name.rpartition("/")[2], {"name": name})
    )


def get(call: Call) -> dict[str, Any]:
    """It, with what was changed. Raises Refused (404, 403) for its parent."""
    return dict(_record(call).body)


def update(call: Call) -> dict[str, Any]:
    """Change what the mask names, or all that was sent. Raises Refused: 404 for its parent, 400 for the mask."""
    record, schema = _record(call), call.api.schemas[call.method.response or ""]
    sent = {key: value for key, value in computed.without_output_only(schema, call.body).items() if key != "name"}
    mask = call.query.get("updateMask")
    record.body = masks.masked(call.api, schema, mask, record.body, sent) if mask else record.body | sent
    return dict(record.body)
