"""Dashboards of Cloud Monitoring: the fields that there are."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from policy import descriptions
from policy.subject import Resource, resource_policy

_API = "monitoring.v1"


@resource_policy(
    "monitoring.Dashboard", source="https://cloud.google.com/monitoring/api/ref_v3/rest/v1/projects.dashboards"
)
def dashboards(dashboard: Resource) -> Iterator[str]:
    """A dashboard is JSON of the fields and values that Cloud Monitoring describes."""
    for text in dashboard.at("dashboardJson"):
        try:
            told = json.loads(text)
        except ValueError as error:
            yield f"dashboardJson is no JSON: {error}"
            return
        yield from _unknown(told, {"$ref": "Dashboard"}, "dashboardJson")


def _unknown(value: Any, form: Mapping[str, Any], path: str) -> Iterator[str]:
    if "$ref" in form:
        if not isinstance(value, Mapping):
            yield f"{path} is {value!r}: write an object"
            return
        fields = descriptions.schema(_API, form["$ref"])
        for key, part in value.items():
            if key in fields:
                yield from _unknown(part, fields[key], f"{path}.{key}")
            else:
                day = descriptions.as_of(_API)
                yield f"{path} has no field {key} (on {day}): it has {', '.join(sorted(fields))}"
    elif form.get("type") == "array":
        if not isinstance(value, list):
            yield f"{path} is {value!r}: write a list"
            return
        for index, part in enumerate(value):
            yield from _unknown(part, form["items"], f"{path}[{index}]")
    elif "enum" in form and value not in form["enum"]:
        yield f"{path} is {value!r}: write one of {', '.join(form['enum'])}"
