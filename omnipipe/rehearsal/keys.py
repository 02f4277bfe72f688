"""Keys of one's own (CMEK): the service's agent must be able to use the key when something is encrypted with it.

https://cloud.google.com/kms/docs/cmek; each service says it in its own words, which its file has.
"""

from __future__ import annotations

from omnipipe.rehearsal import grants, identities, references
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused, failed_precondition

_HOST = "cloudkms"
# Where Cloud KMS keeps the keys of multi-regions: https://cloud.google.com/storage/docs/encryption/customer-managed-keys
_MULTI_REGIONS = {"us": "us", "eu": "europe", "asia": "asia"}
_PERMISSION = "cloudkms.cryptoKeyVersions.useToEncrypt"


def require_place(call: Call, key: str | None, location: str, service: str) -> None:
    """Raise Refused (400) if a key is kept somewhere else than what it is to encrypt; the words have the ``service``.

    The words: https://github.com/googleapis/google-cloud-go/issues/1787
    """
    name = call.plane.with_id(references.name(key or ""))
    place = name.partition("/locations/")[2].partition("/")[0]
    if call.other(_HOST, name) and place != _MULTI_REGIONS.get(location.lower(), location.lower()):
        message = f"Cloud KMS region '{place}' not available for use with {service} region '{location}'."
        raise Refused(400, message)


def require(call: Call, key: str | None, denied: Refused, agent: str = "") -> None:
    """Raise ``denied`` if the agent may not use a key, and Refused (400) if the key's version is not enabled.

    ``agent`` is the API's own in the call's project unless it is told. A key that is not there is refused elsewhere,
    one of a project that is not here is taken to be usable, and a change that does not name it leaves it as it is.
    """
    name = call.plane.with_id(references.name(key or "")).partition("/cryptoKeyVersions/")[0]
    record = call.other(_HOST, name)
    changes = call.method.verb in ("patch", "update")
    if record is None or (changes and (_HOST, name) not in references.of(call, call.body)):
        return
    who = agent or identities.agent(call.plane, call.api.host, call.project)
    if not identities.exists(call, who) or not grants.holds(call, who, _PERMISSION, _HOST, name):
        raise denied
    version = call.other(_HOST, (record.body.get("primary") or {}).get("name", ""))
    if version and version.body["state"] != "ENABLED":
        # https://cloud.google.com/kms/docs/key-states
        message = f"{version.name} is not enabled, current state is: {version.body['state']}."
        raise failed_precondition(message)
