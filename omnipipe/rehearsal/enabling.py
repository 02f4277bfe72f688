"""An API that is not enabled in the project answers nothing but that.

The words: https://cloud.google.com/service-usage/docs/troubleshooting (SERVICE_DISABLED).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnipipe.rehearsal import propagation
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused

if TYPE_CHECKING:
    from omnipipe.rehearsal.control_plane import ControlPlane

# By these the others are enabled; they answer for each project.
ALWAYS = frozenset({"serviceusage", "cloudresourcemanager", "cloudbilling", "iamcredentials"})


def service_name(host: str) -> str:
    """The name under which an API is enabled."""
    return f"{host}.googleapis.com"


def is_enabled(plane: ControlPlane, host: str, project: str) -> bool:
    """Whether an API is enabled in a project, and is known to be."""
    record = plane.store.get("serviceusage", f"projects/{project}/services/{service_name(host)}")
    if record:
        return record.body.get("state") == "ENABLED" and propagation.has_passed(plane, record.since)
    return plane.world.enabled is None or host in plane.world.enabled


def require(call: Call) -> None:
    """Raise Refused (403) if the call's API is not enabled in its project."""
    host = call.api.host
    if host in ALWAYS or is_enabled(call.plane, host, call.project):
        return
    name, message = service_name(host), disabled(call, host, call.api.title)
    raise Refused(
        403,
        message,
        reason="accessNotConfigured",
        details=[
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "SERVICE_DISABLED",
                "domain": "googleapis.com",
                "metadata": {
                    "service": name,
                    "serviceTitle": call.api.title,
                    "consumer": f"projects/{call.number}",
                    "containerInfo": call.number,
                    "activationUrl": _console(call, host),
                },
            },
            {"@type": "type.googleapis.com/google.rpc.LocalizedMessage", "locale": "en-US", "message": message},
            {
                "@type": "type.googleapis.com/google.rpc.Help",
                "links": [
                    {"description": "Google developers console API activation", "url": _console(call, host)}
                ],
            },
        ],
    )


def disabled(call: Call, host: str, title: str) -> str:
    """What Google says of an API that is not enabled in the call's project."""
    return (
        f"{title} has not been used in project {call.number} before or it is disabled. Enable it by visiting "
        f"{_console(call, host)} then retry. If you enabled this API recently, wait a few minutes for the action to "
        "propagate to our systems and retry."
    )


def _console(call: Call, host: str) -> str:
    return f"https://console.developers.google.com/apis/api/{service_name(host)}/overview?project={call.number}"
