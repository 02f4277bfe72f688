"""Who pays, and whom to ask: labels."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from policy.subject import Resource, resource_policy


def _labelled() -> dict[str, str]:
    """Of each kind that takes labels, the input that they are: ``labelled.txt`` has a line for each service."""
    lines = (line.split() for line in Path(__file__).with_name("labelled.txt").read_text().splitlines()[1:])
    return {f"{service}.{kind}": path for path, service, *kinds in lines for kind in kinds}


LABELLED = _labelled()


@resource_policy(
    *LABELLED,
    source="https://cloud.google.com/resource-manager/docs/creating-managing-labels",
    config={
        "required": {
            "type": "array",
            "items": {"type": "string"},
            "default": ["environment", "owner"],
            "description": "The labels that everything has.",
        }
    },
)
def labels(resource: Resource) -> Iterator[str]:
    """Everything that takes labels has those that bills and people are told by."""
    path = LABELLED[resource.kind]
    given = {key for found in resource.at(path) for key in found}
    missing = [key for key in resource.config["required"] if key not in given | _of(resource.provider)]
    if missing and resource.is_known(path):
        yield f"{path} has no {' and no '.join(missing)}: add what components/labels.py gives, or the provider's own"


def _of(provider: Mapping[str, object]) -> set[str]:
    """The labels that a provider gives to all; the engine hands them on as JSON."""
    given = provider.get("defaultLabels") or {}
    return set(json.loads(given) if isinstance(given, str) else given if isinstance(given, Mapping) else ())
