"""What a body refers to must exist: names of resources, wherever they stand in it.

The forms are those of the APIs' own reference pages; each service's file adds what it refers to by another form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.store import Record

_PREFIX = re.compile(r"^(https://(www\.|\w+\.)?googleapis\.com/(\w+/)*?(v\d\w*|beta)/|//[\w.]+googleapis\.com/)")
# What names look like -> the host of the API that makes them.
_FORMS = {
    r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+": "cloudkms",
    r"projects/[^/]+/(topics|schemas)/[^/]+": "pubsub",
    r"projects/[^/]+/secrets/[^/]+": "secretmanager",
    r"projects/[^/]+/secrets/[^/]+/versions/[^/]+": "secretmanager",
    r"projects/[^/]+/global/networks/[^/]+": "compute",
    r"projects/[^/]+/global/addresses/[^/]+": "compute",
    r"projects/[^/]+/regions/[^/]+/(addresses|networkAttachments|subnetworks)/[^/]+": "compute",
    r"projects/[^/]+/notificationChannels/[^/]+": "monitoring",
    r"projects/[^/]+/locations/[^/]+/taxonomies/[^/]+(/policyTags/[^/]+)?": "datacatalog",
    r"projects/[^/]+/locations/[^/]+/connectionProfiles/[^/]+": "datastream",
    r"projects/[^/]+/locations/[^/]+/privateConnections/[^/]+": "datastream",
}
_KNOWN = [(re.compile(form), host) for form, host in _FORMS.items()]


def name(text: str) -> str:
    """A resource's name without the address or the host before it."""
    return _PREFIX.sub("", text)


def of(call: Call, value: Any) -> Iterator[tuple[str, str]]:
    """The resources that a body names: (host, name with the project's id)."""
    if isinstance(value, Mapping):
        for each in value.values():
            yield from of(call, each)
    elif isinstance(value, list):
        for each in value:
            yield from of(call, each)
    elif isinstance(value, str) and "projects/" in value:
        plain = call.plane.with_id(name(value))
        for form, host in _KNOWN:
            if form.fullmatch(plain):
                yield host, plain


def require(call: Call, body: Mapping[str, Any]) -> None:
    """Raise Refused (404) for the first resource that a body names and that does not exist."""
    for host, wanted in of(call, {key: value for key, value in body.items() if key != "name"}):
        if wanted.endswith("/versions/latest"):
            wanted = wanted.removesuffix("/versions/latest")
        later = host in call.service.looks_later
        if not later and not call.other(host, wanted) and call.plane.knows_project(wanted):
            raise call.plane.service(host).not_found(call, wanted)


def users(call: Call, record: Record) -> list[Record]:
    """The resources that name another."""
    return [
        each
        for each in call.store
        if each is not record
        and (record.host, record.name) in set(of(call, each.body))
        and each.collection != "operations"
    ]
