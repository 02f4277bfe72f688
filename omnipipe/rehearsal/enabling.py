"""An API that is not enabled in the project answers nothing but that.

The words: https://cloud.google.com/service-usage/docs/troubleshooting (SERVICE_DISABLED).
"""

from __future__ import annotations

from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused

# By these the others are enabled; they answer for each project.
ALWAYS = frozenset({"serviceusage", "cloudresourcemanager", "cloudbilling", "iamcredentials"})


def service_name(host: str) -> str:
    """The name under which an API is enabled."""
    return f"{host}.googleapis.com"


def require(call: Call) -> None:
    """Raise Refused (403) if the call's API is not enabled in its project."""
    host, world = call.api.host, call.plane.world
    if host in ALWAYS or world.enabled is None or host in world.enabled:
        return
    name = service_name(host)
    record = call.other("serviceusage", f"projects/{call.project}/services/{name}")
    if record and record.body.get("state") == "ENABLED":
        return
    url = f"https://console.developers.google.com/apis/api/{name}/overview?project={call.number}"
    message = (
        f"{call.api.title} has not been used in project {call.number} before or it is disabled. Enable it by visiting "
        f"{url} then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our "
        "systems and retry."
    )
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
                    "activationUrl": url,
                },
            },
            {"@type": "type.googleapis.com/google.rpc.LocalizedMessage", "locale": "en-US", "message": message},
            {
                "@type": "type.googleapis.com/google.rpc.Help",
                "links": [{"description": "Google developers console API activation", "url": url}],
            },
        ],
    )
