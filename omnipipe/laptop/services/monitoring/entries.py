"""Log files as Cloud Logging's entries: which resource wrote them, when, how severe, and what.

A line of JSON becomes ``jsonPayload``, less ``severity`` and ``timestamp``, which are the entry's. Any other line,
from stdout or stderr, becomes ``textPayload`` with the severity DEFAULT, as on Cloud Run
(https://cloud.google.com/run/docs/logging#container-logs). A line that says no time, or one without its zone, has
that of the line after it, and the last one that of the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_BLOCK_BYTES = 1 << 18
# Lines of PostgreSQL, and of Cloud Run's jobs about a task, begin with a time in UTC.
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:[.,]\d+)?)(?: UTC|Z|\+00:00)")
# Several processes write a file, so its lines are not quite in order.
_DISORDER = timedelta(minutes=1)


@dataclass(frozen=True)
class Source:
    """A log file. ``resource`` is the monitored resource that writes it; None if each line names its own."""

    file: Path
    resource: dict[str, Any] | None

    def entries(self, since: datetime) -> Iterator[dict[str, Any]]:
        """The entries since a moment, the newest first. Nothing is read of what lies before them."""
        if not self.file.is_file():
            return
        at = datetime.fromtimestamp(self.file.stat().st_mtime, UTC)
        for line in _backwards(self.file):
            entry = self.entry(line, at)
            at = entry["timestamp"]
            if at < since - _DISORDER:
                return
            if at >= since:
                yield entry

    def entry(self, line: str, at: datetime) -> dict[str, Any]:
        """A line as an entry; ``at`` is its time when it does not say one."""
        if line.startswith("{"):
            try:
                payload = json.loads(line)
            except ValueError:
                pass  # a line that was cut off: text
            else:
                time = _time(payload.get("timestamp"))
                if time is not None:
                    del payload["timestamp"]
                if self.resource is None:
                    return {**payload, "timestamp": time or at}
                severity = payload.pop("severity", "DEFAULT")
                return {
                    "timestamp": time or at,
                    "severity": severity,
                    "resource": self.resource,
                    "jsonPayload": payload,
                }
        if found := _TIME.match(line):
            at = datetime.fromisoformat(f"{found[1]}T{found[2].replace(',', '.')}+00:00")
        return {"timestamp": at, "severity": "DEFAULT", "resource": self.resource or {}, "textPayload": line}


def _time(text: Any) -> datetime | None:
    """A time with its zone, as RFC 3339 has it, or None for anything else."""
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return time if time.tzinfo else None


def _backwards(file: Path) -> Iterator[str]:
    """The lines of a file, the last first, read a block at a time."""
    with file.open("rb") as stream:
        position, rest = stream.seek(0, 2), b""
        while position > 0:
            size = min(_BLOCK_BYTES, position)
            position -= size
            stream.seek(position)
            first, *lines = (stream.read(size) + rest).split(b"\n")
            for line in reversed(lines):
                if line:
                    yield line.decode(errors="replace")
            rest = first
        if rest:
            yield rest.decode(errors="replace")
