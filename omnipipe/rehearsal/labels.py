"""Labels of resources: what their keys and values may be made of.

https://cloud.google.com/resource-manager/docs/labels-overview#requirements; the words are Compute's:
https://github.com/googleapis/google-cloud-node-core/issues/314. Other APIs say the same in others.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused

_LONGEST = 63
_FORM = (
    "only contain lowercase letters, numeric characters, underscores and dashes. The {} can be at most 63 characters "
    "long. International characters are allowed."
)
_KEY = "The key must start with a lowercase character, can " + _FORM.format("key")
_VALUE = "The value can " + _FORM.format("value")
# What a channel of Cloud Monitoring is made of, which is called labels too.
_OTHERS = frozenset({"notificationChannels"})


def require(call: Call, body: Mapping[str, Any]) -> None:
    """Raise Refused (400) for a label whose key or value has another form."""
    if call.plane.world.any_form:
        return
    for key, value in _of(call, body):
        if not _fits(key) or unicodedata.category(key[0]) not in ("Ll", "Lo"):
            message = (
                f"Invalid value for field 'resource.labels': ''. Label key '{key}' violates format constraints."
            )
            raise Refused(400, f"{message} {_KEY}")
        if value and not _fits(value):
            message = f"Invalid value for field 'resource.labels': ''. Label value '{value}' violates format"
            raise Refused(400, f"{message} constraints. {_VALUE}")


def _of(call: Call, body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    settings = body.get("settings")
    held = [
        None if call.collection in _OTHERS else body.get("labels"),
        body.get("userLabels"),
        settings.get("userLabels") if isinstance(settings, Mapping) else None,
    ]
    for labels in held:
        if isinstance(labels, Mapping):
            yield from ((key, value) for key, value in labels.items() if isinstance(value, str))


def _fits(text: str) -> bool:
    return 0 < len(text) <= _LONGEST and all(
        letter in "-_"
        or unicodedata.category(letter)[0] == "N"
        or unicodedata.category(letter) in ("Ll", "Lo", "Mn")
        for letter in text
    )
