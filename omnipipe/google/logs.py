"""What has been written into Cloud Logging, in the form in which the laptop's own logs are shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from omnipipe.google.stack import Stack

# The label of each kind of resource that says whose entry it is.
# https://cloud.google.com/monitoring/api/resources
_NAMES = {
    "cloud_run_job": "job_name",
    "cloud_run_revision": "service_name",
    "workflows.googleapis.com/Workflow": "workflow_id",
    "cloud_scheduler_job": "job_id",
    "datastream.googleapis.com/Stream": "stream_id",
    "cloudsql_database": "database_id",
}
_PAGE = 1000
# An entry may arrive after a later one: so far back is looked again.
_LATE = timedelta(seconds=30)


class Logs:
    """The entries of a stack's services: of ``service``, or all; of a run by its id's beginning; after a moment."""

    def __init__(
        self, stack: Stack, service: str | None, *, run: str | None = None, execution: str | None = None
    ) -> None:
        self._stack = stack
        labels = (f"resource.labels.{label}={json.dumps(service)}" for label in _NAMES.values())
        # A database is PROJECT:NAME there.
        self._filter = [
            "(" + " OR ".join(f"resource.type={json.dumps(kind)}" for kind in _NAMES) + ")",
            'NOT logName:"cloudaudit.googleapis.com"',
            *([f"({' OR '.join(labels)})"] if service else []),
            *([f"jsonPayload.run_id=~{json.dumps('^' + re.escape(run))}"] if run else []),
            *([f'labels."run.googleapis.com/execution_name"={json.dumps(execution)}'] if execution else []),
        ]
        self._seen: set[str] = set()

    def last(self, count: int, after: datetime | None = None) -> list[tuple[str, dict[str, Any]]]:
        """The last entries, the oldest first: the service's name, and the entry.

        Raises LaptopError as ``Api.post``.
        """
        return list(islice(self._entries("timestamp desc", after), count))[::-1]

    def since(self, moment: datetime) -> list[tuple[str, dict[str, Any]]]:
        """What has come since the last time, by ``moment`` at the earliest, and was not given before."""
        return list(self._entries("timestamp asc", moment - _LATE, new=True))

    def _entries(
        self, order: str, after: datetime | None, *, new: bool = False
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/list"""
        wanted = [*self._filter, *([f'timestamp>="{after.astimezone(UTC).isoformat()}"'] if after else [])]
        body: dict[str, Any] = {
            "resourceNames": [f"projects/{self._stack.project}"],
            "filter": " AND ".join(wanted),
            "orderBy": order,
            "pageSize": _PAGE,
        }
        while True:
            page = self._stack.api.post("logging", "v2/entries:list", body)
            for entry in page.get("entries", ()):
                if new and entry["insertId"] in self._seen:
                    continue
                self._seen.add(entry["insertId"])
                yield _line(entry)
            if not (token := page.get("nextPageToken")):
                return
            body["pageToken"] = token


def _line(entry: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Whose an entry is, and the entry with what the laptop's have: time, severity, and a text or fields."""
    labels = entry["resource"].get("labels", {})
    service = labels.get(_NAMES.get(entry["resource"]["type"], ""), entry["resource"]["type"])
    said = {"timestamp": datetime.fromisoformat(entry["timestamp"]), "severity": entry.get("severity", "DEFAULT")}
    if "textPayload" in entry:
        return service, said | {"textPayload": entry["textPayload"]}
    fields = entry.get("jsonPayload", {})
    # Google's own services say in other fields what they say.
    return service, said | {"jsonPayload": fields if "message" in fields else entry | {"jsonPayload": fields}}
