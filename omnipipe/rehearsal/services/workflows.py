"""Workflows. https://cloud.google.com/workflows/docs/reference/rest"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from omnipipe.rehearsal import identities
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused
from omnipipe.rehearsal.service import Service
from omnipipe.rehearsal.store import Record

service = Service("workflows")
_ID = re.compile(r"[a-zA-Z](?:[-\w]{0,62}[a-zA-Z0-9])?", re.ASCII)


@service.checks("workflows")
def check(call: Call, body: dict[str, Any]) -> None:
    """A source that can be read, with a main workflow or plain steps; an account of its own."""
    if id_ := call.query.get("workflowId"):
        call.require_form(_ID, id_, f"The workflow ID {id_!r} is invalid.")
    source = body.get("sourceContents")
    if source is not None:
        try:
            read = yaml.safe_load(source)
        except yaml.YAMLError as error:
            raise Refused(400, f"main.yaml: parse error: {error}") from error
        if not (isinstance(read, dict) and "main" in read) and not isinstance(read, list):
            raise Refused(400, "main.yaml: parse error: the main workflow is missing")
        _check_calls(read)
    email = str(body.get("serviceAccount") or "").rpartition("/")[2]
    if email and not identities.exists(call, email):
        raise Refused(404, f"Service account {email} does not exist.")


def _check_calls(source: Any) -> None:
    """A name without a module is a workflow's of the source: https://cloud.google.com/workflows/docs/reference/syntax/subworkflows

    The words: https://github.com/GoogleCloudPlatform/workflows-demos/issues/21
    """
    known = set(source) if isinstance(source, dict) else set()
    for step, called in _calls(source, ""):
        if re.fullmatch(r"\w+", called) and called not in known:
            raise Refused(400, f"failed to build: error in step {step}: symbol '{called}' not found")


def _calls(value: Any, step: str) -> Iterator[tuple[str, str]]:
    """Each step that calls something, and what: steps are lists of mappings of one name."""
    if isinstance(value, list):
        for each in value:
            yield from _calls(each, step)
    elif isinstance(value, dict):
        if isinstance(value.get("call"), str):
            yield step, value["call"]
        for name, each in value.items():
            yield from _calls(each, name if len(value) == 1 else step) if name != "args" else ()


@service.follows("workflows")
def workflow(call: Call, record: Record) -> None:
    """Each change of the source, the account or the key is a revision; the account is told by its whole name."""
    body, count = record.body, record.hidden.get("revisions", 0) + 1
    record.hidden["revisions"] = count
    body["revisionId"] = f"{count:06d}-{call.plane.clock.uuid()[:3]}"
    body["revisionCreateTime"] = call.plane.clock.timestamp()
    account = body.get("serviceAccount") or f"{call.number}-compute@developer.gserviceaccount.com"
    body["serviceAccount"] = f"projects/{call.project}/serviceAccounts/{account.rpartition('/')[2]}"
