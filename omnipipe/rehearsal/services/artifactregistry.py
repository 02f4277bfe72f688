"""Artifact Registry. https://cloud.google.com/artifact-registry/docs/reference/rest"""

from __future__ import annotations

import re
from typing import Any

from omnipipe.rehearsal import keys
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused
from omnipipe.rehearsal.service import Service
from omnipipe.rehearsal.store import Record

service = Service(
    "artifactregistry",
    missing={"": "Requested entity was not found."},
    duplicate={"": "the repository already exists"},
)
_ID = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")


@service.checks("repositories")
def check(call: Call, body: dict[str, Any]) -> None:
    """A format is a must; ids have a form."""
    if call.method.verb == "create":
        id_ = call.query.get("repositoryId", "")
        call.require_form(_ID, id_, f"Invalid repository ID: {id_!r}.")
        if not body.get("format"):
            raise Refused(400, "Repository format must be specified.")
        # https://cloud.google.com/artifact-registry/docs/cmek
        keys.require_place(call, body.get("kmsKeyName"), call.location, "Artifact Registry")


@service.fills("repositories")
def repository(call: Call, record: Record) -> None:
    """https://cloud.google.com/artifact-registry/docs/reference/rest/v1/projects.locations.repositories"""
    body = record.body
    if body.get("mode") in (None, "MODE_UNSPECIFIED"):
        body["mode"] = "STANDARD_REPOSITORY"
    kind = {1: "docker"}.get(body["format"], str(body["format"]).lower())
    body["registryUri"] = f"{call.location}-{kind}.pkg.dev/{call.project}/{record.id}"
    body["satisfiesPzi"] = True
    body["vulnerabilityScanningConfig"] = (body.get("vulnerabilityScanningConfig") or {}) | {
        "enablementState": "SCANNING_DISABLED",
        "enablementStateReason": "API containerscanning.googleapis.com is not enabled.",
        "lastEnableTime": call.plane.clock.timestamp(),
    }


@service.works("repositories")
def encrypt(call: Call, record: Record) -> None:
    """https://github.com/hashicorp/terraform-provider-google/issues/11913: there is none if its key cannot be used."""
    words = (
        "Permission denied on Cloud KMS key. Please ensure your Artifact Registry service account has been authorized "
        "to use the configured key."
    )
    try:
        keys.require(call, record.body.get("kmsKeyName"), Refused(403, words))
    except Refused:
        if call.method.verb == "create":
            call.store.remove(record)
        raise


@service.removes("repositories")
def delete(call: Call, record: Record) -> None:
    """Its images go with it."""
    call.store.remove(record)
